"""The integer steps around the network: docs/format.md sections 5.1 to 5.3, on arrays of lanes.

Arrays are [lanes] or [steps, lanes]. Nothing here depends on the network, so an encoder may take many steps at once.
"""

from __future__ import annotations

import numpy as np

WINDOW = 16
"""Residuals that the network sees."""
FEATURES = 20
RATES = np.array([4, 7, 11], np.int32)
"""A running mean moves by 2^-rate of its distance to the newest value."""
MEAN_BITS = 12
MAX_MAGNITUDE = 65535
ROUND = 1 << 9

_LEVEL_ZERO = 127 * 16 + 128


def quantise(difference: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """q8: a difference in ticks to half codes around 128, clipped to uint8. `out` may be any integer array."""
    scratch = difference >> 5
    scratch += 128
    np.maximum(scratch, 0, out=scratch)
    np.minimum(scratch, 255, out=scratch)
    if out is None:
        return scratch.astype(np.uint8)
    out[...] = scratch
    return out


def initial_means(spread: np.ndarray) -> np.ndarray:
    """Running means int32 [3, lanes] of lanes that start with `spread` (0..255)."""
    spread = spread.astype(np.int64)
    mean = (16 + (spread & 15)) << ((spread + 128) >> 4)
    return np.repeat(mean.astype(np.int32)[None], len(RATES), axis=0)


def magnitude(residual: np.ndarray) -> np.ndarray:
    """What a residual int32 adds to the running means: min(|e|, 65535) << 12."""
    value = np.abs(residual)
    np.minimum(value, MAX_MAGNITUDE, out=value)
    value <<= MEAN_BITS
    return value


def update_means(means: np.ndarray, magnitudes: np.ndarray, scratch: np.ndarray) -> None:
    """One step of the running means int32 [3, lanes], in place."""
    np.subtract(magnitudes, means, out=scratch)
    scratch >>= RATES[:, None]
    means += scratch


def level(means: np.ndarray) -> np.ndarray:
    """Logarithm of running means int32 in sixteenths of an octave, int32 0..255.

    Q < 2^24 converts to float32 exactly; exponent and leading mantissa bits of its pattern are the logarithm.
    """
    pattern = (means >> 4).astype(np.float32).view(np.int32)
    pattern >>= 19
    pattern -= _LEVEL_ZERO
    np.maximum(pattern, 0, out=pattern)
    np.minimum(pattern, 255, out=pattern)
    return pattern


def windows(history: np.ndarray, steps: int, first: int = 0) -> np.ndarray:
    """The last 16 columns before each of `steps` columns, as 16-byte items [steps, lanes].

    `history` is uint8 [lanes, columns], lane by lane; column `first + t + 16` is step t.
    """
    lanes, columns = history.shape
    return np.ndarray((steps, lanes), "V16", history.data, first, (1, history.strides[0]))
