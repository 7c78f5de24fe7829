"""The body of a Rice-coded packet in its parts: docs/format.md section 10.3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ..core.errors import CorruptError
from .rice import ESCAPE, MAX_RUN_BITS, RUNS
from .rice_bits import field_windows, pack_varint, unary_numbers, unpack_varint

Bytes: TypeAlias = bytes | memoryview


@dataclass(frozen=True)
class BodyParts:
    """Where the parts of a body begin.

    parameter : int
        Of the runs, None where there are none.
    bins, quotients, rests : int
        Offsets of the unary bins, and of quotients and rests of runs. Remainders follow.
    """

    parameter: int | None
    bins: int
    quotients: int
    rests: int


def parts_of(data: Bytes) -> BodyParts:
    """Return the parts of a body. Raises `CorruptError`."""
    if not len(data) or data[0] & ~RUNS > MAX_RUN_BITS:
        raise CorruptError("a Rice-coded body has an impossible head")
    has_runs, parameter = bool(data[0] & RUNS), data[0] & ~RUNS
    size, offset = unpack_varint(data, 1)
    run_size, offset = unpack_varint(data, offset) if has_runs else (0, offset)
    if offset + size > len(data):
        raise CorruptError("a Rice-coded body ends within its bins")
    if offset + size + run_size > len(data):
        raise CorruptError("a Rice-coded body ends within its runs")
    return BodyParts(parameter if has_runs else None, offset, offset + size, offset + size + run_size)


class RiceBody:
    """A body in its parts.

    bins : uint8 [n], of all samples that are not in runs
    hits : int64 [n], which samples of the sequence of quiet ones are not of the first rank, in order; None without runs
    remainders : bytes
    """

    def __init__(self, data: Bytes):
        data, parts = memoryview(data), parts_of(data)
        bins = _numbers(data[parts.bins : parts.quotients], "bins")
        if len(bins) and bins.max() > ESCAPE:
            raise CorruptError("a Rice-coded body has an impossible bin")
        self.bins, self.hits, end = bins.astype(np.uint8), None, parts.rests
        if parts.parameter is not None:
            lengths = _numbers(data[parts.quotients : parts.rests], "runs") << parts.parameter
            end += (len(lengths) * parts.parameter + 7) // 8
            rests = _fields(data[parts.rests : end], len(lengths), parts.parameter)
            self.hits = np.cumsum(lengths + rests + 1) - 1
        self.remainders = data[end:]


def join_body(parameter: int | None, bins: Bytes, quotients: Bytes, rests: Bytes, remainders: Bytes) -> bytes:
    """Return a body of its parts; the parameter is that of the runs, None where there are none."""
    if parameter is None:
        return b"".join([bytes(1), pack_varint(len(bins)), bins, remainders])
    head = bytes([RUNS | parameter]) + pack_varint(len(bins)) + pack_varint(len(quotients))
    return b"".join([head, bins, quotients, rests, remainders])


def _numbers(data: memoryview, what: str) -> np.ndarray:
    numbers, padding = unary_numbers(data)
    if padding > 7:
        raise CorruptError(f"a Rice-coded body has superfluous {what}")
    return numbers


def _fields(data: memoryview, count: int, width: int) -> np.ndarray:
    """Return so many numbers of one width; zeros behind the end of the data."""
    start = np.arange(count) * width
    windows = field_windows(data).take(start >> 3, mode="clip")
    return windows >> (start & 7).astype(np.uint32) & ((1 << width) - 1)
