"""Bit strings of fields that are read one after the other: fixed widths, Rice and gamma codes."""

from __future__ import annotations

import numpy as np

from ...core import bits
from ...core.errors import CorruptError

_LONGEST_RUN = 24
"""Ones of a Rice code's quotient; so many say that the value follows as it is."""
_WHOLE = 27
MAX_RICE = 26


class FieldWriter:
    """Collects fields."""

    def __init__(self) -> None:
        self._values: list[int] = []
        self._widths: list[int] = []

    def put(self, value: int, width: int) -> None:
        """A number of fixed width, at least 0."""
        self._values.append(int(value))
        self._widths.append(int(width))

    def put_rice(self, value: int, parameter: int) -> None:
        """A number from 0 on: value >> parameter in ones and a zero, then the low bits."""
        quotient = value >> parameter
        if quotient >= _LONGEST_RUN:
            self.put((1 << _LONGEST_RUN) - 1, _LONGEST_RUN)
            self.put(value, _WHOLE)
            return
        self.put((1 << (quotient + 1)) - 2, quotient + 1)
        self.put(value & ((1 << parameter) - 1), parameter)

    def put_gamma(self, value: int) -> None:
        """A number from 0 on: value + 1 in Elias' gamma code."""
        length = int(value + 1).bit_length()
        self.put(0, length - 1)
        self.put(value + 1, length)

    @property
    def size(self) -> int:
        """Bits so far."""
        return sum(self._widths)

    def to_bytes(self) -> bytes:
        """The string, padded to whole bytes."""
        return bits.to_bytes(bits.pack(np.array(self._values, np.int64), np.array(self._widths, np.int64)))


class FieldReader:
    """Reads what a `FieldWriter` wrote. Raises `CorruptError` where the string ends first."""

    def __init__(self, data: bytes) -> None:
        self._size = 8 * len(data)
        self._text = format(int.from_bytes(data, "big"), f"0{self._size}b") if data else ""
        self._at = 0

    def take(self, width: int) -> int:
        """A number of fixed width."""
        first, self._at = self._at, self._at + width
        if self._at > self._size:
            raise CorruptError("a chunk ends within its windows")
        return int(self._text[first : self._at], 2) if width else 0

    def take_rice(self, parameter: int) -> int:
        """A Rice code."""
        end = self._text.find("0", self._at, self._at + _LONGEST_RUN)
        if end < 0:
            self.take(_LONGEST_RUN)
            return self.take(_WHOLE)
        quotient, self._at = end - self._at, end + 1
        return (quotient << parameter) | self.take(parameter)

    def take_gamma(self) -> int:
        """A gamma code."""
        end = self._text.find("1", self._at, self._at + 32)
        if end < 0:
            raise CorruptError("a chunk ends within its windows")
        length, self._at = end - self._at + 1, end
        return self.take(length) - 1

    def finish(self) -> None:
        """Refuse what is left over, but for padding with zeros. Raises `CorruptError`."""
        if self._size - self._at >= 8 or "1" in self._text[self._at :]:
            raise CorruptError("a chunk's windows do not end where they should")


def zigzag(value: int) -> int:
    """0, -1, 1, -2, ... as 0, 1, 2, 3, ..."""
    return 2 * value if value >= 0 else -2 * value - 1


def unzigzag(value: int) -> int:
    """The inverse of `zigzag`."""
    return value >> 1 if value % 2 == 0 else -(value >> 1) - 1


def rice_bits(values: np.ndarray, parameter: int) -> np.ndarray:
    """Bits of Rice codes."""
    quotient = values >> parameter
    return np.where(quotient >= _LONGEST_RUN, _LONGEST_RUN + _WHOLE, quotient + 1 + parameter)
