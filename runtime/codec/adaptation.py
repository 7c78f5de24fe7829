"""Which channels get adaptive predictors: those of which some stretches become smaller by them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..core.bits import bit_length
from ..predictor.channel_parameters import LINEAR, SideInformation
from ..predictor.index_maps import IndexMaps
from .rans_payload import NOTHING, CodedChunk

_SHARE, _LEAST, _MOST, _STRETCH = 8, 512, 1 << 13, 2048
"""One frame of so many is tried, but not fewer than this and not more than that, in stretches of so many."""
_WORTH = 1 / 512
"""What an adaptive predictor must gain, as a share of the bits: it takes time."""


def possible(side: SideInformation, frames: int) -> bool:
    """Return whether a chunk may have adaptive predictors."""
    return frames // _SHARE >= _LEAST and bool((side.kind == LINEAR).any())


def choose(samples: np.ndarray, side: SideInformation, code: Callable[[np.ndarray, CodedChunk], None]) -> None:
    """Fill in `side.adaptive` of linear channels.

    Parameters
    ----------
    samples : int16 [frames, channels], as they are coded
    code
        Fills in states and words of a chunk.
    """
    if not possible(side, len(samples)):
        return
    linear, frames = side.kind == LINEAR, min(len(samples) // _SHARE, _MOST)
    count = -(-frames // _STRETCH)
    frames //= count
    starts = (len(samples) - frames) * (2 * np.arange(count) + 1) // (2 * count)
    probe = samples[(starts[:, None] + np.arange(frames)).ravel()]
    without = _bits(probe, side, frames, code)
    with_it = _bits(probe, replace(side, adaptive=linear.astype(np.int64)), frames, code)
    side.adaptive = (linear & (with_it < without * (1 - _WORTH))).astype(np.int64)


def _bits(
    probe: np.ndarray, side: SideInformation, steps: int, code: Callable[[np.ndarray, CodedChunk], None]
) -> np.ndarray:
    """Return about how many bits each channel takes, int64 [channels]."""
    chunk = CodedChunk(len(probe), steps, 0, side, IndexMaps.none(len(side.kind)), [], *NOTHING)
    code(probe, chunk)
    bits = np.zeros(len(side.kind), np.int64)
    lanes = 32 * chunk.counts + bit_length(chunk.states.astype(np.int64))
    bits[side.coded] = lanes.reshape(-1, len(side.coded)).sum(axis=0)
    return bits
