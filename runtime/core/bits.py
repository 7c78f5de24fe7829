"""Bit strings of many small fields, most significant bit first, packed and unpacked in one pass."""

from __future__ import annotations

import numpy as np

from .errors import CorruptError


def pack(values: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Bits (uint8 0 or 1) of `values`, each written in its width (0..62); negative values in two's complement."""
    widths = np.asarray(widths, np.int64)
    values = np.repeat(np.asarray(values, np.int64), widths)
    ends = np.cumsum(widths)
    shift = np.repeat(ends, widths) - 1 - np.arange(len(values))
    return ((values >> shift) & 1).astype(np.uint8)


def bit_length(values: np.ndarray) -> np.ndarray:
    """int64 bit lengths of integers 0 <= value < 2^62."""
    high = values.astype(np.int64) >> 31
    low = values.astype(np.int64) & 0x7FFFFFFF
    return np.where(high > 0, np.frexp(high)[1] + 31, np.frexp(low)[1]).astype(np.int64)


def to_bytes(bits: np.ndarray) -> bytes:
    """Bits padded with zeros to whole bytes."""
    return np.packbits(bits).tobytes()


_FEW = 64
"""Numbers that are read one by one."""


class BitReader:
    """Reads what `pack` wrote from `data`, starting at byte `offset`."""

    def __init__(self, data: bytes, offset: int = 0):
        self._data = data
        self._bit = offset * 8
        self._end = len(data) * 8

    def read(self, widths: np.ndarray, signed: bool = False) -> np.ndarray:
        """Values int64 of the given widths. Raises `CorruptError` where the data end first."""
        widths = np.asarray(widths, np.int64)
        total = int(widths.sum())
        if total > self._end - self._bit:
            raise CorruptError("the chunk ends within its side information")
        first, last = self._bit >> 3, (self._bit + total + 7) >> 3
        if len(widths) <= _FEW:
            return self._few(widths.tolist(), total, signed)
        bits = np.unpackbits(np.frombuffer(self._data, np.uint8, last - first, first))
        bits = bits[self._bit & 7 :][:total].astype(np.int64)
        self._bit += total
        ends = np.cumsum(widths)
        bits <<= np.repeat(ends, widths) - 1 - np.arange(total)
        sums = np.concatenate([[0], np.cumsum(bits)])  # may wrap; differences are right all the same
        values = sums[ends] - sums[ends - widths]
        if signed:
            values -= ((values >> np.maximum(widths - 1, 0)) & 1) << widths
        return values

    def _few(self, widths: list[int], total: int, signed: bool) -> np.ndarray:
        """Return what `read` does, of so few numbers that numpy's calls would take most of the time."""
        number, values = self.peek(total), []
        self._bit += total
        for width in reversed(widths):
            value = number & ((1 << width) - 1)
            values.append(value - (1 << width) if signed and width and value >> width - 1 else value)
            number >>= width
        return np.array(values[::-1], np.int64)

    @property
    def left(self) -> int:
        """Bits that have not been read."""
        return self._end - self._bit

    def peek(self, width: int) -> int:
        """Return the next bits as a number, zeros behind the end, and stay in front of them."""
        first, last = self._bit >> 3, (self._bit + width + 7) >> 3
        part = self._data[first:last].ljust(last - first, b"\0")
        return (int.from_bytes(part, "big") >> (8 * last - self._bit - width)) & ((1 << width) - 1)

    def take(self, width: int) -> int:
        """Read one number. Raises `CorruptError` where the data end first."""
        if width > self.left:
            raise CorruptError("the chunk ends within a bit string")
        value = self.peek(width)
        self._bit += width
        return value

    def align(self) -> int:
        """Skip to the next byte; its offset."""
        self._bit = (self._bit + 7) & ~7
        return self._bit >> 3
