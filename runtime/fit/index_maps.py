"""The encoder's choice of index maps (docs/format.md section 4.4): steps, and palettes on top of them or alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..core.implant_table import codes_of
from ..predictor.index_maps import FRACTION, MAX_STEPS, NO_STEP, ONE, Exceptions, IndexMaps
from ..predictor.lanes import columns
from .costs import bits_of
from .histograms import Histograms, histogram
from .palette_search import find_palettes, numbers_in
from .step_search import best_offsets, common_divisors, find_slope, indices_of, sparse

_PROBE = 1 << 12
"""Samples of a channel that tell whether it may have steps at all."""
_SLOPES = 3
"""Slopes that are looked for beside whole numbers."""
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


def find_index_maps(samples: np.ndarray, max_error: int = 0) -> tuple[IndexMaps, np.ndarray]:
    """Choose index maps of a chunk.

    Parameters
    ----------
    samples : int16 [frames, channels]
    max_error : int
        Bound of the error. If there is one, maps are used only where their steps are wider than bins.

    Returns
    -------
    IndexMaps
    int16 [frames, channels]
        Indices where channels have a map, samples elsewhere; the array that was given if no channel has one.
    """
    maps, indices = IndexMaps.none(samples.shape[1]), samples
    free = dict(_free_columns(samples))
    candidates = _candidates(free)
    if candidates is not None:
        _find_slopes(candidates, 2 * max_error + 1)
        _take_steps(maps, candidates)
    stepped = np.flatnonzero(maps.step != NO_STEP).tolist()
    for channel in stepped:
        free[channel] = _take_indices(maps, channel, free[channel], max_error)
    if not max_error:
        maps.palettes = find_palettes(free)
    for channel, palette in maps.palettes.items():
        free[channel] = numbers_in(palette, free[channel])
    for channel in np.flatnonzero(maps.mapped).tolist():
        indices = samples.copy() if indices is samples else indices
        indices[:, channel] = free[channel]
    return maps, indices


def _free_columns(samples: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the channels that are neither constant nor in the implant's table."""
    for channel, column in enumerate(columns(samples)):
        if column.min() == column.max():
            continue
        if codes_of(column[:_PROBE]).min() >= 0 and codes_of(column).min() >= 0:
            continue
        yield channel, column


def _candidates(free: dict[int, np.ndarray]) -> _Candidates | None:
    """Return the channels whose values leave room for steps; None if there are none."""
    for length in (_PROBE, None):
        if not free:
            return None
        numbers = np.array(list(free))
        found = Histograms.of([histogram(_spread(column, length)) for column in free.values()])
        chosen = sparse(found)
        free = {channel: free[channel] for channel in numbers[chosen].tolist()}
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
    return 0.9 * total * np.log2(slope / ONE) - exceptions * places - _CHANNEL_BITS


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
    for digits in range(FRACTION + 1):
        unit = ONE >> digits
        multiples = np.where(last >= slope, slope, -(-first // unit) * unit)
        if (multiples <= last).all():
            break
    for offset in np.unique(multiples % slope).tolist():
        if (((offset - first) % slope) <= last - first).all():
            return np.full(len(first), offset)
    return multiples % slope


def _take_indices(maps: IndexMaps, channel: int, column: np.ndarray, max_error: int) -> np.ndarray:
    """Return the indices of a channel's samples, and fill in exceptions."""
    slope, offset = int(maps.slopes[maps.step[channel]]), int(maps.offset[channel])
    samples = column.astype(np.int64)
    indices = indices_of(samples, slope, offset)
    differences = samples - (indices * slope + offset >> FRACTION)
    frames = np.flatnonzero(np.abs(differences) > max_error)
    if len(frames):
        maps.exceptions[channel] = Exceptions(frames, differences[frames])
    return indices.astype(np.int16)
