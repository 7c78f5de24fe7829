"""Sample formats: how samples lie in an original, and as the codec has them, int16.

A format is named as numpy does: byte order, kind, bytes. 8-bit unsigned samples are their byte less 128, 16-bit
unsigned ones their value less 32768.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import UsageError
from .terms import TYPES

FORMATS = ("<i2", "|u1", "|i1", "<u2", ">i2", ">u2")
_POSSIBLE = f"possible are {', '.join(TYPES)}"


def parse(dtype: Any) -> str:
    """Return the format that a user means: one of `TYPES`, a numpy dtype, or anything that numpy takes for one."""
    try:
        found: str = np.dtype(dtype).str
    except TypeError:
        found = ""
    if found not in FORMATS:
        raise UsageError(f"samples of type {dtype}; {_POSSIBLE}: convert them first")
    return found


def name(dtype: str) -> str:
    """Return the name to print: `int16`, `big-endian uint16`."""
    return ("big-endian " if dtype[0] == ">" else "") + np.dtype(dtype).name


def width(dtype: str) -> int:
    """Return the bytes of a sample."""
    return int(dtype[2])


def to_int16(values: np.ndarray) -> np.ndarray:
    """Return samples of any format as int16 (a copy only where they are something else)."""
    kind = values.dtype.str[1:]
    if kind == "i2":
        return values.astype(np.int16, copy=False)
    if kind == "u2":
        return (values.astype(np.uint16, copy=False) ^ np.uint16(0x8000)).view(np.int16)
    out = values.astype(np.int16)
    if kind == "u1":
        out -= np.int16(128)
    return out


def from_int16(samples: np.ndarray, dtype: str) -> np.ndarray:
    """Undo `to_int16`."""
    if dtype[1:] == "u2":
        samples = samples.view(np.uint16) ^ np.uint16(0x8000)
    elif dtype == "|u1":
        samples = samples + np.int16(128)
    return samples.astype(dtype, copy=False)


def from_bytes(data: bytes, dtype: str, channels: int) -> np.ndarray:
    """Return samples that lie frame by frame as int16 [frames, channels]."""
    return to_int16(np.frombuffer(data, dtype).reshape(-1, channels))


def to_bytes(samples: np.ndarray, dtype: str) -> bytes:
    """Undo `from_bytes`."""
    return from_int16(samples, dtype).tobytes()
