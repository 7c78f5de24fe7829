"""Bit strings of many small fields, most significant bit first, packed and unpacked in one pass."""

from __future__ import annotations

import numpy as np

from .errors import CorruptError

_BLOCK = 1 << 16
"""Numbers of equal width that are read at once: their bits take memory."""

_FEW = 64
"""Numbers that are read one by one."""

GAPS = 32
"""Gaps of increasing numbers that share a parameter."""
_PARAMETER_BITS, _MOST_GAP_BITS = 5, 31


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
    short = np.frexp(low)[1].astype(np.int64)
    return np.where(high > 0, np.frexp(high)[1] + 31, short) if high.any() else short


def to_bytes(bits: np.ndarray) -> bytes:
    """Bits padded with zeros to whole bytes."""
    return np.packbits(bits).tobytes()


def pack_increasing(values: np.ndarray) -> np.ndarray:
    """Bits of n >= 1 increasing numbers >= 0, below 2^31: codes of the gaps, with a parameter for every 32 of them.

    A gap is what lies between a number and the one before it. Its code with parameter p is Elias' gamma code of
    (gap >> p) + 1, and the low p bits. The parameters come first, in 5 bits each; then of all gaps how many bits there
    are behind the first one of (gap >> p) + 1, in unary; then all these bits, with the low bits.
    """
    gaps, parameters = _gaps(values)
    low = np.repeat(parameters, GAPS)[: len(gaps)]
    more = bit_length((gaps >> low) + 1) - 1
    unary = np.ones(int(more.sum()) + len(gaps), np.uint8)
    unary[np.cumsum(more + 1) - 1] = 0
    heads = pack(parameters, np.full(len(parameters), _PARAMETER_BITS))
    return np.concatenate([heads, unary, pack(gaps + (1 << low) - (1 << more + low), more + low)])


def increasing_bits(values: np.ndarray) -> int:
    """Return about how many bits `pack_increasing` takes, or more."""
    gaps = np.diff(values.astype(np.int64), prepend=-1) - 1
    return 2 * int(bit_length(gaps + 1).sum()) - len(gaps) + -(-len(gaps) // GAPS) * _PARAMETER_BITS


def _gaps(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the gaps of increasing numbers, and a parameter of every 32 of them: one of two near their mean length."""
    gaps: np.ndarray = np.diff(values.astype(np.int64), prepend=-1) - 1
    starts = np.arange(0, len(gaps), GAPS)
    larger = np.add.reduceat(bit_length(gaps), starts) // np.diff(starts, append=len(gaps))
    choices = np.maximum([larger, larger - 1], 0)
    lows = np.repeat(choices, GAPS, axis=1)[:, : len(gaps)]
    costs = np.add.reduceat(2 * bit_length((gaps >> lows) + 1) + lows, starts, axis=1)
    return gaps, np.where(costs[0] <= costs[1], choices[0], choices[1])


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
        if len(widths) <= _FEW:
            return self._few(widths.tolist(), total, signed)
        bits = self._bits(total).astype(np.int64)
        ends = np.cumsum(widths)
        bits <<= np.repeat(ends, widths) - 1 - np.arange(total)
        sums = np.concatenate([[0], np.cumsum(bits)])  # may wrap; differences are right all the same
        values = sums[ends] - sums[ends - widths]
        if signed:
            values -= ((values >> np.maximum(widths - 1, 0)) & 1) << widths
        return values

    def read_equal(self, count: int, width: int, signed: bool = False) -> np.ndarray:
        """Values int64 [count] of one width. Raises `CorruptError` where the data end first."""
        if count * width > self.left:
            raise CorruptError("the chunk ends within its side information")
        out, powers = np.empty(count, np.int64), 1 << np.arange(width)[::-1]
        for first in range(0, count, _BLOCK):
            part = out[first : first + _BLOCK]
            np.matmul(self._bits(len(part) * width).reshape(len(part), width), powers, out=part)
        if signed and width:
            out -= (out >> width - 1) << width
        return out

    def _bits(self, count: int) -> np.ndarray:
        """Bits uint8 [count] that are known to be there."""
        first, last = self._bit >> 3, (self._bit + count + 7) >> 3
        bits = np.unpackbits(np.frombuffer(self._data, np.uint8, last - first, first))
        bits = bits[self._bit & 7 :][:count]
        self._bit += count
        return bits

    def read_increasing(self, count: int, limit: int) -> np.ndarray:
        """Numbers int64 [count] of `pack_increasing`, below a limit of at most 2^31. Raises `CorruptError`."""
        if not 1 <= count <= limit:
            raise CorruptError("a list of numbers has an impossible length")
        parameters = self.read_equal(-(-count // GAPS), _PARAMETER_BITS)
        low = np.repeat(parameters, GAPS)[:count]
        more = self._read_unary(count)
        if int((more + low).max()) > _MOST_GAP_BITS:
            raise CorruptError("numbers of a list are out of range")
        values = np.cumsum(self.read(more + low) + (1 << more + low) - (1 << low) + 1) - 1
        if values[-1] >= limit:
            raise CorruptError("numbers of a list are out of range")
        return values

    def _read_unary(self, count: int) -> np.ndarray:
        """Numbers int64 [count], each so many ones and a zero. Raises `CorruptError` where the data end first."""
        ends, start = np.zeros(0, np.int64), self._bit
        while len(ends) < count:
            first, length = self._bit - start, min(4 * count + 64, self.left)
            if not length:
                raise CorruptError("the chunk ends within its side information")
            ends = np.append(ends, first + np.flatnonzero(self._bits(length) == 0))
        ends = ends[:count]
        self._bit = start + int(ends[-1]) + 1
        return np.diff(ends, prepend=-1) - 1

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
