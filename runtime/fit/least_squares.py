"""Signals that are fitted, and least squares from their sums of products, the same on every machine.

Normal equations are solved by elementwise IEEE operations, without LAPACK. The matrices are symmetric and positive, so
they are eliminated without pivoting; only what is above the diagonal counts.
"""

from __future__ import annotations

import numpy as np

from ..predictor.channel_parameters import COEFFICIENT_BITS, ORDER
from .engine import loops

SIGNAL_BITS = 14
"""Signals are taken down to so many bits."""
LARGEST = 15 << COEFFICIENT_BITS
"""Coefficients are at most so large."""
RIDGE = 0.6


def to_signal(values: np.ndarray, signal: np.ndarray) -> int:
    """Fill in `signal`, int16 [16 + frames] that begins with 16 zeros, from values without their mean (int32 [frames]).

    Returns how many low bits are left out.
    """
    excess = max(int(np.abs(values).max()).bit_length() - SIGNAL_BITS, 0)
    signal[ORDER:] = values >> excess if excess else values
    return excess


def solve(total: np.ndarray, weight: np.ndarray, used: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the coefficients of many channels from weighted sums of products, and the variance of what they leave.

    Parameters
    ----------
    total : float64 [channels, n + 1, n + 1], of what is predicted and its n predictors
    weight : float64 [channels], sum of the weights
    used : bool [channels, n], optional
        Predictors that take part; the others get 0.

    Returns
    -------
    float64 [channels, n], in whole units of 2^-10; float64 [channels]
    """
    used = np.ones((len(total), total.shape[1] - 1), bool) if used is None else used
    if (fast := loops("solve")) is not None:
        solution, variance = fast.solve(total, weight, used, RIDGE)
    else:
        system = system_of(total, weight)
        keep_only(system, used)
        variance = np.maximum(total[:, 0, 0] - eliminate(system, used.shape[1]), 0.0) / weight
        solution = np.zeros(used.shape)
        for row in range(used.shape[1] - 1, -1, -1):
            solution[:, row] = system[:, row, -1] / system[:, row, row]
            system[:, :row, -1] -= system[:, :row, row] * solution[:, row, None]
    return np.clip(np.rint(solution * (1 << COEFFICIENT_BITS)), -LARGEST, LARGEST), variance


def system_of(total: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return normal equations [channels, n, n + 1], right sides in the last column, with a ridge on the diagonal."""
    system = np.concatenate([total[:, 1:, 1:], total[:, 1:, :1]], axis=2)
    diagonal = np.arange(system.shape[1])
    system[:, diagonal, diagonal] += (RIDGE * weight)[:, None]
    return system


def keep_only(system: np.ndarray, used: np.ndarray) -> None:
    """Take predictors but for those `used`, bool [channels, n], out of normal equations."""
    system *= used[:, :, None]
    system[:, :, :-1] *= used[:, None]
    diagonal = np.arange(system.shape[1])
    system[:, diagonal, diagonal] += ~used


def eliminate(system: np.ndarray, count: int) -> np.ndarray:
    """Eliminate the first predictors of normal equations in place; returns what they explain, float64 [channels]."""
    explained = np.zeros(len(system))
    for pivot in range(count):
        row, largest = system[:, pivot, pivot + 1 :], system[:, pivot, pivot]
        explained += system[:, pivot, -1] * system[:, pivot, -1] / largest
        factor = row[:, :-1] / largest[:, None]
        system[:, pivot + 1 :, pivot + 1 :] -= factor[:, :, None] * row[:, None]
    return explained
