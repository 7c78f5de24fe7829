"""Bit strings of the Rice coder: unary numbers and small fields, least significant bit of each byte first.

Whole rows of lanes are packed and unpacked at once, by words; `core.bits`, with a byte for every bit, takes
four times as long.
"""

from __future__ import annotations

import numpy as np

from ..core.errors import CorruptError

_PIECE = 1 << 20
"""Bytes of a unary string that are scanned at once."""
_MAX_VARINT = 5


def pack_unary(numbers: np.ndarray) -> bytes:
    """Pack small integers [n]: number k as k zeros and a one."""
    if not len(numbers):
        return b""
    ends = np.cumsum(numbers, dtype=np.int64) + np.arange(len(numbers))
    bits = np.zeros(int(ends[-1]) + 1, np.uint8)
    bits[ends] = 1
    return np.packbits(bits, bitorder="little").tobytes()


def pack_fields(values: np.ndarray, widths: np.ndarray) -> bytes:
    """Pack numbers int64 [n] in widths of 0..32 bits."""
    ends = np.cumsum(widths, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    starts = ends - widths
    word, shifted = starts >> 5, values << (starts & 31)
    count = (total >> 5) + 2  # sums of bits that do not overlap stay below 2^32: exact in float64
    words = np.bincount(word, weights=shifted & 0xFFFFFFFF, minlength=count)
    shifted >>= 32
    if shifted.any():
        words[1:] += np.bincount(word, weights=shifted, minlength=count)[:-1]
    return words.astype("<u4").tobytes()[: (total + 7) >> 3]


def unary_numbers(data: bytes | memoryview) -> tuple[np.ndarray, int]:
    """Return the numbers of a unary string, int64 [n], and how many padding bits follow the last one."""
    pieces = []
    for first in range(0, len(data), _PIECE):
        bits = np.unpackbits(np.frombuffer(data[first : first + _PIECE], np.uint8), bitorder="little")
        ends = bits.view(bool).nonzero()[0]
        pieces.append(ends + 8 * first if first else ends)
    ends = pieces[0] if len(pieces) == 1 else np.concatenate([np.zeros(0, np.int64), *pieces])
    if not len(ends):
        return ends, 8 * len(data)
    numbers = np.empty(len(ends), np.int64)
    numbers[0] = ends[0]
    np.subtract(ends[1:], ends[:-1], out=numbers[1:])
    numbers[1:] -= 1
    return numbers, 8 * len(data) - 1 - int(ends[-1])


def field_windows(data: bytes | memoryview) -> np.ndarray:
    """Return the 32 bits from each byte on, uint32 [bytes + 1], with zeros behind the end."""
    padded = np.frombuffer(bytes(data) + bytes(4), np.uint8)
    return np.ascontiguousarray(np.ndarray(len(data) + 1, "<u4", padded, 0, (1,))).astype(np.uint32, copy=False)


def pack_varint(value: int) -> bytes:
    """Pack a number: 7 bits a byte, the lowest first, bit 7 in all but the last."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def unpack_varint(data: bytes | memoryview, offset: int) -> tuple[int, int]:
    """Return the number at `offset`, and the offset behind it. Raises `CorruptError`."""
    value = 0
    for place in range(_MAX_VARINT):
        if offset + place >= len(data):
            break
        byte = data[offset + place]
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return value, offset + place + 1
    raise CorruptError("a length of the Rice coder is damaged")
