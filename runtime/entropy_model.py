"""Integer cumulative frequencies of the 1024 codes at a location and scale: docs/format.md section 6.

    cum(v) = T[shape][clip(((A[v] - mu) * multiplier) >> 16)] + v

T falls short of 2^20 by 1024, so that every code keeps a frequency of at least 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CODES = 1024
PRECISION = 20
"""Frequencies of all codes sum to 2^20."""
SCALES = 128
TABLE = 4096
"""Entries of a table row."""
MULTIPLIER_BITS = 16
FAR = 1 << 24
"""|A[0]| and A[1024], in ticks: always at the ends of the table."""

GRID_OFFSET = CODES + 1
"""Where the levels of grid leads start in `levels`; those of lattice leads start at 0."""

_HALF = TABLE // 2
_BUCKET_BITS = 9
_BUCKETS = 1 << (PRECISION - _BUCKET_BITS)
_PLACE_BITS = 2
_PLACES = CODES * 64 >> _PLACE_BITS
_STRIDE = 32
_STRIDES = np.arange(_STRIDE)[:, None]


@dataclass(frozen=True)
class Tables:
    """What a model file stores.

    levels int32 [1025] in ticks, shape uint8 [128], multiplier int32 [128], cumulative (T) int32 [shapes, 4096].
    """

    levels: np.ndarray
    shape: np.ndarray
    multiplier: np.ndarray
    cumulative: np.ndarray

    def problem(self) -> str | None:
        """What is wrong with the tables, or None."""
        rows = self.cumulative
        if (np.diff(self.levels) < 0).any() or np.abs(self.levels[1:-1]).max() > 1 << 16:
            return "transition levels are not in order"
        if self.shape.max() >= len(rows) or (self.multiplier < 1).any() or (self.multiplier > 1 << 24).any():
            return "shapes or multipliers are out of range"
        if (rows[:, 0] != 0).any() or (rows[:, -1] != (1 << PRECISION) - CODES).any() or (np.diff(rows) < 0).any():
            return "a cumulative table is not one"
        return None


class EntropyModel:
    """Coding and decoding tables of one model; see `Tables`."""

    def __init__(self, tables: Tables):
        lattice = tables.levels.astype(np.int64)
        grid = (np.arange(CODES + 1, dtype=np.int64) - CODES // 2) * 64
        for levels in (lattice, grid):
            levels[0], levels[-1] = -FAR, FAR
        self.levels = np.concatenate([lattice, grid])
        self.middle = ((tables.levels[:-1] + tables.levels[1:]) >> 1).astype(np.int32)
        """int32 [1024]: tick value of each lattice code."""
        self._table = tables.cumulative.ravel().astype(np.int32)
        self._row = tables.shape.astype(np.int64) * TABLE + _HALF
        self._multiplier = tables.multiplier.astype(np.int64)
        self._guess_row = tables.shape.astype(np.int64) * _BUCKETS
        self._guess = np.concatenate([_bucket_middles(row) for row in tables.cumulative])
        self._width = ((1 << 26) // self._multiplier).astype(np.int32)
        self._code_at = np.concatenate([_codes_at(lattice), _codes_at(grid)])

    def intervals(self, code, location, scale, offset):
        """Start and frequency, int32, of codes.

        Parameters
        ----------
        code, scale, offset : int64
            Codes, scale indices (clipped), and 0 or `GRID_OFFSET`; of shapes that broadcast.
        location : int64
            In ticks.
        """
        row, multiplier = self._row.take(scale, mode="clip"), self._multiplier.take(scale, mode="clip")
        index = code + offset
        ends = np.stack([index, index + 1])
        level = self.levels.take(ends)
        level -= location
        level *= multiplier
        level >>= MULTIPLIER_BITS
        np.maximum(level, -_HALF, out=level)
        np.minimum(level, _HALF - 1, out=level)
        level += row
        start, frequency = self._table.take(level)
        frequency -= start
        frequency += 1
        start += code.astype(np.int32)
        return start, frequency

    def find(self, slot, location, scale, offset):
        """Code (int64), start and frequency (int32) of the code whose interval holds `slot` (int32)."""
        code = self._estimate(slot, location, scale, offset)
        start, frequency = self.intervals(code, location, scale, offset)
        for search in (self._step, self._search):
            wrong = np.flatnonzero(_outside(slot, start, frequency))
            if not len(wrong):
                break
            part = [x.take(wrong) for x in (slot, location, scale, offset)]
            found = search(*part, code.take(wrong), start.take(wrong))
            code[wrong] = found
            start[wrong], frequency[wrong] = self.intervals(found, *part[1:])
        return code, start, frequency

    def _estimate(self, slot, location, scale, offset):
        """A code that is mostly right: the middle of the slot's bucket, taken back to ticks."""
        bucket = (slot >> _BUCKET_BITS) + self._guess_row.take(scale, mode="clip")
        tick = self._guess.take(bucket)
        tick *= self._width.take(scale, mode="clip")
        tick >>= 10
        tick += location.astype(np.int32)
        tick >>= _PLACE_BITS
        tick += _PLACES // 2
        np.maximum(tick, 0, out=tick)
        np.minimum(tick, _PLACES - 1, out=tick)
        return self._code_at.take(tick + (offset != 0) * _PLACES).astype(np.int64)

    def _step(self, slot, location, scale, offset, code, start):
        """The next code towards the slot."""
        return np.clip(code + np.where(slot < start, -1, 1), 0, CODES - 1)

    def _search(self, slot, location, scale, offset, code, start):
        """The right code, among every 32nd and then among 32."""
        found = np.zeros_like(code)
        for stride in (_STRIDE, 1):
            starts, _ = self.intervals(found + _STRIDES * stride, location, scale, offset)
            found += stride * ((starts <= slot).sum(axis=0) - 1)
        return found


def _outside(slot, start, frequency):
    """bool: the slot is not in the interval."""
    return (slot - start).view(np.uint32) >= frequency.view(np.uint32)


def _bucket_middles(row: np.ndarray) -> np.ndarray:
    """int32 [buckets]: the table argument z in the middle of each bucket of slots, for a code near 512."""
    middles = (np.arange(_BUCKETS) << _BUCKET_BITS) + (1 << (_BUCKET_BITS - 1)) - CODES // 2
    return np.searchsorted(row, middles, side="right").astype(np.int32) - _HALF


def _codes_at(levels: np.ndarray) -> np.ndarray:
    """int16 [places]: the code at each 1/16 code of location, from -512 codes."""
    ticks = ((np.arange(_PLACES, dtype=np.int64) - _PLACES // 2) << _PLACE_BITS) + (1 << (_PLACE_BITS - 1))
    return np.clip(np.searchsorted(levels, ticks, side="right") - 1, 0, CODES - 1).astype(np.int16)
