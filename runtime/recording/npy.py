"""The header of a .npy file, versions 1 to 3, kept byte for byte."""

from __future__ import annotations

import ast
import re
from typing import BinaryIO

import numpy as np

from ..core import sample_formats
from ..core.errors import FileFormatError
from ..core.file_io import read_up_to
from ..core.terms import CHANNEL_TIME, TIME_CHANNEL, TYPES
from .raw import Form

MAGIC = b"\x93NUMPY"
_MAX_HEADER = 1 << 16
"""Bytes of the description; numpy itself writes about a hundred."""


def read_header(file: BinaryIO, sample_rate: float = 0, layout: str | None = None) -> tuple[bytes, Form]:
    """Read the bytes in front of the samples, and how those lie.

    Parameters
    ----------
    file : binary file object, at its start
    sample_rate : Hz, which is not in the file
    layout : axes of the array: "time-channel", "channel-time", or None for the first unless that looks wrong

    Raises
    ------
    FileFormatError
        If it is no .npy file, or none of samples.
    """
    front, description = _description(file)
    dtype, shape = description["descr"], description["shape"]
    if dtype not in sample_formats.FORMATS:
        raise FileFormatError(f"an array of {_plain(dtype)}; supported are {', '.join(TYPES)}")
    if len(shape) not in (1, 2) or min(shape) < 0:
        raise FileFormatError(f"an array of shape {shape}; supported are [time, channel] and [time]")
    if len(shape) == 1:
        return front, Form(1, sample_rate, dtype, shape[0], layout)
    turned = layout == CHANNEL_TIME
    channels, frames = shape if turned else shape[::-1]
    if not channels:
        raise FileFormatError(f"an array of shape {shape}, without channels")
    if not frames:  # no axes to mix up
        layout = layout or TIME_CHANNEL
    channel_time = turned != description["fortran_order"]
    return front, Form(channels, sample_rate, dtype, frames, layout, channel_time)


def _description(file: BinaryIO) -> tuple[bytes, dict]:
    front = read_up_to(file, len(MAGIC) + 2)
    if front[: len(MAGIC)] != MAGIC or len(front) < len(MAGIC) + 2:
        raise FileFormatError("this is not a .npy file")
    version = front[len(MAGIC)]
    if not 1 <= version <= 3:
        raise FileFormatError(f".npy version {version}; supported are 1 to 3")
    field = read_up_to(file, 2 if version == 1 else 4)
    count = int.from_bytes(field, "little")
    text = read_up_to(file, count) if count <= _MAX_HEADER else b""
    if len(text) < max(count, 1):
        raise FileFormatError("the .npy file's header is damaged")
    return front + field + text, _parse(text, "utf-8" if version == 3 else "latin-1")


def _parse(text: bytes, encoding: str) -> dict:
    """Parse the dictionary in a header; Python 2 wrote whole numbers with an L behind."""
    try:
        found = ast.literal_eval(re.sub(r"(\d)L\b", r"\1", text.decode(encoding)).strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):  # UnicodeDecodeError is a ValueError
        raise FileFormatError("the .npy file's header is damaged") from None
    kinds = {"descr": str | list, "fortran_order": bool, "shape": tuple}
    if not isinstance(found, dict) or not all(isinstance(found.get(key), kind) for key, kind in kinds.items()):
        raise FileFormatError("the .npy file's header is damaged")
    if not all(type(count) is int for count in found["shape"]):
        raise FileFormatError("the .npy file's header is damaged")
    if isinstance(found["descr"], str):
        try:
            found["descr"] = np.dtype(found["descr"]).str
        except (TypeError, ValueError, SyntaxError, Warning):  # as numpy takes it apart
            raise FileFormatError("the .npy file's header is damaged") from None
    return found


def _plain(dtype: object) -> str:
    return np.dtype(dtype).name if isinstance(dtype, str) else "records"
