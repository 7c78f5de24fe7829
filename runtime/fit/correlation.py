"""Correlation of whitened channels within small lags, in sums of integers that are exact in any order."""

from __future__ import annotations

import numpy as np

from .own_predictor import linear_predictor

LAG = 4
"""Samples that shared activity may be apart: 0.2 ms."""
LIMIT = 31
"""Whitened samples are whole numbers up to here, which stands for four deviations."""
_CLIP = 4 * 1.25
"""Four deviations in mean absolute residuals."""
_BLOCK = 1 << 11
"""Samples that are correlated at once: sums of their products are below 2^24, and 32-bit ones of all channels small."""


def whiten(samples: np.ndarray) -> np.ndarray:
    """Residuals of a channel's linear predictor as whole numbers -31..31 (float32); zeros if it is flat.

    Parameters
    ----------
    samples : int16 [time]
    """
    values = samples.astype(np.int32)
    values -= np.int32((2 * int(values.sum(dtype=np.int64)) + len(values)) // (2 * len(values)))
    if not values.any():
        return np.zeros(len(values), np.float32)
    total = values.astype(np.float64) * 1024
    for delay, coefficient in enumerate(linear_predictor(values)[0].tolist(), 1):
        total[delay:] -= coefficient * values[:-delay].astype(np.float64)
    return to_white(np.rint(total / 1024))


def to_white(residual: np.ndarray) -> np.ndarray:
    """Residuals (whole numbers) [..., time] scaled to their mean size, rounded and clipped; float32."""
    size = np.abs(residual).sum(axis=-1, keepdims=True) / residual.shape[-1]
    scale = LIMIT / (_CLIP * np.maximum(size, 1 / 64))
    return np.clip(np.rint(residual * scale), -LIMIT, LIMIT).astype(np.float32)


def correlate(rows: np.ndarray, lag: int = LAG) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of largest magnitude within `lag` samples, float32 [channels, channels], and its lag, int8.

    A positive lag at [i, j] means that channel i is that much later.

    Parameters
    ----------
    rows : float32 [channels, time]
        Of `whiten`.
    """
    found, lags = largest(lagged(rows, lag))
    return found.astype(np.float32), lags


def largest(later: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the correlation of largest magnitude and its lag as `correlate`, of what `lagged` gives."""
    found, lags = np.zeros(later.shape[1:]), np.zeros(later.shape[1:], np.int8)
    for lag in range(1 - len(later), len(later)):
        values = later[-lag].T if lag < 0 else later[lag]
        larger = np.abs(values) > np.abs(found)
        found[larger], lags[larger] = values[larger], lag
    return found, lags


def lagged(rows: np.ndarray, lag: int) -> np.ndarray:
    """Correlation of each channel with each other one (by column) 0..lag samples before, float64 [lag + 1, channels,
    channels], of `rows` as for `correlate`; int8 will do."""
    channels, steps = rows.shape
    totals = np.zeros((lag + 1, channels, channels), np.int64)
    for first in range(0, steps, _BLOCK):
        block = rows[:, first : first + _BLOCK].astype(np.float32)
        for shift in range(lag + 1):
            earlier = block
            if shift:
                earlier = rows[:, max(first - shift, 0) : first + block.shape[1] - shift].astype(np.float32)
            totals[shift] += (block[:, block.shape[1] - earlier.shape[1] :] @ earlier.T).astype(np.int64)
    power = np.maximum(np.diagonal(totals[0]), 1).astype(np.float64)
    found = totals.astype(np.float64)
    del totals
    found /= np.sqrt(power[:, None] * power)
    return found
