"""The first bytes of a chunk's payload: frames, coding, bound (docs/format.md section 3)."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from ..core import limits
from ..core.errors import CorruptError

STORED, RANS, WIDE, SPIKES, SHORT = range(5)
"""Codings of a chunk: the low bits of its coding byte."""
CODING = 7
"""These bits."""
BOUNDED = 8
"""Bit of the coding byte: samples are within a bound of the original ones, not equal to them."""
HAS_REFERENCES = 16
"""Bit of the coding byte: channels are predicted from each other."""
HAS_MAPS = 32
"""Bit of the coding byte: channels have index maps."""
HAS_PACKED = 64
"""Bit of the coding byte: channels are packed."""
HAS_ADAPTIVE = 128
"""Bit of the coding byte: channels have adaptive predictors."""
WIDE_TYPES = tuple(np.dtype(name) for name in ("int32", "float32", "float64"))
"""Types of samples in a wide chunk, by their number in its first byte behind the head."""
CHUNK_HEAD = struct.Struct("<IB")
"""What every chunk begins with: frames, coding."""
CODED_HEAD = struct.Struct("<IH")
"""What follows in a coded one: sample crc, segments; then the bound if there is one, and the side information."""


def longest_chunk(channels: int) -> int:
    """Return the most frames that a chunk can have."""
    return min(limits.MAX_CHUNK_FRAMES, limits.MAX_CHUNK_SAMPLES // channels)


def chunk_frames(payload: bytes, channels: int = 1) -> int:
    """Return the frames of a chunk by its first field. Raises `CorruptError` beyond the limits."""
    frames = int.from_bytes(payload[:4], "little")
    if len(payload) < CHUNK_HEAD.size or not 1 <= frames <= longest_chunk(channels):
        raise CorruptError("a chunk has an impossible number of frames")
    return frames


def coding_number(payload: bytes) -> int | None:
    """Return the number of a chunk's coding, None if it ends in front of it; its first bytes will do."""
    return payload[CHUNK_HEAD.size - 1] & CODING if len(payload) >= CHUNK_HEAD.size else None


def sample_crc(samples: np.ndarray) -> int:
    """Return the checksum of samples int16 [frames, channels], as chunks hold it."""
    return zlib.crc32(np.ascontiguousarray(samples, "<i2").data)


def chunk_type(payload: bytes) -> np.dtype | None:
    """Return the type of the samples in a chunk; None for one that does not exist. Its first bytes will do."""
    at = CHUNK_HEAD.size
    if coding_number(payload) != WIDE:
        return np.dtype(np.int16)
    return WIDE_TYPES[payload[at]] if len(payload) > at and payload[at] < len(WIDE_TYPES) else None


def is_spikes(payload: bytes) -> bool:
    """Return whether a chunk is in spike mode."""
    return coding_number(payload) == SPIKES


def chunk_bound(payload: bytes) -> int:
    """Return the bound of the error in a chunk (in its windows), 0 where it is lossless; its first bytes will do."""
    offset = CHUNK_HEAD.size + CODED_HEAD.size
    if len(payload) <= offset or not (payload[CHUNK_HEAD.size - 1] & BOUNDED or is_spikes(payload)):
        return 0
    return payload[offset]
