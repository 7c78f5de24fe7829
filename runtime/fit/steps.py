"""The encoder's choice of steps of channels (docs/format.md section 4.4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.implant_table import codes_of
from ..predictor.index_maps import FRACTION, MAX_STEPS, NO_STEP, ONE, Exceptions, IndexMaps
from ..predictor.lanes import columns
from .histograms import Histograms
from .step_search import best_offsets, common_divisors, find_slope, indices_of, sparse

_PROBE = 1 << 12
"""Samples of a channel that tell whether it may have steps at all."""
_SLOPES = 3
"""Slopes that are looked for beside whole numbers."""
_SAMPLES = 1 << 15
"""Samples are from minus this to below it."""
_STEP_BITS, _CHANNEL_BITS, _EXCEPTION_BITS = 60, 32, 4
"""What a step takes, a channel's offset, and an exception beyond the place of it, about."""


@dataclass
class _Candidates:
    """Channels that may have steps.

    numbers : int64 [n]
    found : Histograms of them
    slope : int64 [n], what each has; 0 for nothing
    """

    numbers: np.ndarray
    found: Histograms
    slope: np.ndarray


def free_channels(samples: np.ndarray) -> np.ndarray:
    """Return which channels of a chunk are neither constant nor in the implant's table, bool [channels]."""
    free = np.zeros(samples.shape[1], bool)
    for channel, column in enumerate(columns(samples)):
        in_table = codes_of(column[:_PROBE]).min() >= 0 and codes_of(column).min() >= 0
        free[channel] = not in_table and column.min() < column.max()
    return free


def find_steps(samples: np.ndarray, free: np.ndarray, max_error: int = 0) -> tuple[IndexMaps, np.ndarray]:
    """Choose steps of some channels of a chunk.

    Parameters
    ----------
    samples : int16 [frames, channels]
    free : bool [channels]
    max_error : int
        Bound of the error: steps must be wider than bins, and samples within the bound are no exceptions.

    Returns
    -------
    IndexMaps
    int16 [frames, channels]
        Indices where channels have steps, samples elsewhere; the array that was given if no channel has any.
    """
    maps, among = IndexMaps.none(samples.shape[1]), _columns_of(samples, free)
    candidates = _candidates(among)
    if candidates is None:
        return maps, samples
    _find_slopes(candidates, 2 * max_error + 1)
    _take_steps(maps, candidates)
    new = {}
    for channel in np.flatnonzero(maps.step != NO_STEP).tolist():
        indices, exceptions = _indices(maps, channel, among[channel], max_error)
        if indices.min() == indices.max():  # all else are exceptions
            maps.step[channel], maps.offset[channel] = NO_STEP, 0
            continue
        new[channel] = indices
        if exceptions is not None:
            maps.exceptions[channel] = exceptions
    return maps, _replaced(samples, new)


def _columns_of(samples: np.ndarray, chosen: np.ndarray) -> dict[int, np.ndarray]:
    if not chosen.any():  # taking columns apart is a tenth of the time of encoding
        return {}
    return {channel: column for channel, column in enumerate(columns(samples)) if chosen[channel]}


def _replaced(samples: np.ndarray, new: dict[int, np.ndarray]) -> np.ndarray:
    """Return samples with other columns, in a copy if there are any."""
    samples = samples.copy() if new else samples
    for channel, column in new.items():
        samples[:, channel] = column
    return samples


def _candidates(free: dict[int, np.ndarray]) -> _Candidates | None:
    """Return the channels whose values leave room for steps; None if there are none."""
    for length in (_PROBE, None):
        if not free:
            return None
        numbers, parts = np.array(list(free)), [_spread(column, length) for column in free.values()]
        found = Histograms.of(parts)
        chosen = sparse(found)
        free = {channel: free[channel] for channel in numbers[chosen].tolist()}
        if len(parts[0]) == len(next(iter(free.values()), parts[0])):
            break
    if not free:
        return None
    return _Candidates(numbers[chosen], found.channels(chosen), np.zeros(len(free), np.int64))


