"""The integer steps around the network: docs/format.md sections 4.2 and 5.1 to 5.3, on arrays of lanes.

Arrays are [lanes] or [steps, lanes]. Nothing here depends on the network, so an encoder may take many steps at once.
"""

from __future__ import annotations

import numpy as np

from ..core.scalars import constant
from .channel_parameters import COEFFICIENT_BITS

WINDOW = 16
"""Residuals that the network sees."""
FEATURES = 20
MIDDLE_LOG_MEAN = 18
"""The one of them that tells the level of the middle running mean."""
RATES = np.array([4, 7, 11], np.int32)
"""A running mean moves by 2^-rate of its distance to the newest value."""
ZERO = 128
"""A quantised difference of nothing."""
MEAN_BITS = 12
MAX_MAGNITUDE = 65535
ROUND = 1 << (COEFFICIENT_BITS - 1)

_LOG_ZERO = constant(127 * 16 + 128)
_HALF_CODES, _MIDDLE, _MANTISSA, _SIXTEENTHS = (constant(value) for value in (5, 128, 4, 19))
_MOST, _MEAN_SHIFT = constant(MAX_MAGNITUDE), constant(MEAN_BITS)


def quantise(difference: np.ndarray) -> np.ndarray:
    """q8: differences in Q6 units (integers) to half codes around 128, clipped to uint8."""
    halves = np.empty_like(difference)
    to_quantised(difference, halves)
    np.maximum(halves, 0, out=halves)
    np.minimum(halves, 255, out=halves)
    return halves.astype(np.uint8)


def to_quantised(difference: np.ndarray, out: np.ndarray) -> None:
    """`quantise` without clipping, into `out` of the same kind."""
    np.right_shift(difference, _HALF_CODES, out=out)
    out += _MIDDLE


def initial_means(initial_scale: np.ndarray) -> np.ndarray:
    """Running means int32 [3, lanes] of lanes that start with `spread` (0..255)."""
    initial_scale = initial_scale.astype(np.int64)
    mean = (16 + (initial_scale & 15)) << ((initial_scale + 128) >> 4)
    return np.repeat(mean.astype(np.int32)[None], len(RATES), axis=0)


def magnitude(residual: np.ndarray) -> np.ndarray:
    """What a residual int32 adds to the running means: min(|e|, 65535) << 12."""
    out = np.empty_like(residual)
    to_magnitude(residual, out)
    return out


def to_magnitude(residual: np.ndarray, out: np.ndarray) -> None:
    """`magnitude` into int32 `out`."""
    np.abs(residual, out=out)
    np.minimum(out, _MOST, out=out)
    out <<= _MEAN_SHIFT


def shifts(lanes: int) -> np.ndarray:
    """The rates for each lane, int32 [3, lanes]: arrays of one shape are quicker to work with."""
    return np.repeat(RATES[:, None], lanes, axis=1)


def move_means(
    means: np.ndarray, magnitudes: np.ndarray, shifts: np.ndarray, scratch: np.ndarray, out: np.ndarray
) -> None:
    """One step of the running means int32 [3, lanes]; `out` may be the means themselves."""
    scratch[...] = magnitudes
    scratch -= means
    scratch >>= shifts
    np.add(means, scratch, out=out)


def run_means(means: np.ndarray, magnitudes: np.ndarray, shifts: np.ndarray, scratch: np.ndarray) -> None:
    """Running means int32 [steps + 1, 3, lanes] after each step, from those in front of the first."""
    for now, then, magnitude in zip(means, means[1:], magnitudes):
        move_means(now, magnitude, shifts, scratch, then)


def log_means(means: np.ndarray) -> np.ndarray:
    """Logarithm of running means int32 (below 2^28) in sixteenths of an octave, uint8."""
    out = np.empty_like(means)
    to_log_means(means, out)
    np.maximum(out, 0, out=out)
    return out.astype(np.uint8)


def to_log_means(means: np.ndarray, out: np.ndarray) -> None:
    """`log_means` without clipping, into int32 `out`.

    Q < 2^24 converts to float32 exactly; exponent and leading mantissa bits of its pattern are the logarithm.
    """
    np.right_shift(means, _MANTISSA, out=out)
    pattern = out.astype(np.float32).view(np.int32)
    np.right_shift(pattern, _SIXTEENTHS, out=out)
    out -= _LOG_ZERO
