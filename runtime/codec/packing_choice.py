"""The encoder's choice of channels that are packed (docs/format.md section 4.5)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..predictor.channel_parameters import COPY
from ..predictor.lanes import columns
from .packed_channels import best_form, compressed_bytes
from .rans_payload import CodedChunk

_REPEATED = 4
"""Channels are tried if one sample of so many, or one difference of half as many, is that before it."""
_PROBE, _HOPELESS = 1 << 13, 1.2
"""Samples in the middle that are tried first, and how many times the bits of rANS are too many for them."""
_LANE_BYTES = 7
"""What a lane takes beside its words."""


def with_packed(chunk: CodedChunk, samples: np.ndarray, exact: Sequence[int] = ()) -> CodedChunk:
    """Return a coded chunk with those channels packed that take less so, from the samples that decoders give.

    Channels that are to be `exact` are constant in the chunk as it is coded, and are packed always.
    """
    bytes_of = 4 * chunk.counts.reshape(chunk.segments, -1).sum(axis=0) + _LANE_BYTES * chunk.segments
    sizes = dict(zip(chunk.side.coded.tolist(), bytes_of.tolist(), strict=True))
    smaller = list(exact) + [
        channel
        for channel, column in enumerate(columns(samples))
        if channel in sizes and _repeats(column) and _is_smaller(column, sizes[channel])
    ]
    packed = _independent(chunk, np.array(smaller, np.int64)) if smaller else np.zeros(0, np.int64)
    if not len(packed):
        return chunk
    rest = np.setdiff1d(np.arange(samples.shape[1]), packed)
    kept = chunk.part(0, chunk.segments, rest)
    kept.sample_crc = chunk.sample_crc
    kept.packed = {channel: np.ascontiguousarray(samples[:, channel]) for channel in packed.tolist()}
    kept.steps = kept.steps if len(kept.side.coded) else kept.frames
    return kept


def _independent(chunk: CodedChunk, channels: np.ndarray) -> np.ndarray:
    """Return those of some channels, and their copies, that no other channel refers to."""
    side = chunk.side
    while len(channels):
        copies = np.flatnonzero((side.kind == COPY) & np.isin(side.mean, channels))
        others = np.setdiff1d(side.coded, channels)
        wanted = np.isin(channels, side.references[others])
        if not wanted.any():
            return np.sort(np.concatenate([channels, copies]))
        channels = channels[~wanted]
    return channels


def _repeats(column: np.ndarray) -> bool:
    """Return whether a channel may be worth a trial."""
    if _REPEATED * _equal(column) >= len(column):
        return True
    return _REPEATED * _equal(np.diff(column)) >= 2 * len(column)


def _equal(values: np.ndarray) -> int:
    """Return how many values are that before them."""
    return int(np.count_nonzero(values[1:] == values[:-1]))


def _is_smaller(column: np.ndarray, size: int) -> bool:
    first = max((len(column) - _PROBE) // 2, 0)
    part = column[first : first + _PROBE]
    form, least = best_form(part)
    if len(part) < len(column):
        if least * len(column) > _HOPELESS * size * len(part):
            return False
        least = compressed_bytes(column, form)
    return least < size
