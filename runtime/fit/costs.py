"""What residuals cost in bits, about."""

from __future__ import annotations

import numpy as np

from ..predictor import input_arithmetic

_BLOCK, _FLOOR = 16, 16
"""Samples whose mean residual tells what they cost, and Q6 units that are added to it."""


def bits_of(residual: np.ndarray) -> float:
    """Return the bits of residuals in Q6 units, but for a constant for each sample: logarithms of means of blocks."""
    whole = np.abs(residual[: len(residual) - len(residual) % _BLOCK])
    means = np.clip(whole.reshape(-1, _BLOCK).sum(axis=1) / _BLOCK + _FLOOR, 1, input_arithmetic.MAX_MAGNITUDE)
    logarithms = input_arithmetic.log_means(means.astype(np.int32) << input_arithmetic.MEAN_BITS)
    return int(logarithms.sum(dtype=np.int64)) * _BLOCK / 16
