"""Integer cumulative frequencies of the 1024 codes at a location and scale: docs/format.md section 6.

    cum(v) = T[shape][clip(((A[v] - mu) * multiplier) >> 16)] + v

T falls short of 2^20 by 1024, so that every code keeps a frequency of at least 1.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from .bounded import lattice_bins
from .lattice import CODE_TO_SAMPLE

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
    """Coding tables of one model; see `Tables`.

    levels      int64 [2 * 1025], ticks: of lattice leads, then (from `GRID_OFFSET`) of grid leads
    middle      int32 [1024]: tick value of each lattice code
    bins        int32 [1024]: what is coded for each lattice code, or None for the code itself
    ticks       int32 [1024]: tick value of what each coded value of a lattice lead decodes to
    samples     int16 [1024]: what it decodes to
    row         int64 [128]: where the middle of a scale's shape is in `table`
    multiplier  int64 [128]
    table       int32 [shapes * 4096]
    """

    def __init__(self, tables: Tables):
        lattice = tables.levels.astype(np.int64)
        grid = (np.arange(CODES + 1, dtype=np.int64) - CODES // 2) * 64
        for levels in (lattice, grid):
            levels[0], levels[-1] = -FAR, FAR
        self.levels = np.concatenate([lattice, grid])
        self.middle = ((tables.levels[:-1] + tables.levels[1:]) >> 1).astype(np.int32)
        self.bins, self.ticks, self.samples = None, self.middle, CODE_TO_SAMPLE
        self.table = tables.cumulative.ravel().astype(np.int32)
        self.row = tables.shape.astype(np.int64) * TABLE + _HALF
        self.multiplier = tables.multiplier.astype(np.int64)

    def coarse(self, max_error: int, fineness: int = 0) -> EntropyModel:
        """The same for the bins of a bound of 1..255: a coarse lattice has other levels and decodes to other samples.

        Coded values beyond the last bin have no width and never occur. Grid values are 2^`fineness` codes apart.
        """
        made = copy.copy(self)
        first, codes, made.bins = lattice_bins(max_error)
        padding = CODES - len(codes)
        grid = np.clip(self.levels[GRID_OFFSET:] << fineness, -FAR, FAR)
        made.levels = np.concatenate([self.levels[first], np.full(padding + 1, FAR), grid])
        codes = np.concatenate([codes, np.full(padding, CODES - 1)])
        made.ticks, made.samples = self.middle[codes], CODE_TO_SAMPLE[codes]
        return made

    def intervals(self, code, location, scale, offset):
        """Start and frequency, int32, of codes.

        Parameters
        ----------
        code, scale, offset : int64
            Codes, scale indices (clipped), and 0 or `GRID_OFFSET`; of shapes that broadcast.
        location : int64
            In ticks.
        """
        row, multiplier = self.row.take(scale, mode="clip"), self.multiplier.take(scale, mode="clip")
        index = code + offset
        level = self.levels.take(np.stack([index, index + 1]))
        level -= location
        level *= multiplier
        level >>= MULTIPLIER_BITS
        np.maximum(level, -_HALF, out=level)
        np.minimum(level, _HALF - 1, out=level)
        level += row
        start, frequency = self.table.take(level)
        frequency -= start
        frequency += 1
        start += code.astype(np.int32)
        return start, frequency
