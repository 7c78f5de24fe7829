"""Steps between the values of channels: samples (q * slope + offset) >> 24, found from the values that there are.

Gaps between neighbouring values tell the slope roughly, least squares over the values of all channels that share it
precisely, and a search over the slopes that put every value in its place exactly. All decisions are made on integers or
by single operations on exact floats, so that they are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..predictor.index_maps import FRACTION, MAX_SLOPE_BITS, ONE
from .histograms import Histograms

_DENSE = 0.1
"""Channels are left alone where more of their samples than this have a neighbouring value that is as frequent."""
_FEW_VALUES = 3
_COSINE_BITS, _TURN_BITS = 14, 10
_COSINE = np.rint(np.cos(np.arange(1 << _TURN_BITS) * (2 * np.pi / (1 << _TURN_BITS))) * (1 << _COSINE_BITS)).astype(
    np.int64
)
_GRID_BITS, _GRID_RATIO, _MOST_GAPS = 10, 1.003, 256
_LEAST_AGREEMENT = 0.2
_REACH = (64, 256, 1024, 4096, 1 << 16)
"""Values are taken up to so many steps away from the middle, while the slope becomes more precise."""
_ROUNDS = 40
_SEEDS = 3
_NEARLY = 1 / 2000
"""Samples that may be exceptions for the sake of a simple slope."""


@dataclass(frozen=True)
class Offsets:
    """The best offsets of channels for a slope.

    matched : int64 [channels], samples that have a value of the map
    first, last : int64 [channels], offsets in this range put them there; 0 <= first < slope, `last` may be beyond
    """

    matched: np.ndarray
    first: np.ndarray
    last: np.ndarray


def sparse(found: Histograms) -> np.ndarray:
    """Return which channels may have steps, bool [channels]: few of their values have neighbours."""
    beside = np.minimum(found.counts[1:], found.counts[:-1]) * (np.diff(found.values) == 1)
    beside = np.append(beside, 0)
    beside[found.starts[1:] - 1] = 0
    return found.sums(beside) <= _DENSE * found.sums(found.counts)


def common_divisors(found: Histograms) -> np.ndarray:
    """Return the greatest common divisors of the differences of each channel's values, int64 [channels]."""
    return np.gcd.reduceat(found.values - found.values[found.starts][found.channel], found.starts)


def find_slope(found: Histograms) -> int | None:
    """Return the slope of steps, in units of 2^-24, that saves the most bits over all channels that have it, or None.

    It is looked for in the channels with the most values, each alone, then in all channels together.
    """
    if not (clean := _cleaned(found)):
        return None
    total, most, best = found.sums(found.counts), 0.0, None
    order = np.argsort(-clean.lengths, kind="stable")[:_SEEDS].tolist()
    seeds = [np.arange(len(clean)) == channel for channel in order] if len(clean) > 1 else []
    for seed in [*seeds, np.ones(len(clean), bool)]:
        if (slope := _seeded(clean, seed)) is None:
            continue
        slope = _simple(found, slope)
        matched = best_offsets(found, slope).matched
        agreeing = 10 * matched >= 9 * total
        saved = float(matched[agreeing].sum() * np.log2(slope / ONE))
        if saved > most:
            most, best = saved, slope
        if agreeing.all():
            break
    return best


def _simple(found: Histograms, slope: int) -> int:
    """Return a slope with few digits beside `slope` if it is about as good, else this."""
    slopes = [(slope + (ONE >> digits + 1)) >> FRACTION - digits << FRACTION - digits for digits in range(3)] + [slope]
    matched = [int(best_offsets(found, x).matched.sum()) for x in slopes]
    return next(x for x, count in zip(slopes, matched, strict=True) if count >= max(matched) * (1 - _NEARLY))


def _seeded(found: Histograms, seed: np.ndarray) -> int | None:
    """Return a slope that some channels tell, bool [channels], and others that agree make precise."""
    some = found.channels(seed)
    rough = _rough_slope(some)
    precise = None if rough is None else _precise(some, rough)
    if precise is None:
        return None
    slope, some = precise
    if not seed.all():
        tolerated = best_offsets(found, slope, _tolerant(slope)).matched
        precise = _precise(found.channels(_most_of(tolerated, found)), slope)
    return None if precise is None else _exact(precise[1], precise[0])


