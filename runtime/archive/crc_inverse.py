"""Which place in a file the crc of a block proves: its sequence number, computed from the crc.

A CRC-32 is linear over bits, and its step over a byte can be undone. So the value with which the crc of some bytes
began follows from how it ended, and with it the sequence number in front, without trying one after the other.
"""

from __future__ import annotations

import zlib
from functools import cache, lru_cache

_POLYNOMIAL, _ONES = 0xEDB88320, 0xFFFFFFFF
"""Of zlib: bit 31 is the coefficient of x^0. It is primitive: x^(2^32 - 1) is 1."""


def sequence_of(crc: int, header_crc: int, tag: bytes, payload: bytes) -> int:
    """Return the one sequence number, 0..2^32 - 1, with which a block in a file of this header has this crc."""
    start = tag + len(payload).to_bytes(4, "little")
    value = _back(crc ^ zlib.crc32(payload, zlib.crc32(start)), len(start) + len(payload))
    value = _back(value ^ zlib.crc32(header_crc.to_bytes(4, "little")), 4)
    return _back(value ^ _ONES, 4) ^ _ONES


def _back(value: int, count: int) -> int:
    """Undo the steps over so many bytes of 0."""
    return _times(value, _inverse(count))


@lru_cache(1 << 10)
def _inverse(count: int) -> int:
    """Return x^(-8 count)."""
    exponent, value = -8 * count % _ONES, 1 << 31
    for bit in range(32):
        if exponent >> bit & 1:
            value = _times(value, _power(bit))
    return value


@cache
def _power(bit: int) -> int:
    """Return x^(2^bit)."""
    return 1 << 30 if bit == 0 else _times(_power(bit - 1), _power(bit - 1))


def _times(a: int, b: int) -> int:
    """Multiply two polynomials modulo that of the crc."""
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product
