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
SCALES = 96
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


@dataclass(frozen=True)
class Tables:
    """What a model file stores: levels int32 [1025] in ticks, shape uint8 [96], multiplier int32 [96], T int32 [shapes, 4096]."""

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
        self._width = (1 << 26) // self._multiplier
        self._code_at = np.concatenate([_codes_at(lattice), _codes_at(grid)])

    def intervals(self, code, location, scale, offset):
        """Start and frequency (int64) of codes at locations (ticks) and scale indices; arrays of one shape, int64."""
        row, multiplier = self._row.take(scale, mode="clip"), self._multiplier.take(scale, mode="clip")
        index = code + offset
        start = self._cumulative(self.levels.take(index), location, multiplier, row)
        index += 1
        frequency = self._cumulative(self.levels.take(index), location, multiplier, row)
        frequency -= start
        frequency += 1
        start += code
        return start, frequency

    def _cumulative(self, level, location, multiplier, row):
        """T at `level` without its code number; overwrites `level`."""
        level -= location
        level *= multiplier
        level >>= MULTIPLIER_BITS
        np.maximum(level, -_HALF, out=level)
        np.minimum(level, _HALF - 1, out=level)
        level += row
        return self._table.take(level).astype(np.int64)

    def find(self, slot, location, scale, offset):
        """Code, start and frequency of the code whose interval holds `slot`; arrays int64 of one shape."""
        code = self._estimate(slot, location, scale, offset)
        start, frequency = self.intervals(code, location, scale, offset)
        wrong = np.flatnonzero((slot - start).view(np.uint64) >= frequency.view(np.uint64))
        if len(wrong):
            self._correct(wrong, slot, location, scale, offset, code, start, frequency)
        return code, start, frequency

    def _estimate(self, slot, location, scale, offset):
        """A code that is mostly right: the middle of the slot's bucket, taken back to ticks."""
        bucket = slot - 512
        bucket -= location >> 6
        bucket >>= _BUCKET_BITS
        np.maximum(bucket, 0, out=bucket)
        np.minimum(bucket, _BUCKETS - 1, out=bucket)
        bucket += self._guess_row.take(scale, mode="clip")
        tick = self._guess.take(bucket)
        tick *= self._width.take(scale, mode="clip")
        tick >>= 10
        tick += location
        tick >>= 4
        tick += TABLE // 2
        np.maximum(tick, 0, out=tick)
        np.minimum(tick, TABLE - 1, out=tick)
        tick += (offset != 0) * TABLE
        return self._code_at.take(tick)

    def _correct(self, wrong, slot, location, scale, offset, code, start, frequency):
        """Mend the entries `wrong` of code, start and frequency: a few single steps, then bisection."""
        slot, location, scale, offset = (x.take(wrong) for x in (slot, location, scale, offset))
        guess, first, size = code.take(wrong), start.take(wrong), frequency.take(wrong)
        for _ in range(3):
            guess += np.where(slot >= first + size, 1, np.where(slot < first, -1, 0))
            np.clip(guess, 0, CODES - 1, out=guess)
            first, size = self.intervals(guess, location, scale, offset)
        far = np.flatnonzero((slot < first) | (slot >= first + size))
        if len(far):
            args = [x.take(far) for x in (slot, location, scale, offset)]
            guess[far] = self._bisect(*args)
            first, size = self.intervals(guess, location, scale, offset)
        code[wrong], start[wrong], frequency[wrong] = guess, first, size

    def _bisect(self, slot, location, scale, offset):
        code = np.zeros_like(slot)
        for bit in range(9, -1, -1):
            higher = code + (1 << bit)
            start, _ = self.intervals(higher, location, scale, offset)
            code = np.where(start <= slot, higher, code)
        return code


def _bucket_middles(row: np.ndarray) -> np.ndarray:
    """int64 [buckets]: the table argument z in the middle of each bucket of cumulative frequency."""
    middles = (np.arange(_BUCKETS) << _BUCKET_BITS) + (1 << (_BUCKET_BITS - 1))
    return np.searchsorted(row, middles, side="right").astype(np.int64) - _HALF


def _codes_at(levels: np.ndarray) -> np.ndarray:
    """int64 [4096]: the code at each quarter code of location, from -512 codes."""
    ticks = (np.arange(TABLE, dtype=np.int64) - TABLE // 2) * 16 + 8
    return np.clip(np.searchsorted(levels, ticks, side="right") - 1, 0, CODES - 1)
