"""Find the correction pulses that keep crossings where they are. Encoder only.

What is left out in front of a window moves the band-passed signal within it. A pulse there puts it right again: its
response at the crossing's peak is known, and so is how much is missing.
"""

from __future__ import annotations

import numpy as np

from ...core.limits import MAX_CHUNK_FRAMES
from ..options import SpikeOptions
from ..render.rendering import correction_pulse
from . import filters
from .offline import Detections

_MARGIN = 1.01
"""Thresholds that a crossing should reach."""
_SEARCH_SECONDS = 0.0006
_EARLY_FRAMES = 2
_MAX_HEIGHT = 15
_LEAST_RESPONSE = 0.03


def corrections(
    found: Detections, values: np.ndarray, rendered: np.ndarray, options: SpikeOptions, step: int
) -> np.ndarray:
    """Return the heights of pulses, int64 [windows]: 0 unless the window's first crossing gets lost without.

    Parameters
    ----------
    values, rendered : integers [frames, channels], of the original, and of what is decoded without pulses
    step : unit of the heights
    """
    windows, before = found.windows, options.window_frames[0]
    heights = np.zeros(len(windows), np.int64)
    unit = step << filters.TAP_BITS
    taps = filters.band_taps(options.sample_rate)
    response = np.convolve(correction_pulse(1, before, unit), taps) / (1 << filters.TAP_BITS)
    window = np.searchsorted(_order(windows.channel, windows.start), _order(found.channel, found.frame), "right") - 1
    opens = np.diff(window, prepend=-1) > 0
    event = np.flatnonzero(opens & (windows.gaps()[window] >= 2 * before))
    search = max(2, round(_SEARCH_SECONDS * options.sample_rate))
    number = np.arange(-_EARLY_FRAMES, search)
    channel, first = found.channel[event], found.frame[event] - _EARLY_FRAMES
    threshold, missing = found.threshold[channel, None], first[:, None] + number - number[0] >= len(values)
    drawn = filters.band_at(rendered, channel, first, len(number), options.sample_rate)
    drawn[missing | (first[:, None] + number - number[0] < 0)] = np.inf
    lost = np.flatnonzero(drawn.min(axis=1, initial=np.inf) > -_MARGIN * threshold[:, 0])
    plain = filters.band_at(values, channel[lost], found.frame[event[lost]], search, options.sample_rate)
    place = found.frame[event[lost], None] + number[_EARLY_FRAMES:] - windows.start[window[event[lost]], None]
    effect = response[np.clip(place + 2 * before + len(taps) // 2, 0, len(response) - 1)]
    good = (np.abs(effect) > _LEAST_RESPONSE * unit) & (plain <= -threshold[lost]) & ~missing[lost, _EARLY_FRAMES:]
    needed = np.divide(-_MARGIN * threshold[lost] - drawn[lost, _EARLY_FRAMES:], effect, where=good, out=effect)
    heights[window[event[lost]]] = _heights(needed, good)
    return heights


def _heights(needed: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Return the smallest of the heights that would do, rounded up, int64 [windows]; 0 where there is none.

    needed, good : float64, bool [windows, frames]
    """
    size = np.where(good, np.abs(needed), np.inf)
    place = np.arange(len(size)), size.argmin(axis=1)
    least = np.where(good[place], needed[place], 0)
    return np.clip(np.sign(least) * np.ceil(np.abs(least)), -_MAX_HEIGHT, _MAX_HEIGHT).astype(np.int64)


def _order(channel: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Return numbers in order of channel, then of frame."""
    return channel * MAX_CHUNK_FRAMES + frame