def _spread(column: np.ndarray, length: int | None) -> np.ndarray:
    """Return so many samples from all over a channel, or all of them."""
    return column if length is None else np.ascontiguousarray(column[:: -(-len(column) // length)])


def _find_slopes(candidates: _Candidates, least: int) -> None:
    """Choose the slope of each channel, above `least`."""
    found, total = candidates.found, candidates.found.sums(candidates.found.counts)
    divisors = common_divisors(found)
    for _ in range(_SLOPES):
        waiting = (candidates.slope == 0) & (divisors == 1)
        slope = find_slope(found.channels(waiting)) if waiting.any() else None
        if slope is None:
            break
        saved = _saved(slope, best_offsets(found, slope).matched, total)
        better = (saved > 0) & (slope > candidates.slope) & (slope > least * ONE) & (10 * slope > 9 * divisors * ONE)
        if not (better & waiting).any() or saved[better].sum() < _STEP_BITS:
            break
        candidates.slope[better] = _with_one_offset(found.channels(better), slope)
    used = np.unique(candidates.slope[candidates.slope > 0])
    waiting = (candidates.slope == 0) & (divisors > least)
    for divisor in _most_useful(divisors[waiting], total[waiting], MAX_STEPS - len(used)):
        better = (candidates.slope < divisor * ONE) & (divisors % divisor == 0)
        better &= (_saved(divisor * ONE, total, total) > 0) & waiting
        candidates.slope[better] = divisor * ONE


def _with_one_offset(found: Histograms, slope: int) -> int:
    """Return a slope that puts as many samples of some channels in their places with one offset, if there is one."""
    together = found.together()
    other = find_slope(together) if len(found) > 1 else None
    if other is None or best_offsets(together, other).matched.sum() < best_offsets(found, slope).matched.sum():
        return slope
    return other


def _saved(slope: int, matched: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return the bits that steps save in channels, at least about, by how many samples are where these put them."""
    exceptions = total - matched
    places = np.log2(total / np.maximum(exceptions, 1)) + _EXCEPTION_BITS
    saved = 0.9 * total * np.log2(slope / ONE) - exceptions * places - _CHANNEL_BITS
    return np.where(4 * exceptions <= total, saved, 0)


def _most_useful(divisors: np.ndarray, total: np.ndarray, most: int) -> list[int]:
    """Return the divisors that save the most bits over all channels that have them as they are."""
    sizes, places = np.unique(divisors, return_inverse=True)
    saved = np.bincount(places, total[: len(places)] * np.log2(divisors)) if len(sizes) else np.zeros(0)
    saved = saved - _STEP_BITS
    order = np.argsort(-saved, kind="stable")[:most]
    return [int(sizes[i]) for i in order if saved[i] > 0]


def _take_steps(maps: IndexMaps, candidates: _Candidates) -> None:
    """Fill in slopes, steps and offsets."""
    maps.slopes = np.unique(candidates.slope[candidates.slope > 0])
    for number, slope in enumerate(maps.slopes.tolist()):
        chosen = candidates.slope == slope
        best = best_offsets(candidates.found.channels(chosen), slope)
        channels = candidates.numbers[chosen]
        maps.step[channels] = number
        maps.offset[channels] = _simple_offsets(best.first, best.last, slope)


def _simple_offsets(first: np.ndarray, last: np.ndarray, slope: int) -> np.ndarray:
    """Return offsets in ranges, for all the same one if there is any, and with as few digits as possible."""
    for offset in np.unique(first).tolist():
        room = last - first - (offset - first) % slope
        if room.min() >= 0:
            return np.full(len(first), int(_simplest(np.array([offset]), offset + room.min(), slope)[0]))
    return _simplest(first, last, slope)


def _simplest(first: np.ndarray, last: np.ndarray, slope: int) -> np.ndarray:
    """Return a number of each range, in units of the largest power of two of which all ranges have multiples."""
    for digits in range(FRACTION + 1):
        unit = ONE >> digits
        multiples = np.where(last >= slope, slope, -(-first // unit) * unit)
        if (multiples <= last).all():
            break
    return multiples % slope


def _indices(maps: IndexMaps, channel: int, column: np.ndarray, max_error: int) -> tuple[np.ndarray, Exceptions | None]:
    """Return the indices of a channel's samples, and which are exceptions."""
    slope, offset = int(maps.slopes[maps.step[channel]]), int(maps.offset[channel])
    samples = column.astype(np.int64)
    lowest, highest = -(((_SAMPLES << FRACTION) + offset) // slope), ((_SAMPLES << FRACTION) - 1 - offset) // slope
    indices = np.clip(indices_of(samples, slope, offset), lowest, highest)
    differences = samples - (indices * slope + offset >> FRACTION)
    frames = np.flatnonzero(np.abs(differences) > max_error)
    return indices.astype(np.int16), Exceptions(frames, differences[frames]) if len(frames) else None
