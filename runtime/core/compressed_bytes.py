"""Small byte strings inside blocks, raw or as one zstd frame, whichever is smaller; and the index as bytes."""

import sys
from array import array

import numpy as np
import zstandard

from .errors import CorruptError

RAW, ZSTD, DIFFERENCES = 0, 1, 2
_LEVEL, _FAST = 19, 9
_LARGE = 1 << 20
"""Bytes of a piece of a file from which on the best compression takes too long."""
_WORD = 8


def pack_blob(data: bytes, always: bool = False, level: int = _LEVEL) -> tuple[int, bytes]:
    """Compress where it pays (or `always`); gives the coding byte and the body."""
    # a frame takes 12 bytes or more, so that shorter data never shrinks
    packed = zstandard.ZstdCompressor(level=level).compress(data) if always or len(data) > 12 else data
    return (ZSTD, packed) if always or len(packed) < len(data) else (RAW, data)


def pack_file(data: bytes) -> tuple[int, bytes]:
    """Compress a piece of a file; whole numbers of 64 bits, as time stamps are, by their differences if that pays."""
    level = _LEVEL if len(data) <= _LARGE else _FAST
    if len(data) % _WORD == 0:
        start = data[: _LARGE // 16]
        apart = to_differences(start, _WORD)
        if 2 * len(pack_blob(apart, level=_FAST)[1]) < len(pack_blob(start, level=_FAST)[1]):
            return DIFFERENCES, pack_blob(to_differences(data, _WORD), always=True, level=level)[1]
    return pack_blob(data, level=level)


def parse_file(coding: int, body: bytes, limit: int) -> bytes:
    """Undo `pack_file`. Raises `CorruptError`."""
    if coding != DIFFERENCES:
        return parse_blob(coding, body, limit)
    data = parse_blob(ZSTD, body, limit)
    if len(data) % _WORD:
        raise CorruptError("a compressed part has the wrong size")
    return from_differences(data, _WORD)


def to_differences(data: bytes, width: int) -> bytes:
    """Return little-endian integers of so many bytes as their differences, whose first bytes come first, and so on.

    A difference d is 2 d if it is not negative, else -2 d - 1: so that its upper bytes are 0, whatever its sign.
    """
    values = np.frombuffer(data, f"<u{width}")
    differences = np.diff(values, prepend=values.dtype.type(0)).view(f"<i{width}")
    folded = differences << 1 ^ differences >> 8 * width - 1
    return folded.view(np.uint8).reshape(-1, width).T.tobytes()


def from_differences(data: bytes, width: int) -> bytes:
    """Undo `to_differences`."""
    planes = np.frombuffer(data, np.uint8).reshape(width, -1)
    folded = np.ascontiguousarray(planes.T).view(f"<u{width}")[:, 0]
    differences = folded >> folded.dtype.type(1) ^ -(folded & folded.dtype.type(1))
    return np.cumsum(differences, dtype=differences.dtype).tobytes()


def parse_blob(coding: int, body: bytes, limit: int) -> bytes:
    """Undo `pack_blob`; the frame says its size, which is checked before anything is allocated."""
    if coding == RAW and len(body) <= limit:
        return body
    if coding != ZSTD:
        raise CorruptError("unknown coding, or too many bytes")
    try:
        size = zstandard.get_frame_parameters(body).content_size
        if size > limit:  # also where it is unknown
            raise CorruptError(f"a compressed part of more than {limit} bytes")
        data = zstandard.ZstdDecompressor().decompress(body, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise CorruptError(f"a compressed part is damaged: {error}") from None
    if len(data) != size:
        raise CorruptError("a compressed part has the wrong size")
    return data


def index_to_bytes(*columns: array) -> bytes:
    """u32 columns, one after the other, little-endian."""
    return b"".join(_little(column).tobytes() for column in columns)


def index_from_bytes(data: bytes) -> tuple[array, array]:
    """Undo `index_to_bytes` for two columns."""
    half = len(data) // 2
    columns = array("I", data[:half]), array("I", data[half:])
    return _little(columns[0]), _little(columns[1])


def _little(column: array) -> array:
    if sys.byteorder == "little":
        return column
    swapped = array("I", column)
    swapped.byteswap()
    return swapped
