"""The encoder's choices for each lead of a chunk: kind, mean, grid and linear predictor.

Reproducible on every machine: moments are sums of integers below 2^53 (exact in float64 in any order), and the normal
equations are solved by elementwise IEEE operations, without LAPACK. A decoder needs none of this.
"""

from __future__ import annotations

import numpy as np

from . import features
from .lattice import codes_of
from .side_information import (
    COEFFICIENT_BITS,
    CONSTANT,
    GRID,
    LATTICE,
    LATTICE_REACH,
    ORDER,
    SideInformation,
    fits,
)

_SIGNAL_BITS = 14
_MAX_WEIGHT = 31
_MAX_ROWS = 1 << 16
_STRIDE = 4
"""The first passes look at every fourth frame."""
_RIDGE = 0.6
_MAX_SHIFT = 8
_GRID_NOISE_CODES = 4
"""Low bits are split off until the mean residual is below twice this many grid steps."""


def fit(samples: np.ndarray, middle: np.ndarray) -> SideInformation:
    """Side information for one chunk.

    Parameters
    ----------
    samples : int16 [frames, leads]
    middle : int32 [1024]
        The model's tick value of each lattice code.
    """
    side = SideInformation.empty(samples.shape[1])
    for lead in range(samples.shape[1]):
        _fit_lead(np.ascontiguousarray(samples[:, lead]), middle, side, lead)
    return side


def _fit_lead(samples: np.ndarray, middle: np.ndarray, side: SideInformation, lead: int) -> None:
    if samples.min() == samples.max():
        side.kind[lead], side.mean[lead] = CONSTANT, samples[0]
        return
    codes = codes_of(samples)
    if codes.min() >= 0:
        side.kind[lead], side.reach[lead] = LATTICE, LATTICE_REACH
        side.mean[lead] = _rounded_mean(codes)
        values = middle[codes] - middle[side.mean[lead]]
        ticks = 1.0
    else:
        side.kind[lead] = GRID
        side.mean[lead] = _rounded_mean(samples)
        values = samples.astype(np.int32) - np.int32(side.mean[lead])
        ticks = 64.0
    coefficients, error = linear_predictor(values)
    if side.kind[lead] == GRID:
        side.shift[lead], side.reach[lead] = _grid(samples, coefficients, error)
        ticks /= 1 << int(side.shift[lead])
    if fits(coefficients, side.reach[lead]):
        side.coefficients[lead] = coefficients
    side.spread[lead] = _spread(error * ticks)


def _rounded_mean(values: np.ndarray) -> int:
    total, count = int(values.sum(dtype=np.int64)), len(values)
    return (2 * total + count) // (2 * count)


def tick_values(samples: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """Tick values int32 of grid samples."""
    return ((2 * samples.astype(np.int32) + 1) << 5) >> shift


def _grid(samples: np.ndarray, coefficients: np.ndarray, error: float) -> tuple[int, int]:
    """Low bits and reach: the noise decides, then 32-bit sums of the linear predictor."""
    shift = 0
    while error >= 2 * _GRID_NOISE_CODES and shift < _MAX_SHIFT:
        error, shift = error / 2, shift + 1
    while True:
        reach = int(np.abs(tick_values(samples, shift)).max()).bit_length()
        if fits(coefficients, reach) or shift == _MAX_SHIFT:
            return shift, reach
        shift += 1


def _spread(error: float) -> int:
    mean = np.array([min(max(int(error), 1), features.MAX_MAGNITUDE) << features.MEAN_BITS], np.int32)
    return int(features.level(mean)[0])


def linear_predictor(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Order-16 coefficients of a lead, and the mean absolute residual that they leave.

    Weighted least squares on lags (covariance method), iterated: a residual counts by the inverse of its running
    deviation and of its own size, which is close to what it costs in bits.

    Parameters
    ----------
    values : int32 [frames]
        Signal without its mean.

    Returns
    -------
    int64 [16] in units of 2^-10, newest sample first; float in units of `values`
    """
    excess = max(int(np.abs(values).max()).bit_length() - _SIGNAL_BITS, 0)
    signal = np.concatenate([np.zeros(ORDER), values >> excess])
    step = max(_STRIDE, -(-len(values) // _MAX_ROWS) * 2)
    coefficients = np.zeros(ORDER, np.int64)
    for rows in (slice(None, None, step), slice(None, None, step), slice(None, None, max(step // 2, 1))):
        lags = _lags(signal, len(values), rows)
        error = lags[0] - np.floor((coefficients @ lags[1:] + 512) / 1024)
        weights = _weights(np.abs(error)) if coefficients.any() else np.ones(lags.shape[1])
        coefficients = _solve(lags, weights)
    error = np.abs(lags[0] - np.floor((coefficients @ lags[1:] + 512) / 1024))
    return coefficients, float(error.sum()) / len(error) * (1 << excess)


def _lags(signal: np.ndarray, frames: int, rows: slice) -> np.ndarray:
    """float64 [17, rows]: the signal and its 16 past values, newest first."""
    return np.stack([signal[ORDER - lag : ORDER - lag + frames][rows] for lag in range(ORDER + 1)])


def _weights(error: np.ndarray) -> np.ndarray:
    """Whole numbers 1..31 for each row."""
    span = 16
    total = np.cumsum(np.concatenate([np.zeros(span), error]))
    mean = total[-1] / len(error) + 1
    local = np.concatenate([[mean], (total[span:-1] - total[: -span - 1]) / span]) + mean / 5
    inverse = 15 * mean * mean / (local * (local + error / 2))
    return np.clip(np.floor(inverse), 1, _MAX_WEIGHT)


def _solve(lags: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted normal equations, by elimination on the symmetric positive matrix."""
    moments = (lags * weights) @ lags.T
    matrix, target = moments[1:, 1:], moments[1:, 0].copy()
    matrix = matrix + np.eye(ORDER) * (_RIDGE * weights.sum())
    for pivot in range(ORDER):
        factor = matrix[pivot + 1 :, pivot] / matrix[pivot, pivot]
        matrix[pivot + 1 :, pivot:] -= factor[:, None] * matrix[pivot, pivot:]
        target[pivot + 1 :] -= factor * target[pivot]
    solution = np.zeros(ORDER)
    for row in range(ORDER - 1, -1, -1):
        later = (matrix[row, row + 1 :] * solution[row + 1 :]).tolist()
        solution[row] = (target[row] - sum(later)) / matrix[row, row]
    return np.rint(np.clip(solution, -15, 15) * (1 << COEFFICIENT_BITS)).astype(np.int64)
