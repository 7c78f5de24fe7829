"""Integer cumulative frequencies of the 1024 codes at a location and scale: docs/format.md section 6.

    cum(v) = T[shape][clip(((A[v] - mu) * multiplier) >> 16)] + v

T falls short of 2^20 by 1024, so that every code keeps a frequency of at least 1.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ..core.implant_table import CODE_TO_SAMPLE, ImplantValues
from ..core.near_lossless import implant_bins
from ..core.scalars import constant

Integers: TypeAlias = np.ndarray | np.integer
"""An array, or one number for all of its places."""

CODES = 1024
PRECISION = 20
"""Frequencies of all codes sum to 2^20."""
SCALES = 128
TABLE = 4096
"""Entries of a table row."""
MULTIPLIER_BITS = 16
FAR = 1 << 24
"""|A[0]| and A[1024], in Q6 units: always at the ends of the table."""

LINEAR_OFFSET = CODES + 1
"""Where the levels of linear channels start in `levels`; those of implant channels start at 0."""

_HALF = TABLE // 2
_GUARD = 1 << 8
"""Entries before and behind each row of a table: products may be beyond it by one multiplier, which is at most 2^24."""
_SHIFT, _ONE = constant(MULTIPLIER_BITS), constant(1)


@dataclass(frozen=True)
class Tables:
    """What a model file stores.

    levels int32 [1025] in Q6 units, shape uint8 [128], multiplier int32 [128], cumulative (T) int32 [shapes, 4096].
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

    levels      int32 [2 * 1025], Q6 units: of implant channels, then (from `LINEAR_OFFSET`) of linear channels
    ends        int32 [2, 2 * 1025 - 1]: both levels of each code (of linear channels from `LINEAR_OFFSET`)
    reconstruction  int32 [1024]: Q6 value of each implant code
    bins        int32 [1024]: what is coded for each implant code, or None for the code itself
    q6          int32 [1024]: Q6 value of what each coded value of an implant channel decodes to
    samples     int16 [1024]: what it decodes to
    by_scale    int32 [4, 128]: multiplier; how far below and above the location the table ends, rounded up; where the
                middle of the scale's shape is in `table`
    shape       uint8 [128]: which of the rows is a scale's
    rows        int32 [shapes, 4096]
    table       int32: rows one after the other, each with its ends repeated around it
    """

    def __init__(self, tables: Tables):
        implant = tables.levels.astype(np.int64)
        linear = (np.arange(CODES + 1, dtype=np.int64) - CODES // 2) * 64
        for levels in (implant, linear):
            levels[0], levels[-1] = -FAR, FAR
        self._set_levels(implant, linear)
        self.reconstruction = ((tables.levels[:-1] + tables.levels[1:]) >> 1).astype(np.int32)
        self.bins: np.ndarray | None = None
        self.q6, self.samples = self.reconstruction, CODE_TO_SAMPLE
        self._implant_values: ImplantValues | None = None
        self.rows = tables.cumulative.astype(np.int32)
        self.table = np.pad(self.rows, ((0, 0), (_GUARD, _GUARD)), "edge").ravel()
        reach = -(-(_HALF << MULTIPLIER_BITS) // tables.multiplier.astype(np.int64))
        self.shape = tables.shape
        row = self.shape.astype(np.int64) * (TABLE + 2 * _GUARD) + _GUARD + _HALF
        self.by_scale = np.stack([tables.multiplier, -reach, reach, row]).astype(np.int32)

    @property
    def implant_values(self) -> ImplantValues:
        """Coded value and Q6 value of every sample of an implant channel."""
        if self._implant_values is None:
            self._implant_values = ImplantValues(self.reconstruction, self.bins)
        return self._implant_values

    def _set_levels(self, *parts: np.ndarray) -> None:
        self.levels = np.concatenate(parts).astype(np.int32)
        self.ends = np.stack([self.levels[:-1], self.levels[1:]])

    def coarse(self, max_error: int, fineness: int = 0) -> EntropyModel:
        """Return the same for the bins of a bound of 1..255, which have other levels and decode to other samples.

        Coded values beyond the last bin have no width and never occur. Linear values are 2^`fineness` codes apart.
        """
        made = copy.copy(self)
        first, codes, made.bins = implant_bins(max_error)
        padding = CODES - len(codes)
        linear = np.clip(self.levels[LINEAR_OFFSET:].astype(np.int64) << fineness, -FAR, FAR)
        made._set_levels(self.levels[first], np.full(padding + 1, FAR), linear)
        codes = np.concatenate([codes, np.full(padding, CODES - 1)])
        made.q6, made.samples = self.reconstruction[codes], CODE_TO_SAMPLE[codes]
        made._implant_values = None
        return made

    def intervals(self, code: np.ndarray, location: Integers, scale: Integers, offset: Integers) -> np.ndarray:
        """Start and frequency, int32, of codes.

        Parameters
        ----------
        code, scale, offset : int64
            Codes, scale indices (clipped), and 0 or `LINEAR_OFFSET`; of shapes that broadcast.
        location : int32 or int64 within +-2^28
            In Q6 units.
        """
        level = self.ends.take(code + offset, axis=1)
        return self.look_up(level, code, location.astype(np.int32), self.by_scale.take(scale, axis=1, mode="clip"))

    def look_up(
        self,
        level: np.ndarray,
        code: np.ndarray,
        location: Integers,
        by_scale: Sequence[np.ndarray] | np.ndarray,
        out: np.ndarray | None = None,
    ) -> np.ndarray:
        """Start and frequency int32 [2, ...] of codes.

        A level out of reach is at the end of the table all the same, and products of those within it have 28 bits.

        Parameters
        ----------
        level : int32 [2, ...]
            Ends of each code; overwritten.
        by_scale : four rows of `by_scale`, at the scale indices
        """
        multiplier, low, high, row = by_scale
        first = level[0]
        for end in (first, level[1]):  # one after the other: numpy is slow where shapes differ
            end -= location
            np.maximum(end, low, out=end)
            np.minimum(end, high, out=end)
            end *= multiplier
            end >>= _SHIFT
            end += row
        found = self.table.take(level, out=out, mode="clip")
        start, frequency = found[0], found[1]
        frequency -= start
        frequency += _ONE
        first[...] = code
        start += first
        return found
