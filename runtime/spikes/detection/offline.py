"""Finding the windows of a chunk: detection, limits, and tents that keep crossings where they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...core.limits import MAX_CHUNK_FRAMES
from ..layout.times import gaps
from ..options import Activity
from ..render.corrections import tent
from ..windows import Windows, around
from . import filters

_GROUP = 64
"""Channels that are watched at once."""
DEAD_SECONDS = 0.001
BUSIEST = 0.25
"""Share of a channel's frames that may be in windows; a channel with more has its threshold raised."""
STRICTER = 1.15
"""What raising a threshold multiplies it by."""
RAIL_SHARE = 0.005
"""Share of samples at the ends of the range from which on a channel counts as saturated and has no windows."""
_MARGIN = 1.01
"""Crossings shall stay this much below the threshold."""
_SEARCH_SECONDS = 0.0006
_EARLY_FRAMES = 2
_MAX_LIFT = 15
_LEAST_RESPONSE = 0.03
_BAND_SAMPLES = 1 << 17
"""Samples that are filtered at once for tents."""


@dataclass
class Watched:
    """What was found in a chunk.

    windows : Windows
    channel, frame : int64 [events]
    threshold : float64 [channels], positive, in units of the filtered signal; infinite for channels that are not watched
    noise : float64 [channels], in-band deviations, in values; 0 for channels that are not watched
    raised : int64 [channels], how many times the threshold was raised
    """

    windows: Windows
    channel: np.ndarray
    frame: np.ndarray
    threshold: np.ndarray
    noise: np.ndarray
    raised: np.ndarray


def exact_type(high: int) -> type:
    """The float type in which sums of the filter are exact, for values up to some size."""
    return np.float32 if high <= 1 << 10 else np.float64


def saturated(values: np.ndarray, low: int, high: int) -> np.ndarray:
    """bool [channels]: channels that are at the ends of the range too often."""
    return ((values == low) | (values == high)).mean(axis=0) > RAIL_SHARE


def watch(values: np.ndarray, options: Activity, low: int, high: int, most: int | None = None) -> Watched:
    """Windows of integers [frames, channels], whose range is low..high.

    most : frames that a channel may have in windows; thresholds of channels with more are raised
    """
    frames, channels = values.shape
    if most is None:
        most = max(int(frames * BUSIEST), 4 * sum(options.frames))
    nothing = np.zeros(0, np.int64), np.zeros(0, np.int64)
    found, parts = [nothing], []
    for first in range(0, channels, _GROUP):
        events, columns = _watch_some(values[:, first : first + _GROUP], options, low, high, most)
        found.append((events[0] + first, events[1]))
        parts.append(columns)
    channel, frame = map(np.concatenate, zip(*found, strict=True))
    return Watched(around(channel, frame, *options.frames, frames), channel, frame, *map(np.concatenate, zip(*parts)))


