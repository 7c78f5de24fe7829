"""The logarithm of running means as one look-up: docs/format.md section 5.3.

A mean is below 2^28, so float64 holds it exactly, and the exponent with four bits of mantissa are its logarithm. Below
2^8 the low bits that the definition shifts out would count, but there the result is clipped to 0 anyway.
"""

from __future__ import annotations

import functools

import numpy as np

LEVEL_SHIFT = 48
"""Bits of a float64 pattern below the fourth of the mantissa."""

_EXPONENT = 1023 + 4 + 8


@functools.cache
def level_table() -> np.ndarray:
    """uint8, at index pattern >> LEVEL_SHIFT (clipped). Do not write into it."""
    return np.clip(np.arange((_EXPONENT + 17) * 16) - _EXPONENT * 16, 0, 255).astype(np.uint8)
