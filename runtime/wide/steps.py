"""Floats that are whole numbers times a step: the step, found from the samples and checked on all of them.

A sample v is `round(q * s)`, one product in float64, rounded to the type of the samples. Where v and q are known, s
lies in an interval around v / q; what the intervals of all samples have in common are the steps that give them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_SAMPLES = 4096
"""Samples that a step is looked for in."""
_LIMIT = 1 << 31
"""Whole numbers are below this in magnitude."""
_USUAL = 1 << 15
"""A power of two is the step, without another search, if whole numbers are below this in magnitude."""
_DIVISORS = 8
"""The smallest gap between samples is at most so many steps."""
_SHIFTS = 50
"""Whole numbers that the smallest sample may stand for are tried up to so many away from the likeliest."""
_ROUNDS = 50
"""Of telling the step better by more and more gaps."""
_DIGITS = 9
"""Decimal digits of steps that are preferred to others."""


def find_step(values: np.ndarray, known: list[float]) -> tuple[float, np.ndarray] | None:
    """Return a step and whole numbers (int64) that give all samples float32 or float64 [frames] of a channel.

    Parameters
    ----------
    known : steps of other channels, which are tried first

    Returns
    -------
    None if there is no such step, or a sample is no finite number, or is a negative zero.
    """
    if not np.isfinite(values).all():
        return None
    with np.errstate(all="ignore"):  # whatever comes of numbers beyond the range of floats, steps are checked
        return _found(values, known)


def _found(values: np.ndarray, known: list[float]) -> tuple[float, np.ndarray] | None:
    some = np.unique(values[:: max(1, len(values) // _SAMPLES)])
    for step in known:
        if whole_numbers(some, step) is not None and (numbers := whole_numbers(values, step)) is not None:
            return step, numbers
    exact = _power_of_two(values, some)
    if exact is not None and np.abs(exact[1]).max() < _USUAL:
        return exact
    return _searched(values, some) or (_searched(values, np.unique(values)) if len(some) < _SAMPLES else None) or exact


def whole_numbers(values: np.ndarray, step: float) -> np.ndarray | None:
    """Return the whole numbers int64 that give samples with a step, None if there are none for some."""
    quotients = values.astype(np.float64) / step
    if not (np.abs(quotients) < _LIMIT - 1).all():
        return None
    numbers = np.rint(quotients)
    return numbers.astype(np.int64) if same_bits(to_floats(numbers, step, values.dtype), values) else None


def to_floats(numbers: np.ndarray, step: float, dtype: np.dtype) -> np.ndarray:
    """Return the samples of whole numbers: a product in float64, rounded to the type of the samples."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return ((numbers + 0.0) * step).astype(dtype)


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether samples of one type are the same, bit for bit."""
    bits = f"i{other.itemsize}"
    return bool(np.array_equal(one.view(bits), np.ascontiguousarray(other).view(bits)))


def _power_of_two(values: np.ndarray, some: np.ndarray) -> tuple[float, np.ndarray] | None:
    """Return the largest power of two that all samples are multiples of, and the multiples; None beyond the limit."""
    for part in (some, values):
        step = _common_power(part)
        if step and (numbers := whole_numbers(values, step)) is not None:
            return step, numbers
    return None


def _common_power(values: np.ndarray) -> float:
    mantissa, exponent = np.frexp(values[values != 0].astype(np.float64))
    if not len(mantissa):
        return 1.0
    whole = (mantissa * 2.0**53).astype(np.int64)
    lowest = np.frexp((whole & -whole).astype(np.float64))[1] - 1 + exponent - 53
    return float(np.ldexp(1.0, int(lowest.min())))


def _searched(values: np.ndarray, some: np.ndarray) -> tuple[float, np.ndarray] | None:
    """Return a step by the gaps between distinct samples `some`, increasing; checked on all samples."""
    for interval in _intervals(some):
        for step in _steps_in(*interval):
            if (numbers := whole_numbers(values, step)) is not None:
                return step, numbers
        numbers = np.rint(values / sum(interval) * 2.0)  # samples that were not looked at make the interval smaller
        for step in _steps_in(*_interval(values.astype(np.float64), numbers, _errors(values))):
            if (checked := whole_numbers(values, step)) is not None:
                return step, checked
    return None


def _intervals(some: np.ndarray) -> Iterator[tuple[float, float]]:
    """Give intervals that the step may lie in."""
    wide, errors = some.astype(np.float64), _errors(some)
    if len(wide) < 2:
        return
    gaps, doubts = np.diff(wide), errors[1:] + errors[:-1]
    least = int(np.argmin(gaps))
    if gaps[least] <= 4 * doubts[least] or not (wide[-1] - wide[0]) / gaps[least] < _LIMIT:
        return
    for divisor in range(1, _DIVISORS + 1):
        steps = _gaps_in_steps(gaps, doubts, gaps[least] / divisor, doubts[least] / divisor)
        if steps is not None:
            yield from _by_places(wide, errors, np.concatenate([[0], np.cumsum(steps)]))
            return


def _gaps_in_steps(gaps: np.ndarray, doubts: np.ndarray, step: float, doubt: float) -> np.ndarray | None:
    """Return gaps as whole numbers of steps, small ones first, which tell the step better and better; None if not."""
    for _ in range(_ROUNDS):
        clear = gaps * doubt < 0.2 * step * step
        numbers = np.rint(gaps / step)
        off = np.abs(gaps - numbers * step)
        if (off > doubts + numbers * doubt + 1e-12 * gaps)[clear].any():
            return None
        if clear.all():
            return numbers
        total = numbers[clear].sum()
        better = 3 * float(np.sqrt(np.square(doubts[clear]).sum())) / total
        if not better < 0.9 * doubt:
            break
        step, doubt = float(gaps[clear].sum() / total), better
    return None


def _by_places(values: np.ndarray, errors: np.ndarray, places: np.ndarray) -> Iterator[tuple[float, float]]:
    """Give intervals of the step of distinct values whose places relative to the first are known, in steps."""
    span = places[-1]
    step, doubt = (values[-1] - values[0]) / span, (errors[0] + errors[-1]) / span
    nearest = int(np.argmin(np.abs(values)))
    likeliest = np.rint(values[nearest] / step)
    doubtful = np.abs(values[nearest]) / step * doubt / step
    reach = int(np.ceil(doubtful)) if doubtful < _SHIFTS else _SHIFTS
    for shift in range(reach + 1):
        for sign in (1, -1) if shift else (1,):
            low, high = _interval(values, likeliest + sign * shift + places - places[nearest], errors)
            if 0 < low <= high * (1 + 1e-15):
                yield low, high


def _interval(values: np.ndarray, numbers: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """Return the interval of steps that give values by whole numbers; an empty one if there are none."""
    some = numbers != 0
    if not some.any() or (values[~some] != 0).any():
        return 1.0, 0.0
    size, magnitude = np.abs(numbers[some]), np.abs(values[some])
    if (np.sign(numbers[some]) != np.sign(values[some])).any():
        return 1.0, 0.0
    return float(((magnitude - errors[some]) / size).max()), float(((magnitude + errors[some]) / size).min())


def _steps_in(low: float, high: float) -> Iterator[float]:
    """Give steps of an interval: with few decimal digits, the float32 of these, the middle and its neighbours."""
    middle = (low + high) / 2
    if not 0 < low <= high * (1 + 1e-15):
        return
    for digits in range(1, _DIGITS + 1):
        step = float(f"{middle:.{digits}g}")
        for candidate in (step, float(np.float32(step))):
            if low <= candidate <= high:
                yield candidate
                digits = _DIGITS
        if digits == _DIGITS:
            break
    yield float(np.float32(middle))
    for ulp in (0, 1, -1, 2, -2):
        yield middle + ulp * float(np.spacing(middle))


def _errors(values: np.ndarray) -> np.ndarray:
    """Return how far numbers that were rounded to values can have been from them."""
    halves: np.ndarray = np.spacing(np.abs(values)).astype(np.float64) / 2
    return halves
