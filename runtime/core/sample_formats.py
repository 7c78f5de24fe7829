"""Sample formats: how samples lie in an original, and the plain form in which the codec has them.

A format is named as numpy does: byte order, kind, bytes; `<i3` and `>i3` are whole numbers of 24 bits. Plain samples
are int16, from whole numbers beyond 16 bits int32, or floats as they are. Unsigned ones are less half their range.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import UsageError
from .terms import INT24, TYPES

FORMATS = (
    *("<i2", "|u1", "|i1", "<u2", ">i2", ">u2"),
    *("<i3", ">i3", "<i4", "<u4", ">i4", ">u4"),
    *("<f4", ">f4", "<f8", ">f8"),
)
_POSSIBLE = f"possible are {', '.join(TYPES)}"
_WAV = {1: "|u1", 2: "<i2", 3: "<i3", 4: "<i4"}
"""Formats of whole numbers in WAV files, by bytes of a sample."""
_INT24_MIN, _INT24_MAX = -(1 << 23), (1 << 23) - 1


def parse(dtype: Any) -> str:
    """Return the format that a user means: one of `TYPES`, a numpy dtype, or anything that numpy takes for one."""
    if isinstance(dtype, str) and dtype in (INT24, "<i3", ">i3"):
        return "<i3" if dtype == INT24 else dtype
    try:
        found: str = np.dtype(dtype).str
    except TypeError:
        found = ""
    if found not in FORMATS:
        raise UsageError(f"samples of type {dtype}; {_POSSIBLE}: convert them first")
    return found


def name(dtype: str) -> str:
    """Return the name to print: `int16`, `big-endian uint16`."""
    return ("big-endian " if dtype[0] == ">" else "") + (INT24 if dtype[1:] == "i3" else np.dtype(dtype).name)


def width(dtype: str) -> int:
    """Return the bytes of a sample."""
    return int(dtype[2])


def is_float(dtype: str) -> bool:
    """Return whether samples are floats."""
    return dtype[1] == "f"


def is_wide(dtype: str) -> bool:
    """Return whether plain samples are not int16."""
    return width(dtype) > 2


def plain_type(dtype: str) -> np.dtype:
    """Return the type of plain samples."""
    if is_float(dtype):
        return np.dtype(f"f{width(dtype)}")
    return np.dtype(np.int32 if is_wide(dtype) else np.int16)


def array_type(dtype: str) -> np.dtype:
    """Return the type of arrays of such samples, in this machine's byte order: int32 for those of 24 bits."""
    return np.dtype(np.int32) if dtype[1:] == "i3" else np.dtype(dtype).newbyteorder("=")


def wav_format(dtype: str) -> str:
    """Return the format of a WAV file that holds plain samples of a format."""
    return f"<f{width(dtype)}" if is_float(dtype) else _WAV[width(dtype)]


def to_plain(values: np.ndarray) -> np.ndarray:
    """Return samples of any format as plain ones (a copy only where they are something else)."""
    kind = values.dtype.str[1:]
    if kind in ("i2", "i4", "f4", "f8"):
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    if kind in ("u2", "u4"):
        half = 1 << 8 * values.itemsize - 1
        native = values.astype(values.dtype.newbyteorder("="), copy=False)
        return (native ^ native.dtype.type(half)).view(f"i{values.itemsize}")
    out = values.astype(np.int16)
    if kind == "u1":
        out -= np.int16(128)
    return out


def from_plain(samples: np.ndarray, dtype: str) -> np.ndarray:
    """Undo `to_plain`; samples of 24 bits stay int32."""
    if dtype[1:] in ("u2", "u4"):
        unsigned = samples.view(f"u{samples.itemsize}")
        samples = unsigned ^ unsigned.dtype.type(1 << 8 * width(dtype) - 1)
    elif dtype == "|u1":
        samples = samples + np.int16(128)
    return samples if dtype[1:] == "i3" else samples.astype(dtype, copy=False)


def from_bytes(data: bytes, dtype: str, channels: int) -> np.ndarray:
    """Return samples that lie frame by frame as plain ones [frames, channels]."""
    if dtype[1:] != "i3":
        return to_plain(np.frombuffer(data, dtype).reshape(-1, channels))
    words = np.zeros((len(data) // 3, 4), np.uint8)
    high = np.frombuffer(data, np.uint8).reshape(-1, 3)
    words[:, 1:] = high if dtype[0] == "<" else high[:, ::-1]
    return (words.view("<i4") >> 8).astype(np.int32, copy=False).reshape(-1, channels)


def to_bytes(samples: np.ndarray, dtype: str) -> bytes:
    """Undo `from_bytes`."""
    if dtype[1:] != "i3":
        return from_plain(samples, dtype).tobytes()
    words = np.ascontiguousarray(samples, "<i4").view(np.uint8).reshape(-1, 4)
    return words[:, :3].tobytes() if dtype[0] == "<" else words[:, 2::-1].tobytes()


def check_range(samples: np.ndarray, dtype: str) -> None:
    """Refuse plain samples beyond 24 bits where there are no more. Raises `UsageError`."""
    if dtype[1:] == "i3" and samples.size and not _INT24_MIN <= samples.min() <= samples.max() <= _INT24_MAX:
        raise UsageError(f"samples from {samples.min()} to {samples.max()} do not fit 24 bits")
