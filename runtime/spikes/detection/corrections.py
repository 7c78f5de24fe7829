"""Find the correction pulses that keep crossings where they are. Encoder only.

What is left out in front of a window moves the band-passed signal within it. A pulse there puts it right again: its
response is known, and so is how much is missing. A crossing near the threshold shall be as deep as in the original, so
that another detector, with a slightly different threshold, decides about it as it did before.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..options import SpikeOptions
from ..render.rendering import correction_pulse
from ..windows import Events
from . import filters
from .offline import Detections

_NEAR = 0.08
"""Depth beyond the threshold, in thresholds, from which on a crossing need not be as deep as in the original."""
_TOLERANCE = 0.01
"""Difference of depth, in thresholds, that is left as it is."""
_SEARCH_SECONDS = 0.0006
_EARLY_FRAMES = 2
_MAX_HEIGHT = 15
_BY_SIZE = np.array(sorted(range(-_MAX_HEIGHT, _MAX_HEIGHT + 1), key=abs))
"""Heights, those that are chosen first where they are equally good in front."""
_EVENTS = 1 << 12
"""Events whose pulses are chosen at once."""


def corrections(
    found: Detections, values: np.ndarray, rendered: np.ndarray, options: SpikeOptions, step: int, past: int = 0
) -> np.ndarray:
    """Return the heights of pulses, int64 [windows], that keep the depth of every window's first crossing.

    A pulse is drawn as far as there is room between its window and the one in front.

    Parameters
    ----------
    values, rendered : integers [frames, channels], of the original, and of what is decoded without pulses
    step : unit of the heights
    past : frames of these in front of the first one that windows and events count from
    """
    windows = found.windows
    heights = np.zeros(len(windows), np.int64)
    window = windows.owners(Events(found.channel, found.frame))
    events = np.flatnonzero(np.diff(window, prepend=-1) > 0)
    search = max(2, round(_SEARCH_SECONDS * options.sample_rate))
    responses, room = _responses(options, step), np.minimum(windows.gaps(), 2 * options.window_frames[0])
    for begin in range(0, len(events), _EVENTS):
        event = events[begin : begin + _EVENTS]
        channel, frame, own = found.channel[event], found.frame[event], window[events[begin : begin + _EVENTS]]
        first, length = frame - _EARLY_FRAMES + past, _EARLY_FRAMES + search
        span = first[:, None] + np.arange(length)
        place = np.clip(span - past - windows.start[own, None] + responses.shape[1] // 2, 0, responses.shape[1] - 1)
        threshold = found.threshold[channel]
        effect = responses[room[own, None], place] / threshold[:, None]
        signals = [filters.band_at(x, channel, first, length, options.sample_rate) for x in (values, rendered)]
        plain, drawn = (band / threshold[:, None] for band in signals)
        outside = (span < 0) | (span >= len(values))
        plain[outside] = drawn[outside] = 0
        heights[own] = _heights(plain.min(axis=1), drawn, effect)
    return heights


@lru_cache(8)
def _responses(options: SpikeOptions, step: int) -> np.ndarray:
    """Return what pulses of height 1 add to the band, float64 [2 * before + 1, frames], for each room they may have.

    The middle frame is the window's first one.
    """
    before, taps = options.window_frames[0], filters.band_taps(options.sample_rate)
    reach = len(taps) // 2
    out = np.zeros((2 * before + 1, 2 * (2 * before + reach) + 1))
    for room in range(1, 2 * before + 1):
        pulse = correction_pulse(1, before, step << filters.TAP_BITS)[2 * before - room :]
        response = np.convolve(pulse, taps) / (1 << filters.TAP_BITS)
        first = 2 * before - room
        out[room, first : first + len(response)] = response
    return out


def _heights(depth: np.ndarray, drawn: np.ndarray, effect: np.ndarray) -> np.ndarray:
    """Return the heights with which crossings are as deep as they should be, int64 [events], 0 where that will do.

    Parameters
    ----------
    depth : float64 [events], least values of the original, in thresholds
    drawn, effect : float64 [events, frames], without a pulse and what a pulse of height 1 adds, in thresholds
    """
    deep, heights = -1 - _NEAR, np.zeros(len(depth), np.int64)
    wanted = np.maximum(depth, deep)
    off = np.abs(np.maximum(drawn.min(axis=1), deep) - wanted) > _TOLERANCE
    least = (drawn[off, None] + _BY_SIZE[:, None] * effect[off, None]).min(axis=2)
    miss = np.abs(np.maximum(least, deep) - wanted[off, None])
    heights[off] = _BY_SIZE[miss.argmin(axis=1)]
    return heights
