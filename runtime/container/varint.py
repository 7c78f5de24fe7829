"""Numbers of 7 bits a byte, the lowest first (LEB128): docs/format.md section 1."""

from __future__ import annotations

from ..core.errors import CorruptError

LONGEST = 9
"""Bytes of the largest number."""


def pack(value: int) -> bytes:
    """Return a number below 2^63 in as few bytes as it takes."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def parse(data: bytes, offset: int) -> tuple[int, int]:
    """Return the number at an offset, and the offset behind it.

    Raises
    ------
    CorruptError
        It takes more bytes than it needs, or more than the largest number.
    IndexError
        The data end in it.
    """
    value, last = 0, offset
    while data[last] & 0x80:
        value |= (data[last] & 0x7F) << 7 * (last - offset)
        last += 1
        if last - offset == LONGEST:
            raise CorruptError("a number of too many bytes")
    if last > offset and data[last] == 0:
        raise CorruptError("a number in more bytes than it needs")
    return value | data[last] << 7 * (last - offset), last + 1
