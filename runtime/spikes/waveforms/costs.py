"""Cost of choices in whole numbers, so that an encoder chooses the same on every machine."""

from __future__ import annotations

import numpy as np

from ...entropy.entropy_model import PRECISION

UNIT = 1024
"""Parts of a bit."""
_MANTISSA_BITS = 12
_LOGARITHMS = np.rint(UNIT * np.log2(0.5 + (np.arange(1 << _MANTISSA_BITS) + 0.5) / (2 << _MANTISSA_BITS))).astype(
    np.int64
)


def logarithm(values: np.ndarray) -> np.ndarray:
    """Return the binary logarithms of positive numbers, int64 in parts of a bit."""
    mantissa, exponent = np.frexp(np.asarray(values, np.float64))
    place = ((mantissa - 0.5) * (2 << _MANTISSA_BITS)).astype(np.int64)
    return exponent.astype(np.int64) * UNIT + _LOGARITHMS[place]


def bits_of(frequency: np.ndarray) -> np.ndarray:
    """Return the bits of symbols of these frequencies, int64 in parts of a bit."""
    return PRECISION * UNIT - logarithm(frequency)
