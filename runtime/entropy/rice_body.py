"""The body of a Rice-coded packet in its parts: docs/format.md section 10.3."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from ..core.errors import CorruptError
from .rice import ESCAPE, MAX_RUN_BITS, RUNS
from .rice_bits import field_windows, pack_varint, unary_numbers, unpack_varint

Bytes: TypeAlias = bytes | memoryview


class RiceBody:
    """A body in its parts.

    bins : uint8 [n], of all samples that are not in runs
    hits : int64 [n], which samples of the sequence of quiet ones are not of the first rank, in order; None without runs
    remainders : bytes
    """

    def __init__(self, data: bytes | memoryview):
        data = memoryview(data)
        if not len(data) or data[0] & ~RUNS > MAX_RUN_BITS:
            raise CorruptError("a Rice-coded body has an impossible head")
        has_runs, parameter = bool(data[0] & RUNS), data[0] & ~RUNS
        size, offset = unpack_varint(data, 1)
        run_size, offset = unpack_varint(data, offset) if has_runs else (0, offset)
        bins = _numbers(data, offset, size, "bins")
        if len(bins) and bins.max() > ESCAPE:
            raise CorruptError("a Rice-coded body has an impossible bin")
        self.bins, self.hits = bins.astype(np.uint8), None
        offset += size
        if has_runs:
            lengths = _numbers(data, offset, run_size, "runs") << parameter
            offset += run_size
            end = offset + (len(lengths) * parameter + 7) // 8
            self.hits = np.cumsum(lengths + _fields(data[offset:end], len(lengths), parameter) + 1) - 1
            offset = end
        self.remainders = data[offset:]


def join_body(parameter: int | None, bins: Bytes, quotients: Bytes, rests: Bytes, remainders: Bytes) -> bytes:
    """Return a body of its parts; the parameter is that of the runs, None where there are none."""
    if parameter is None:
        return b"".join([bytes(1), pack_varint(len(bins)), bins, remainders])
    head = bytes([RUNS | parameter]) + pack_varint(len(bins)) + pack_varint(len(quotients))
    return b"".join([head, bins, quotients, rests, remainders])


def _numbers(data: memoryview, offset: int, size: int, what: str) -> np.ndarray:
    if offset + size > len(data):
        raise CorruptError(f"a Rice-coded body ends within its {what}")
    numbers, padding = unary_numbers(data[offset : offset + size])
    if padding > 7:
        raise CorruptError(f"a Rice-coded body has superfluous {what}")
    return numbers


def _fields(data: memoryview, count: int, width: int) -> np.ndarray:
    """Return so many numbers of one width; zeros behind the end of the data."""
    start = np.arange(count) * width
    windows = field_windows(data).take(start >> 3, mode="clip")
    return windows >> (start & 7).astype(np.uint32) & ((1 << width) - 1)
