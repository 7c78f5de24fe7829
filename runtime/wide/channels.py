"""One channel of wide samples: whole numbers of up to 32 bits as int16, with what was taken out of them.

part = ((q + base) << shift) + low         from q, int16; exceptions have a part of their own
m = part * divisor + phase                 the whole number of a sample
sample = m, or m * step rounded to the type of the samples (`steps`)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..core.errors import CorruptError
from .steps import find_step, to_floats

_SPAN = (1 << 16) - 1
_REACH = (1 << 15) - 8
"""What int16 values are below in magnitude; rounding of a base is left out."""
_LEAST, _MOST = -(1 << 31), (1 << 31) - 1
_SPACINGS = (0, 14, 12, 10, 8)
"""Logarithms of the spacings of knots that are tried; 0 for a base that does not change."""
_ENOUGH = 0.02
"""Bits of a sample that are not worth a further trial."""
_KNOT_BITS, _EXCEPTION_BITS = 50, 64
"""About what a knot, and an exception, takes."""
_FEWEST = 16
"""Samples to one exception, at least."""
_LOOKED_AT = 32
"""Samples around a knot that its value follows from."""
_FEW = 256


def nothing() -> np.ndarray:
    """Return an empty list of numbers."""
    return np.zeros(0, np.int64)


@dataclass
class WideChannel:
    """What gives the samples of a channel with its int16 values; by default these are the samples.

    step : of floats, None for whole numbers
    spacing : logarithm of the frames between knots; 0 for one knot, which is the base
    knots : int64 [n], values of the base
    frames, parts : int64 [n], frames that are exceptions, increasing, and their parts
    """

    step: float | None = None
    divisor: int = 1
    phase: int = 0
    shift: int = 0
    spacing: int = 0
    knots: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    frames: np.ndarray = field(default_factory=nothing)
    parts: np.ndarray = field(default_factory=nothing)

    @property
    def plain(self) -> bool:
        """Whether int16 values are the samples."""
        changed = self.divisor > 1 or self.shift or self.spacing or self.knots[0] or len(self.frames)
        return self.step is None and not changed

    def base(self, start: int, stop: int) -> np.ndarray:
        """Return the base of the frames from `start` to before `stop`, int64; one number where it does not change."""
        if not self.spacing:
            return self.knots
        frames = np.arange(start, stop)
        knot, behind = frames >> self.spacing, frames & ((1 << self.spacing) - 1)
        return self.knots[knot] + (np.diff(self.knots)[knot] * behind >> self.spacing)

    def widened(self, values: np.ndarray, low: np.ndarray | int, start: int, dtype: np.dtype) -> np.ndarray:
        """Return the samples of values int64 from frame `start` on. Raises `CorruptError` beyond 32 bits."""
        parts = ((values + self.base(start, start + len(values))) << self.shift) + low
        if len(self.frames):
            first, last = np.searchsorted(self.frames, (start, start + len(values)))
            parts[self.frames[first:last] - start] = self.parts[first:last]
        numbers = parts * self.divisor + self.phase  # int64 holds the products of 36 and 32 bits that may come first
        for some in (parts, numbers):
            if some.size and not _LEAST <= some.min() <= some.max() <= _MOST:
                raise CorruptError("samples of a chunk are beyond 32 bits")
        return numbers.astype(np.int32) if self.step is None else to_floats(numbers, self.step, dtype)

    def name(self) -> str:
        """Return in words what was taken out, an empty string for nothing."""
        words = [f"in steps of {self.step:.9g}"] if self.step is not None else []
        words += [f"multiples of {self.divisor}"] if self.divisor > 1 else []
        words += [f"{self.shift} low bits apart"] if self.shift else []
        words += ["drift apart"] if self.spacing else []
        words += ["exceptions"] if len(self.frames) else []
        return ", ".join(words)


@dataclass(frozen=True)
class Narrow:
    """A channel as it is coded.

    values : int16 [frames]
    low : int64 [frames], low bits
    """

    channel: WideChannel
    values: np.ndarray
    low: np.ndarray


def fit(samples: np.ndarray, known: list[float]) -> Narrow | None:
    """Return what samples [frames] of a channel are coded as; None for floats that are no multiples of a step.

    Parameters
    ----------
    known : steps of other channels, to which a new one is added
    """
    step = None
    if samples.dtype.kind == "f":
        found = find_step(samples, known)
        if found is None:
            return None
        step, numbers = found
        if step not in known:
            known.insert(0, step)
    else:
        numbers = samples.astype(np.int64)
    if -(1 << 15) <= numbers.min() and numbers.max() < 1 << 15:
        return Narrow(WideChannel(step), numbers.astype(np.int16), numbers)
    divisor = _divisor(numbers)
    phase = int(numbers[0]) % divisor
    return _narrow(WideChannel(step, divisor, phase), (numbers - phase) // divisor)


def _divisor(numbers: np.ndarray) -> int:
    """Return the largest number that divides all differences, 1 for equal numbers."""
    found = int(np.gcd.reduce(numbers[:_FEW] - numbers[0]))
    if found != 1 and (not found or ((numbers - numbers[0]) % found).any()):
        found = int(np.gcd.reduce(numbers - numbers[0]))
    return max(found, 1)


def _narrow(channel: WideChannel, parts: np.ndarray) -> Narrow:
    least, most = int(parts.min()), int(parts.max())
    if most - least <= _SPAN:
        base = 0 if -(1 << 15) <= least and most < 1 << 15 else least + (1 << 15)
        channel = replace(channel, knots=np.array([base], np.int64))
    else:
        channel = _cheapest(channel, parts)
    high = parts >> channel.shift
    values = high - channel.base(0, len(parts))
    inside = values == values.astype(np.int16)
    if not inside.all():
        channel.frames = np.flatnonzero(~inside)
        channel.parts = parts[channel.frames]
        last = np.maximum.accumulate(np.where(inside, np.arange(len(parts)), -1))
        values = values[np.where(last < 0, int(np.argmax(inside)), last)]
    return Narrow(channel, values.astype(np.int16), parts & ((1 << channel.shift) - 1))


def _cheapest(channel: WideChannel, parts: np.ndarray) -> WideChannel:
    """Choose base and shift: few low bits that are no noise, few knots and exceptions."""
    rate, (shift, base) = _residual_bits(parts), _whole(parts)
    best, chosen = len(parts) * _cost(shift, rate), replace(channel, shift=shift, knots=np.array([base], np.int64))
    for spacing in _SPACINGS:
        if best < len(parts) * (_cost(0, rate) + _ENOUGH):
            break
        if spacing and len(parts) < 2 << spacing:
            continue
        knots = _knots(parts, spacing)
        trial = replace(channel, spacing=spacing, knots=knots)
        # the number of bits by which each part is beyond 16 bits: with such a shift it is no exception
        beyond = np.frexp(np.abs(parts - trial.base(0, len(parts))) / _REACH)[1].clip(0, 17)
        exceptions = (len(parts) - np.cumsum(np.bincount(beyond, minlength=18)))[:17]
        for shift in np.flatnonzero(exceptions * _FEWEST <= len(parts)).tolist():
            cost = len(parts) * _cost(shift, rate) + _KNOT_BITS * len(knots) + _EXCEPTION_BITS * exceptions[shift]
            if cost < best:
                best, chosen = cost, replace(trial, shift=shift, knots=knots >> shift)
    return chosen


def _whole(parts: np.ndarray) -> tuple[int, int]:
    """Return the least shift with which all parts fit 16 bits, and their base."""
    least, most, shift = int(parts.min()), int(parts.max()), 0
    while (most >> shift) - (least >> shift) > _SPAN:
        shift += 1
    return shift, (least >> shift) + (1 << 15)


def _knots(parts: np.ndarray, spacing: int) -> np.ndarray:
    """Return values of knots to try, medians of what is around them."""
    if not spacing:
        return np.array([int(np.median(parts[:: max(1, len(parts) // (_LOOKED_AT * _LOOKED_AT))]))])
    places = np.arange(((len(parts) - 1) >> spacing) + 2) << spacing
    around = (np.arange(_LOOKED_AT) - _LOOKED_AT // 2) << max(spacing - 8, 0)
    samples = parts[np.clip(places[:, None] + around, 0, len(parts) - 1)]
    values: np.ndarray = np.rint(np.median(samples, axis=1)).astype(np.int64)
    return values


def _residual_bits(parts: np.ndarray) -> float:
    """Return about how many bits the residual of a sample has, by differences of the first orders."""
    sizes = [np.median(np.abs(np.diff(parts, order))) for order in range(min(4, len(parts))) if order]
    return float(np.log2(1 + min(sizes, default=0.0)))


def _cost(shift: int, rate: float) -> float:
    """Return about how many bits a sample takes with so many low bits apart."""
    return shift + float(np.log2(1 + 2.0 ** (rate - shift)))
