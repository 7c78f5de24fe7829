"""Bit strings of fields that are read one after the other: fixed widths, Rice and gamma codes (format 12.1)."""

from __future__ import annotations

import numpy as np

from ...core import bits
from ...core.errors import CorruptError

_LONGEST_RUN = 24
"""Ones of a Rice code's quotient, after which the value follows as it is."""
_WHOLE = 27
_LONGEST_GAMMA = 32
MAX_RICE = 26


class FieldWriter:
    """Collects fields."""

    def __init__(self) -> None:
        self._values: list[int] = []
        self._widths: list[int] = []

    def put(self, value: int, width: int) -> None:
        """Write a number from 0 on in a fixed width."""
        self._values.append(int(value))
        self._widths.append(int(width))

    def put_rice(self, value: int, parameter: int) -> None:
        """Write a number from 0 on: value >> parameter in ones and a zero, then the low bits."""
        quotient = value >> parameter
        if quotient >= _LONGEST_RUN:
            self.put((1 << _LONGEST_RUN) - 1, _LONGEST_RUN)
            self.put(value, _WHOLE)
            return
        self.put((1 << (quotient + 1)) - 2, quotient + 1)
        self.put(value & ((1 << parameter) - 1), parameter)

    def put_gamma(self, value: int) -> None:
        """Write a number from 0 on: value + 1 in Elias' gamma code."""
        length = int(value + 1).bit_length()
        self.put(0, length - 1)
        self.put(value + 1, length)

    def to_bytes(self) -> bytes:
        """Return the string, padded to whole bytes."""
        return bits.to_bytes(bits.pack(np.array(self._values, np.int64), np.array(self._widths, np.int64)))


class FieldReader(bits.BitReader):
    """Reads what a `FieldWriter` wrote. Its methods raise `CorruptError` where the string ends first."""

    def take_rice(self, parameter: int) -> int:
        """Read a Rice code."""
        zeros = ~self.peek(_LONGEST_RUN) & ((1 << _LONGEST_RUN) - 1)
        quotient = _LONGEST_RUN - zeros.bit_length()
        if quotient == _LONGEST_RUN:
            self.take(_LONGEST_RUN)
            return self.take(_WHOLE)
        self.take(quotient + 1)
        return (quotient << parameter) | self.take(parameter)

    def take_gamma(self) -> int:
        """Read a gamma code."""
        zeros = _LONGEST_GAMMA - self.peek(_LONGEST_GAMMA).bit_length()
        if zeros == _LONGEST_GAMMA:
            raise CorruptError("a chunk holds a number that is too long")
        self.take(zeros)
        return self.take(zeros + 1) - 1

    def take_signed(self, width: int) -> int:
        """Read a number in two's complement."""
        value = self.take(width)
        return value - ((value >> (width - 1)) << width)

    def finish(self) -> None:
        """Refuse what is left over, except for padding with zeros. Raises `CorruptError`."""
        if self.left >= 8 or self.take(self.left):
            raise CorruptError("a chunk's windows do not end where they should")


def zigzag(value: int) -> int:
    """Return 0, 1, 2, 3, ... for 0, -1, 1, -2, ..."""
    return 2 * value if value >= 0 else -2 * value - 1


def unzigzag(value: int) -> int:
    """Undo `zigzag`."""
    return value >> 1 if value % 2 == 0 else -(value >> 1) - 1


def rice_bits(values: np.ndarray, parameter: int) -> np.ndarray:
    """Return the bits of Rice codes."""
    quotient = values >> parameter
    return np.where(quotient >= _LONGEST_RUN, _LONGEST_RUN + _WHOLE, quotient + 1 + parameter)