def _most_of(matched: np.ndarray, found: Histograms) -> np.ndarray:
    """Return in which channels three quarters of the samples match, bool [channels]."""
    return 4 * matched >= 3 * found.sums(found.counts)


def _precise(found: Histograms, slope: int) -> tuple[int, Histograms] | None:
    """Return a slope by least squares over more and more values, and the channels that agree with it."""
    offsets = np.zeros(0, np.int64)
    widest = int(found.widths(found.values).max()) << FRACTION
    for reach in _REACH:
        refined, offsets, found = _refined(found, slope, offsets, reach)
        if refined is None or not 2 * ONE <= refined < 1 << MAX_SLOPE_BITS:
            return None
        slope = refined
        if reach * slope > 2 * widest:
            break
    return slope, found


def best_offsets(found: Histograms, slope: int, window: int = ONE) -> Offsets:
    """Return the offsets that put as many samples as possible in their places, for each channel.

    Parameters
    ----------
    window : how far apart offsets that are taken for the same may be; 2^24 for those that are
    """
    residual, channel = (found.values << FRACTION) % slope, found.channel
    key = (channel * 3 + 1) * slope + residual
    order = np.argsort(np.concatenate([key, key - slope]), kind="stable")
    keys = np.concatenate([key, key - slope])[order]
    below = np.append(0, np.cumsum(np.concatenate([found.counts, found.counts])[order]))
    first = np.searchsorted(keys, key - window, "right")
    covered = below[np.searchsorted(keys, key, "right")] - below[first]
    best = np.maximum.reduceat(covered, found.starts)
    places = np.flatnonzero(covered == best[channel])
    places = places[np.unique(channel[places], return_index=True)[1]]
    smallest = keys[first[places]] - (np.arange(len(found)) * 3 + 1) * slope
    return Offsets(best, residual[places], smallest + window - 1)


