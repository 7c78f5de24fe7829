"""Convert between samples, values, bins and Q6 values (docs/format.md section 12)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.implant_table import CODE_TO_SAMPLE, codes_of
from ..entropy.entropy_model import CODES, LINEAR_OFFSET, EntropyModel
from .look_up import look_up

_HALF = CODES // 2


@dataclass(frozen=True)
class Units:
    """How the samples of a chunk are counted.

    entropy : of the model, for bins of the bound; None for units that don't convert
    max_error : the bound E; a bin holds 2 E + 1 values
    linear : whether values are samples; else they are codes -512..511 of the implant's table
    shift : low bits of a bin's number that are kept apart; 0 unless linear
    sample_bits : of the original
    """

    entropy: EntropyModel | None
    max_error: int
    linear: bool
    shift: int
    sample_bits: int

    @property
    def low(self) -> int:
        """The least value."""
        return -(1 << (self.sample_bits - 1)) if self.linear else -_HALF

    @property
    def high(self) -> int:
        """The largest value."""
        return -1 - self.low

    @property
    def offset(self) -> int:
        """The place of the first level in the entropy model."""
        return LINEAR_OFFSET if self.linear else 0

    @property
    def _tables(self) -> EntropyModel:
        if self.entropy is None:
            raise ValueError("units without an entropy model do not convert")
        return self.entropy

    def values(self, samples: np.ndarray) -> np.ndarray:
        """Return the values int64 of samples int16."""
        return samples.astype(np.int64) if self.linear else codes_of(samples).astype(np.int64) - _HALF

    def samples(self, values: np.ndarray) -> np.ndarray:
        """Return the samples int16 of values int16."""
        return values.copy() if self.linear else look_up(CODE_TO_SAMPLE, values, _HALF)

    def bins(self, values: np.ndarray) -> np.ndarray:
        """Return the bins of values."""
        if self.linear:
            return values // (2 * self.max_error + 1)
        bins = self._tables.bins
        return values + _HALF if bins is None else bins.take(values + _HALF).astype(np.int64)

    def reconstruct(self, bins: np.ndarray) -> np.ndarray:
        """Return the values that bins decode to."""
        if self.linear:
            return np.clip(bins * (2 * self.max_error + 1) + self.max_error, self.low, self.high)
        return codes_of(self._tables.samples.take(bins, mode="clip")).astype(np.int64) - _HALF

    def q6(self, bins: np.ndarray) -> np.ndarray:
        """Return the Q6 values int64 of bins."""
        if self.linear:
            return ((2 * bins.astype(np.int64) + 1) << 5) >> self.shift
        return self._tables.q6.take(bins, mode="clip").astype(np.int64)

    def level_q6(self, values: np.ndarray) -> np.ndarray:
        """Return the Q6 values int64 of levels and of the field potential."""
        if self.linear:
            return self.q6(self.bins(values))
        return self._tables.reconstruction.take(values + _HALF, mode="clip").astype(np.int64)