def _watch_some(values: np.ndarray, options: Activity, low: int, high: int, most: int) -> tuple[tuple, tuple]:
    """Events of some channels, and their thresholds, noise, and raises."""
    channels = values.shape[1]
    threshold, noise, raised = np.full(channels, np.inf), np.zeros(channels), np.zeros(channels, np.int64)
    live = np.flatnonzero(~saturated(values, low, high) & (values.min(axis=0) != values.max(axis=0)))
    if not len(live):
        return (live, live), (threshold, noise, raised)
    taps = filters.band_taps(options.rate)
    part = np.ascontiguousarray(values[:, live])
    filtered = filters.band(filters.extended(part, len(taps) // 2), taps, exact_type(high))
    deviation = filters.Noise(filtered, settled=True).deviation
    limit, raises = deviation * options.threshold, np.zeros(len(live), np.int64)
    dead = max(1, round(DEAD_SECONDS * options.rate))
    channel, frame = _limited(filtered, limit, raises, dead, most, options.frames)
    threshold[live], noise[live], raised[live] = limit, deviation / (1 << filters.TAP_BITS), raises
    return (live[channel], frame), (threshold, noise, raised)


def _limited(
    filtered: np.ndarray, threshold: np.ndarray, raises: np.ndarray, dead: int, most: int, window: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Events; thresholds of channels that are too busy are raised, in place."""
    channel, frame = filters.crossings(filtered, threshold, dead)
    while len(channel):
        windows = around(channel, frame, *window, len(filtered))
        busy = np.flatnonzero(np.bincount(windows.channel, windows.length, len(threshold)) > most)
        if not len(busy):
            break
        threshold[busy] *= STRICTER
        raises[busy] += 1
        fewer, times = filters.crossings(filtered[:, busy], threshold[busy], dead)
        keep = ~np.isin(channel, busy)
        channel, frame = np.concatenate([channel[keep], busy[fewer]]), np.concatenate([frame[keep], times])
        order = np.lexsort((frame, channel))
        channel, frame = channel[order], frame[order]
    return channel, frame


def lifts(watched: Watched, values: np.ndarray, rendered: np.ndarray, options: Activity, step: int) -> np.ndarray:
    """Tents, int64 [windows], for windows whose first crossing gets lost without.

    What is left out in front of a window moves the band-passed signal within it. A tent there puts it right again: its
    response at the crossing's peak is known, and so is how much is missing.
    """
    windows, before = watched.windows, options.frames[0]
    lift = np.zeros(len(windows), np.int64)
    taps = filters.band_taps(options.rate)
    unit = step << filters.TAP_BITS
    response = np.convolve(tent(1, before, unit), taps) / (1 << filters.TAP_BITS)
    search = max(2, round(_SEARCH_SECONDS * options.rate))
    window = (
        np.searchsorted(_place(windows.channel, windows.start), _place(watched.channel, watched.frame), "right") - 1
    )
    opens = np.diff(window, prepend=-1) > 0
    useful = opens & (gaps(windows)[window] >= 2 * before)
    for channel, plain, shown in _bands_of(np.unique(watched.channel[useful]), values, rendered, taps):
        aim = -float(watched.threshold[channel]) * _MARGIN
        for event in np.flatnonzero(useful & (watched.channel == channel)).tolist():
            t, start = int(watched.frame[event]), int(windows.start[window[event]])
            if shown[max(t - _EARLY_FRAMES, 0) : t + search].min() <= aim:
                continue
            span = np.arange(t, min(t + search, len(values)))
            place = span - start + 2 * before + len(taps) // 2
            effect = response[np.clip(place, 0, len(response) - 1)]
            good = (np.abs(effect) > _LEAST_RESPONSE * unit) & (plain[span] <= -float(watched.threshold[channel]))
            if good.any():
                needed = (aim - shown[span][good]) / effect[good]
                best = float(needed[np.argmin(np.abs(needed))])
                lift[window[event]] = int(np.clip(np.sign(best) * np.ceil(abs(best)), -_MAX_LIFT, _MAX_LIFT))
    return lift


def _place(channel: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Numbers in order of channel, then of frame."""
    return channel * MAX_CHUNK_FRAMES + frame


def _bands_of(channels: np.ndarray, values: np.ndarray, rendered: np.ndarray, taps: np.ndarray) -> Iterator[tuple]:
    """Channel, its band-passed signal, that of what is shown; some channels at once."""
    some = max(1, _BAND_SAMPLES // max(len(values), 1))
    for first in range(0, len(channels), some):
        part = channels[first : first + some]
        bands = []
        for signals in (values, rendered):
            chosen = np.ascontiguousarray(signals[:, part])
            bands.append(
                filters.band(filters.extended(chosen, len(taps) // 2), taps, exact_type(int(np.abs(chosen).max())))
            )
        for column, channel in enumerate(part.tolist()):
            yield channel, bands[0][:, column], bands[1][:, column]
