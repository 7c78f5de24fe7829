"""One channel of wide samples: whole numbers of up to 32 bits as int16, with what was taken out of them.

    m = (((q + base) << shift) + low) * divisor + phase        the whole number of a sample, from q, int16
    sample = m, or m * step rounded to the type of the samples (`steps`)
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..core.errors import CorruptError
from .steps import find_step, to_floats

SPAN = (1 << 16) - 1
_BASE_BITS = 200
"""What a change of the base takes: its place, and a residual that predictions remember for a while."""
_LEAST, _MOST = -(1 << 31), (1 << 31) - 1
_FEW = 256
_FINE, _COARSE = 4096, 1 << 16
"""Samples that are looked at together where a base ends."""


@dataclass
class WideChannel:
    """What gives the samples of a channel with its int16 values; by default these are the samples.

    step : of floats, None for whole numbers
    starts, bases : int64 [n], first frames of the bases; the first is 0
    """

    step: float | None = None
    divisor: int = 1
    phase: int = 0
    shift: int = 0
    starts: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    bases: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))

    @property
    def plain(self) -> bool:
        """Whether int16 values are the samples."""
        return self.step is None and (self.divisor, self.shift, len(self.bases), self.bases[0]) == (1, 0, 1, 0)

    def base(self, start: int, stop: int) -> np.ndarray:
        """Return the base of the frames from `start` to before `stop`, int64; one number where it does not change."""
        if len(self.starts) == 1:
            return self.bases
        return self.bases[np.searchsorted(self.starts, np.arange(start, stop), "right") - 1]

    def narrowed(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the int16 values of whole numbers int64 [frames], and their low bits int64 [frames]."""
        parts = (numbers - self.phase) // self.divisor
        low = parts & ((1 << self.shift) - 1)
        return ((parts >> self.shift) - self.base(0, len(numbers))).astype(np.int16), low

    def widened(self, values: np.ndarray, low: np.ndarray | int, start: int, dtype: np.dtype) -> np.ndarray:
        """Return the samples of int16 values from frame `start` on. Raises `CorruptError` beyond 32 bits."""
        parts = ((values + self.base(start, start + len(values))) << self.shift) + low
        if parts.size and not _LEAST <= parts.min() <= parts.max() <= _MOST:
            raise CorruptError("samples of a chunk are beyond 32 bits")
        numbers = parts * self.divisor + self.phase
        if numbers.size and not _LEAST <= numbers.min() <= numbers.max() <= _MOST:
            raise CorruptError("samples of a chunk are beyond 32 bits")
        return numbers.astype(np.int32) if self.step is None else to_floats(numbers, self.step, dtype)

    def name(self) -> str:
        """Return in words what was taken out, an empty string for nothing."""
        words = [f"steps of {self.step:.9g}"] if self.step is not None else []
        words += [f"multiples of {self.divisor}"] if self.divisor > 1 else []
        words += [f"{self.shift} bits apart"] if self.shift else []
        return ", ".join(words)


def fit(samples: np.ndarray, known: list[float]) -> tuple[WideChannel, np.ndarray] | None:
    """Return what takes samples [frames] of a channel to int16, and their whole numbers int64; None for floats without.

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
        return WideChannel(step), numbers
    divisor = _divisor(numbers)
    phase = int(numbers[0]) % divisor
    return _with_bases(WideChannel(step, divisor, phase), (numbers - phase) // divisor), numbers


def _divisor(numbers: np.ndarray) -> int:
    """Return the largest number that divides all differences, 1 for equal numbers."""
    found = int(np.gcd.reduce(numbers[:_FEW] - numbers[0]))
    if found != 1 and ((numbers - numbers[0]) % max(found, 1)).any() or not found:
        found = int(np.gcd.reduce(numbers - numbers[0]))
    return max(found, 1)


def _with_bases(channel: WideChannel, parts: np.ndarray) -> WideChannel:
    """Choose bases and the number of low bits: few bits that are noise, few changes of the base."""
    span = int(parts.max() - parts.min())
    whole = max(span.bit_length() - 16, 0)
    whole += int(parts.max() >> whole) - int(parts.min() >> whole) > SPAN
    rate = _residual_bits(parts)
    best, channel.shift = _cost(whole, rate) * len(parts), whole
    starts = [0]
    for shift in range(whole - 1, -1, -1):
        spare = best - _cost(shift, rate) * len(parts)
        if spare < _BASE_BITS:
            continue
        found = _runs(parts >> shift, int(spare / _BASE_BITS))
        if found is None:
            break
        best, channel.shift, starts = best - spare + _BASE_BITS * (len(found) - 1), shift, found
    channel.starts = np.array(starts, np.int64)
    channel.bases = _bases(parts >> channel.shift, channel.starts)
    return channel


def _residual_bits(parts: np.ndarray) -> float:
    """Return about how many bits the residual of a sample has, by differences of the first orders."""
    sizes = [float(np.abs(np.diff(parts, order)).mean()) for order in range(min(4, len(parts))) if order]
    return float(np.log2(1 + min(sizes, default=0.0)))


def _cost(shift: int, rate: float) -> float:
    """Return about how many bits a sample takes with so many low bits apart."""
    return shift + float(np.log2(1 + 2.0 ** (rate - shift)))


def _runs(values: np.ndarray, most: int) -> list[int] | None:
    """Return the starts of the longest runs that fit 16 bits, None if there are more changes than `most`."""
    starts, at, size = [0], 0, _FINE
    low = high = int(values[0])
    while at < len(values):
        part = values[at : at + size]
        lowest, highest = min(low, int(part.min())), max(high, int(part.max()))
        if highest - lowest <= SPAN:
            at, low, high, size = at + len(part), lowest, highest, min(2 * size, _COARSE)
            continue
        if size > _FINE:
            size = _FINE
            continue
        ranges = np.maximum(np.maximum.accumulate(part), high) - np.minimum(np.minimum.accumulate(part), low)
        at += int(np.argmax(ranges > SPAN))
        starts.append(at)
        low = high = int(values[at])
        if len(starts) > most + 1:
            return None
    return starts


def _bases(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the base of each run: the one before where it can stay, else as near to it as possible."""
    least = np.maximum.reduceat(values, starts) - ((1 << 15) - 1)
    most = np.minimum.reduceat(values, starts) + (1 << 15)
    base = 0 if least[0] <= 0 <= most[0] else int(least[0] + most[0]) // 2
    bases = []
    for low, high in zip(least.tolist(), most.tolist(), strict=True):
        base = min(max(base, low), high)
        bases.append(base)
    return np.array(bases, np.int64)
