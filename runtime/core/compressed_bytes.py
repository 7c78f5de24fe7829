"""Small byte strings inside blocks, raw or as one zstd frame, whichever is smaller; and the index as bytes."""

import sys
from array import array

import zstandard

from .errors import CorruptError

RAW, ZSTD = 0, 1
_LEVEL = 19


def pack_blob(data: bytes, always: bool = False, level: int = _LEVEL) -> tuple[int, bytes]:
    """Compress where it pays (or `always`); gives the coding byte and the body."""
    # a frame takes 12 bytes or more, so that shorter data never shrinks
    packed = zstandard.ZstdCompressor(level=level).compress(data) if always or len(data) > 12 else data
    return (ZSTD, packed) if always or len(packed) < len(data) else (RAW, data)


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
