"""Find the correction pulses that keep crossings where they are. Encoder only.

What is left out in front of a window moves the band-passed signal within it. A pulse there puts it right again: its
response at the crossing's peak is known, and so is how much is missing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...core.limits import MAX_CHUNK_FRAMES
from ..options import SpikeOptions
from ..payload.times import gaps
from ..render.rendering import correction_pulse
from . import filters
from .offline import Detections, exact_type

_MARGIN = 1.01
"""Thresholds that a crossing should reach."""
_SEARCH_SECONDS = 0.0006
_EARLY_FRAMES = 2
_MAX_HEIGHT = 15
_LEAST_RESPONSE = 0.03
_BAND_SAMPLES = 1 << 17
"""Samples that are filtered at once."""


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
    useful = opens & (gaps(windows)[window] >= 2 * before)
    search = max(2, round(_SEARCH_SECONDS * options.sample_rate))
    for channel, plain, drawn in _bands_of(np.unique(found.channel[useful]), values, rendered, options.sample_rate):
        threshold = float(found.threshold[channel])
        aim = -threshold * _MARGIN
        for event in np.flatnonzero(useful & (found.channel == channel)).tolist():
            t, start = int(found.frame[event]), int(windows.start[window[event]])
            if drawn[max(t - _EARLY_FRAMES, 0) : t + search].min() <= aim:
                continue
            span = np.arange(t, min(t + search, len(values)))
            place = span - start + 2 * before + len(taps) // 2
            effect = response[np.clip(place, 0, len(response) - 1)]
            good = (np.abs(effect) > _LEAST_RESPONSE * unit) & (plain[span] <= -threshold)
            heights[window[event]] = _height((aim - drawn[span][good]) / effect[good])
    return heights


def _height(needed: np.ndarray) -> int:
    """Return the smallest of the heights that would do, rounded up."""
    if not len(needed):
        return 0
    least = float(needed[np.argmin(np.abs(needed))])
    return int(np.clip(np.sign(least) * np.ceil(abs(least)), -_MAX_HEIGHT, _MAX_HEIGHT))


def _order(channel: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Return numbers in order of channel, then of frame."""
    return channel * MAX_CHUNK_FRAMES + frame


def _bands_of(
    channels: np.ndarray, values: np.ndarray, rendered: np.ndarray, sample_rate: float
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield every channel with its band-passed signal and that of what is rendered."""
    some = max(1, _BAND_SAMPLES // max(len(values), 1))
    for first in range(0, len(channels), some):
        part = channels[first : first + some]
        chosen = [signals[:, part] for signals in (values, rendered)]
        bands = [filters.band_of(x, sample_rate, exact_type(int(np.abs(x).max()))) for x in chosen]
        for column, channel in enumerate(part.tolist()):
            yield channel, bands[0][:, column], bands[1][:, column]
