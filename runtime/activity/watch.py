"""Finding the windows of a chunk: detection, limits, and tents that keep crossings where they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import detector
from .options import Activity
from .rendering import tent
from .windows import Windows, around

_GROUP = 64
"""Leads that are watched at once."""
_DEAD_SECONDS = 0.001
_BUSIEST = 0.25
"""Share of a lead's frames that may be in windows; a lead with more has its threshold raised."""
_STRICTER = 1.15
_RAIL_SHARE = 0.005
"""Share of samples at the ends of the range from which on a lead counts as saturated and has no windows."""
_MARGIN = 1.01
"""Crossings shall stay this much below the threshold."""
_SEARCH_SECONDS = 0.0006
_FOUND_FRAMES = 5
_MAX_LIFT = 15
_LEAST_RESPONSE = 0.03


@dataclass
class Watched:
    """What was found in a chunk.

    windows : Windows
    lead, frame : int64 [events]
    threshold : float64 [leads], positive, in units of the filtered signal; infinite for leads that are not watched
    noise : float64 [leads], in-band deviations, in values
    """

    windows: Windows
    lead: np.ndarray
    frame: np.ndarray
    threshold: np.ndarray
    noise: np.ndarray


def exact_type(values: np.ndarray) -> type:
    """The float type in which sums of the filter are exact."""
    return np.float32 if int(np.abs(values).max(initial=0)) <= 1 << 10 else np.float64


def saturated(values: np.ndarray, low: int, high: int) -> np.ndarray:
    """bool [leads]: leads that are at the ends of the range too often."""
    return ((values == low) | (values == high)).mean(axis=0) > _RAIL_SHARE


def watch(values: np.ndarray, rate: int, options: Activity, stricter: float, low: int, high: int) -> Watched:
    """Windows of integers [frames, leads], whose range is low..high; `stricter` multiplies the threshold."""
    before, after = options.frames(rate)
    taps = detector.band_taps(rate)
    frames, leads = values.shape
    dead, most = max(1, round(_DEAD_SECONDS * rate)), max(int(frames * _BUSIEST), 4 * (before + after))
    found, threshold, noise = [], np.full(leads, np.inf), np.zeros(leads)
    for first in range(0, leads, _GROUP):
        part = values[:, first : first + _GROUP]
        live = np.flatnonzero(~saturated(part, low, high) & (part.min(axis=0) != part.max(axis=0)))
        if not len(live):
            continue
        part = np.ascontiguousarray(part[:, live])
        filtered = detector.band(detector.extended(part, len(taps) // 2), taps, exact_type(part))
        deviation = detector.Noise(filtered, settled=True).deviation
        limit = deviation * options.threshold * stricter
        lead, frame = _limited(filtered, limit, dead, most, (before, after))
        found.append((live[lead] + first, frame))
        threshold[live + first], noise[live + first] = limit, deviation / (1 << 12)
    lead, frame = (np.concatenate([np.zeros(0, np.int64), *column]) for column in (zip(*found) if found else [(), ()]))
    return Watched(around(lead, frame, before, after, frames), lead, frame, threshold, noise)


def _limited(
    filtered: np.ndarray, threshold: np.ndarray, dead: int, most: int, window: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Events; thresholds of leads that are too busy are raised, in place."""
    lead, frame = detector.crossings(filtered, threshold, dead)
    while len(lead):
        windows = around(lead, frame, *window, len(filtered))
        busy = np.flatnonzero(np.bincount(windows.lead, windows.length, len(threshold)) > most)
        if not len(busy):
            break
        threshold[busy] *= _STRICTER
        fewer, times = detector.crossings(filtered[:, busy], threshold[busy], dead)
        keep = ~np.isin(lead, busy)
        lead, frame = np.concatenate([lead[keep], busy[fewer]]), np.concatenate([frame[keep], times])
        order = np.lexsort((frame, lead))
        lead, frame = lead[order], frame[order]
    return lead, frame


def lifts(watched: Watched, values: np.ndarray, rendered: np.ndarray, rate: int, before: int, step: int) -> np.ndarray:
    """Tents, int64 [windows], for windows whose first crossing gets lost without.

    What is left out in front of a window moves the band-passed signal within it. A tent there puts it right again: its
    response at the crossing's peak is known, and so is how much is missing.
    """
    windows = watched.windows
    lift = np.zeros(len(windows), np.int64)
    taps = detector.band_taps(rate)
    reach = len(taps) // 2
    gap = np.concatenate([[0], np.where(windows.lead[1:] == windows.lead[:-1], windows.start[1:] - windows.stop[:-1], windows.start[1:])])
    if len(windows):
        gap[0] = windows.start[0]
    response = np.convolve(tent(1, before, 1 << 12).astype(float) / (1 << 12), taps / (1 << 12))
    first = np.searchsorted(windows.lead * len(values) + windows.start, watched.lead * len(values) + watched.frame, "right") - 1
    search = max(2, round(_SEARCH_SECONDS * rate))
    for lead in np.unique(watched.lead).tolist():
        mine = np.flatnonzero(watched.lead == lead)
        filtered = [_band_of(x[:, lead], taps) for x in (values, rendered)]
        threshold = float(watched.threshold[lead])
        for event in mine.tolist():
            window, t = int(first[event]), int(watched.frame[event])
            if (event and first[event - 1] == window) or gap[window] < 2 * before:
                continue
            near = slice(max(t - _FOUND_FRAMES + 3, 0), t + search)
            if filtered[1][near].min() <= -threshold * _MARGIN:
                continue
            span = np.arange(t, min(t + search, len(values)))
            at = span - int(windows.start[window]) + 2 * before + reach
            effect = response[np.clip(at, 0, len(response) - 1)] * step * (1 << 12)
            missing = -threshold * _MARGIN - filtered[1][span]
            good = np.abs(effect) > _LEAST_RESPONSE * step * (1 << 12)
            if good.any():
                needed = missing[good] / effect[good]
                best = float(needed[np.argmin(np.abs(needed))])
                lift[window] = int(np.clip(np.sign(best) * np.ceil(abs(best)), -_MAX_LIFT, _MAX_LIFT))
    return lift


def _band_of(lead: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """The band-passed signal of one lead."""
    values = np.ascontiguousarray(lead[:, None])
    return detector.band(detector.extended(values, len(taps) // 2), taps, exact_type(values))[:, 0]