def indices_of(values: np.ndarray, slope: int, offset: np.ndarray | int) -> np.ndarray:
    """Return the indices whose values are nearest, int64; exact where there is one that has the value itself."""
    highest = ((values << FRACTION) + (ONE - 1 - offset)) // slope
    exact = (highest * slope + offset) >> FRACTION == values
    return np.where(exact, highest, ((values << FRACTION) + ((slope + ONE) // 2 - offset)) // slope)


def _cleaned(found: Histograms) -> Histograms:
    """Leave out values beside one that is four times as frequent, which are off by one, and channels of few values."""
    apart = np.append(np.diff(found.values) > 1, True)
    apart[found.starts[1:] - 1] = True
    above = np.where(apart, 0, np.append(found.counts[1:], 0))
    below = np.append(0, np.where(apart, 0, found.counts)[:-1])
    found = found.only(4 * found.counts > np.maximum(above, below))
    return found.channels(found.lengths >= _FEW_VALUES)


def _rough_slope(found: Histograms) -> int | None:
    """Return the slope that most gaps between values are multiples of, to about 0.3 %."""
    gaps = np.diff(found.values)[np.diff(found.channel) == 0]
    sizes, counts = np.unique(gaps, return_counts=True)
    largest = int(sizes[np.searchsorted(np.cumsum(counts), len(gaps) / 5)]) + 1
    if largest <= 2:
        return None
    most = np.sort(np.argsort(-counts, kind="stable")[:_MOST_GAPS])
    sizes, counts = sizes[most], counts[most]
    steps = int(np.log(largest / 2) / np.log(_GRID_RATIO)) + 2
    grid = np.rint(2 * _GRID_RATIO ** np.arange(steps) * (1 << _GRID_BITS)).astype(np.int64)
    turns = ((sizes << _GRID_BITS + _TURN_BITS) + (grid[:, None] >> 1)) // grid[:, None] & (1 << _TURN_BITS) - 1
    agreement = (_COSINE[turns] * counts).sum(axis=1)
    if agreement.max() < _LEAST_AGREEMENT * int(counts.sum()) * (1 << _COSINE_BITS):
        return None
    good = np.flatnonzero(10 * agreement >= 8 * agreement.max())
    last = good[np.append(True, np.diff(good) > 1).nonzero()[0][-1] :]  # the largest slopes that will do
    return int(grid[last[agreement[last].argmax()]]) << FRACTION - _GRID_BITS


def _refined(
    found: Histograms, slope: int, offsets: np.ndarray, reach: int
) -> tuple[int | None, np.ndarray, Histograms]:
    """Return the slope by least squares over the values within so many steps of the middle ones of their channels.

    Also the offsets of the channels, none at first, and the channels that agree with the slope.
    """
    if not len(offsets):
        indices = _unwrapped(found, slope)
    else:
        indices = indices_of(found.values, slope, offsets[found.channel])
    middle = _middles(found)
    near = np.abs(found.values - found.values[middle][found.channel]) << FRACTION <= reach * slope
    part, q = found.only(near), (indices - indices[middle][found.channel])[near]
    values = part.values - found.values[middle][part.channel]
    count = part.lengths
    q_sum, value_sum = part.sums(q), part.sums(values)
    products, squares = count * part.sums(q * values) - q_sum * value_sum, count * part.sums(q * q) - q_sum * q_sum
    top, bottom = (sum(x / n for x, n in zip(y.tolist(), count.tolist())) for y in (products, squares))
    if not bottom:
        return None, offsets, found
    slope = int(round(top / bottom * ONE))
    if slope < ONE:
        return None, offsets, found
    best = best_offsets(part, slope, _tolerant(slope))
    agreeing = _most_of(best.matched, part)
    if not agreeing.any():
        return None, offsets, found
    return slope, ((best.first + best.last) // 2)[agreeing], found.channels(agreeing)


def _tolerant(slope: int) -> int:
    """Return a window for slopes that are not exact yet."""
    return ONE + min(ONE, slope - ONE) // 2


def _middles(found: Histograms) -> np.ndarray:
    """Return the places of the channels' median values."""
    total = np.cumsum(found.counts)
    before = np.append(0, total)[found.starts]
    return np.searchsorted(total, before + found.sums(found.counts) // 2, "right")


def _unwrapped(found: Histograms, slope: int) -> np.ndarray:
    """Return indices by adding up the gaps; where two numbers of steps are as near, a gap is the smaller one."""
    gaps = np.diff(found.values, prepend=found.values[0])
    gaps[found.starts] = 0
    return np.cumsum(((gaps << FRACTION) + (slope - 1) // 2) // slope)


def _exact(found: Histograms, slope: int) -> int:
    """Return a slope beside `slope` that puts all values that agree with it in their places, if there is one."""
    best = best_offsets(found, slope, _tolerant(slope))
    offset = best.last[found.channel]
    covered = (offset - (found.values << FRACTION)) % slope < _tolerant(slope)
    part = found.only(covered)
    q = ((found.values << FRACTION) + (_tolerant(slope) - 1 - offset))[covered] // slope
    reach = max(int(part.widths(q).max()), 1)
    low, high = slope - 2 * ONE // reach - 1, slope + 2 * ONE // reach + 1

    def direction(slope: int) -> int:
        """Return 0 if all values are in their places, else which way to go."""
        residual = (part.values << FRACTION) - slope * q
        widths = part.widths(residual)
        if (worst := int(widths.argmax())) >= 0 and widths[worst] < ONE:
            return 0
        own = slice(int(part.starts[worst]), int(part.starts[worst] + part.lengths[worst]))
        return int(q[own][residual[own].argmax()] - q[own][residual[own].argmin()])

    for _ in range(_ROUNDS):
        middle = (low + high) // 2
        way = direction(middle)
        if way == 0:
            return _simplest(direction, low, middle, high)
        low, high = (middle + 1, high) if way > 0 else (low, middle - 1)
        if low > high:
            break
    return _most_matched(found, slope, reach)


def _simplest(direction: Callable[[int], int], low: int, middle: int, high: int) -> int:
    """Return the slope with the fewest digits, of those around `middle` that will do."""
    ends = []
    for outside in (low - 1, high + 1):
        inside = middle
        while abs(outside - inside) > 1:
            between = (inside + outside) // 2
            inside, outside = (between, outside) if direction(between) == 0 else (inside, between)
        ends.append(inside)
    low, high = ends
    for digits in range(FRACTION + 1):
        unit = ONE >> digits
        if (slope := high // unit * unit) >= low:
            return slope
    return middle


def _most_matched(found: Histograms, slope: int, reach: int) -> int:
    """Return the slope beside `slope` that puts most samples in their places, the first of several."""
    unit = max(ONE // (8 * reach), 1)
    slopes = [slope + number * unit for number in sorted(range(-16, 17), key=abs)]
    return max(slopes, key=lambda x: int(best_offsets(found, x).matched.sum()))
