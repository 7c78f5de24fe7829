"""Numbers of a plan in one lane of the entropy coder, with distributions that learn as they go (format 12.1)."""

from __future__ import annotations

import struct

import numpy as np

from ...core.errors import CorruptError
from ...entropy import rans
from ...entropy.entropy_model import PRECISION
from . import lanes

CLASSES = 32
"""Of a distribution."""
_LEARN, _MOST = 24, 1 << 13
"""What a class gains when it occurs, and the sum at which all are halved."""
_CHUNK_BITS = 16
_MASK, _WORD_BITS = (1 << PRECISION) - 1, 32


class Distribution:
    """How likely the classes of a number are: class c holds 2^c - 1 to 2^(c + 1) - 2."""

    def __init__(self) -> None:
        self._counts, self._total = [1] * CLASSES, CLASSES

    def interval(self, number: int) -> tuple[int, int]:
        """Return start and frequency of a class, and learn that it occurred."""
        return self._interval(number, sum(self._counts[:number]))

    def find(self, slot: int) -> tuple[int, int, int]:
        """Return the class that a slot of 2^20 lies in, its start and frequency, and learn that it occurred."""
        number, below = 0, 0
        while slot >= ((below + self._counts[number]) << PRECISION) // self._total:
            below += self._counts[number]
            number += 1
        return (number, *self._interval(number, below))

    def _interval(self, number: int, below: int) -> tuple[int, int]:
        counts, total = self._counts, self._total
        count = counts[number]
        start = (below << PRECISION) // total
        counts[number] = count + _LEARN
        self._total = total + _LEARN
        if total + _LEARN > _MOST:
            self._counts = [(count + 1) >> 1 for count in counts]
            self._total = sum(self._counts)
        return start, ((below + count) << PRECISION) // total - start


class SymbolWriter:
    """Collects numbers."""

    def __init__(self) -> None:
        self._intervals: list[tuple[int, int]] = []

    def put_bits(self, value: int, width: int) -> None:
        """Write a number 0..2^width - 1 whose values are equally likely."""
        while width:
            some = min(width, _CHUNK_BITS)
            width -= some
            part = value >> width & ((1 << some) - 1)
            self._intervals.append((part << (PRECISION - some), 1 << (PRECISION - some)))

    def put(self, value: int, distribution: Distribution) -> None:
        """Write a number from 0 on, below 2^32 - 1."""
        number = (value + 1).bit_length() - 1
        self._intervals.append(distribution.interval(number))
        if number:
            self.put_bits(value + 1 - (1 << number), number)

    def put_sparse(self, values: np.ndarray) -> None:
        """Write signed numbers, most of which are 0."""
        which = np.flatnonzero(values)
        skips, sizes, at = Distribution(), Distribution(), 0
        self.put(len(which), Distribution())
        for place, value in zip(which.tolist(), values[which].tolist(), strict=True):
            self.put(place - at, skips)
            self.put(2 * value - 2 if value > 0 else -2 * value - 1, sizes)
            at = place + 1

    def put_near(self, values: np.ndarray, width: int) -> None:
        """Write numbers 0..2^width - 1, most of which are near each other."""
        usual = int(np.bincount(values).argmax()) if len(values) else 0
        self.put_bits(usual, width)
        self.put_sparse(values - usual)

    def to_bytes(self) -> bytes:
        """Return the coder's state and words."""
        intervals = np.array(self._intervals, np.uint32).reshape(-1, 2)
        states, words = lanes.encode(intervals[:, :1], intervals[:, 1:])
        return rans.pack_states(states) + words.astype("<u4").tobytes()


class SymbolReader:
    """Reads what a `SymbolWriter` wrote. Its methods raise `CorruptError` where the bytes end first."""

    def __init__(self, data: bytes):
        states, at = rans.unpack_states(data, 0, 1)
        if (len(data) - at) % 4:
            raise CorruptError(rans.RAN_OUT)
        self._state = int(states[0])
        self._words = list(struct.unpack_from(f"<{(len(data) - at) // 4}I", data, at))[::-1]

    def take_bits(self, width: int) -> int:
        """Read a number that was written with `put_bits`."""
        value = 0
        while width:
            some = min(width, _CHUNK_BITS)
            width -= some
            part = (self._state & _MASK) >> (PRECISION - some)
            self._advance(part << (PRECISION - some), 1 << (PRECISION - some))
            value = value << some | part
        return value

    def take(self, distribution: Distribution) -> int:
        """Read a number that was written with `put`."""
        number, start, frequency = distribution.find(self._state & _MASK)
        self._advance(start, frequency)
        return (1 << number) - 1 + self.take_bits(number)

    def take_sparse(self, count: int) -> np.ndarray:
        """Read int64 [count] that were written with `put_sparse`."""
        values = np.zeros(count, np.int64)
        skips, sizes, at = Distribution(), Distribution(), 0
        for _ in range(self.take(Distribution())):
            at += self.take(skips)
            if at >= count:
                raise CorruptError("a chunk has a number for something that is not there")
            size = self.take(sizes)
            values[at] = -(size + 1 >> 1) if size & 1 else (size >> 1) + 1
            at += 1
        return values

    def take_near(self, count: int, width: int) -> np.ndarray:
        """Read int64 [count] that were written with `put_near`."""
        values = self.take_bits(width) + self.take_sparse(count)
        if (values < 0).any() or (values >> width).any():
            raise CorruptError("a parameter of a channel is out of range")
        return values

    def finish(self) -> None:
        """Refuse what is left over. Raises `CorruptError`."""
        if self._words or self._state != rans.LOW:
            raise CorruptError(rans.RAN_OUT)

    def _advance(self, start: int, frequency: int) -> None:
        state = frequency * (self._state >> PRECISION) + (self._state & _MASK) - start
        if state < rans.LOW:
            if not self._words:
                raise CorruptError(rans.RAN_OUT)
            state = state << _WORD_BITS | self._words.pop()
        self._state = state
