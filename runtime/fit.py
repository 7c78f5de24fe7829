"""The encoder's choices for each lead of a chunk: kind, mean, grid and linear predictor.

Reproducible on every machine: moments are sums of integers below 2^53 (exact in float64 in any order), and the normal
equations are solved by elementwise IEEE operations, without LAPACK. A decoder needs none of this.
"""

from __future__ import annotations

import math

import numpy as np

from . import features
from .features import tick_values
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
_MIN_ROWS, _MAX_ROWS = 1 << 12, 1 << 16
_BLOCK = 4096
"""Rows that are handled at once: their lags stay in the cache."""
_PART = 512
"""Rows of a matrix product: too few for BLAS to start threads, which would wait for each other on busy cores."""
_SPAN = 4
"""Rows of the running deviation; with 16 of them 0.0006 bit more."""
_MANY_LEADS = 16
"""Chunks of more leads are fitted on every eighth frame instead of every second: 0.0010 bit for 30 ns a sample."""
_RIDGE = 0.6
_MAX_SHIFT = 8
_GRID_NOISE_CODES = 4
"""Low bits are split off until the mean residual is below twice this many grid steps."""


def fit(samples: np.ndarray, middle: np.ndarray, grid: np.ndarray | None = None) -> SideInformation:
    """Side information for one chunk.

    Parameters
    ----------
    samples : int16 [frames, leads]
    middle : int32 [1024]
        The model's tick value of each lattice code.
    grid : bool [leads]
        Leads that are grid leads even if all their values are on the lattice.
    """
    grid = np.zeros(samples.shape[1], bool) if grid is None else grid
    side = SideInformation.empty(samples.shape[1])
    step = 2 if samples.shape[1] <= _MANY_LEADS else 8
    for lead in range(samples.shape[1]):
        _fit_lead(np.ascontiguousarray(samples[:, lead]), middle, side, lead, step, bool(grid[lead]))
    return side


def _fit_lead(samples: np.ndarray, middle: np.ndarray, side: SideInformation, lead: int, step: int, grid: bool) -> None:
    if samples.min() == samples.max():
        side.kind[lead], side.mean[lead] = CONSTANT, samples[0]
        return
    codes = codes_of(samples)
    if codes.min() >= 0 and not grid:
        side.kind[lead], side.reach[lead] = LATTICE, LATTICE_REACH
        side.mean[lead] = _rounded_mean(codes)
        values = middle[codes] - middle[side.mean[lead]]
        ticks = 1.0
    else:
        side.kind[lead] = GRID
        side.mean[lead] = _rounded_mean(samples)
        values = samples.astype(np.int32) - np.int32(side.mean[lead])
        ticks = 64.0
    coefficients, error = linear_predictor(values, step)
    if side.kind[lead] == GRID:
        side.shift[lead], side.reach[lead] = _grid(samples, coefficients, error)
        ticks /= 1 << int(side.shift[lead])
    if fits(coefficients, side.reach[lead]):
        side.coefficients[lead] = coefficients
    side.spread[lead] = _spread(error * ticks)


def _rounded_mean(values: np.ndarray) -> int:
    total, count = int(values.sum(dtype=np.int64)), len(values)
    return (2 * total + count) // (2 * count)


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


def linear_predictor(values: np.ndarray, step: int = 2) -> tuple[np.ndarray, float]:
    """Order-16 coefficients of a lead, and the mean absolute residual that they leave.

    Weighted least squares on lags (covariance method) after plain ones: a residual counts by the inverse of its running
    deviation and of its own size, which is close to what it costs in bits.

    Parameters
    ----------
    values : int32 [frames]
        Signal without its mean.
    step : int
        Use one frame of so many, unless that leaves too few.

    Returns
    -------
    int64 [16] in units of 2^-10, newest sample first; float in units of `values`
    """
    excess = max(int(np.abs(values).max()).bit_length() - _SIGNAL_BITS, 0)
    signal = np.concatenate([np.zeros(ORDER), values >> excess])
    step = max(min(step, len(values) // _MIN_ROWS), -(-len(values) // _MAX_ROWS), 1)
    coefficients, error = _pass(signal, 2 * step, np.zeros(ORDER), None)
    coefficients, error = _pass(signal, step, coefficients, error)
    return coefficients.astype(np.int64), error * (1 << excess)


def _pass(signal: np.ndarray, step: int, coefficients: np.ndarray, error: float | None) -> tuple[np.ndarray, float]:
    """One weighted least-squares fit on every `step`-th frame.

    Weights follow the residuals of `coefficients` and their mean size `error` (None: no weights). Gives the new
    coefficients, and the mean size of residuals (of the old coefficients if there were weights).
    """
    moments, total, count, sizes = np.zeros((ORDER + 1, ORDER + 1)), 0.0, 0.0, 0.0
    for first in range(0, len(signal) - ORDER, step * _BLOCK):
        lags, rows = _lags(signal[first : first + step * _BLOCK + ORDER], step)
        weighted = lags
        if error is not None:
            predicted = np.matmul(coefficients[None], lags[:, 1:]).ravel()[:rows]
            size = np.abs(lags[:, 0].ravel()[:rows] - np.floor((predicted + 512) / 1024))
            weights = np.zeros(_BLOCK)
            weights[:rows] = _weights(size, error)
            weighted = lags * weights.reshape(-1, 1, _PART)
            total, sizes = total + float(weights.sum()), sizes + float(size.sum())
        moments += np.matmul(weighted, lags.transpose(0, 2, 1)).sum(axis=0)
        count += rows
    fitted, deviation = _solve(moments, total if error is not None else count)
    return fitted, max(sizes / count if error is not None else 0.8 * deviation, 1 / 64)


def _lags(block: np.ndarray, step: int) -> tuple[np.ndarray, int]:
    """The signal and its 16 past values at every `step`-th frame, in parts, float64 [parts, 17, rows of a part], zeros
    behind the last row; and the count of rows."""
    lags = np.zeros((ORDER + 1, _BLOCK))
    rows = -(-(len(block) - ORDER) // step)
    for lag in range(ORDER + 1):
        lags[lag, :rows] = block[ORDER - lag : len(block) - lag : step]
    return lags.reshape(ORDER + 1, -1, _PART).transpose(1, 0, 2), rows


def _weights(size: np.ndarray, error: float) -> np.ndarray:
    """Whole numbers 1..31 for rows with residuals of `size`, whose mean over the lead is `error`."""
    span = min(_SPAN, len(size))
    total = np.cumsum(np.concatenate([np.full(span, np.floor(error)), size]))
    local = (total[span - 1 : -1] - np.concatenate([[0.0], total[: -span - 1]])) / span + error / 10
    return np.clip(np.floor(15 * error * error / (local * (local + size / 2))), 1, _MAX_WEIGHT)


def _solve(moments: np.ndarray, rows: float) -> tuple[np.ndarray, float]:
    """Coefficients from the moments [17, 17] of the signal and its 16 lags, and the deviation of the residual.

    Elimination without pivoting: the matrix is symmetric and positive. Sums are exact until they are rounded once:
    `sum` adds in one way in Python 3.11 and in another since 3.12.
    """
    system = moments[1:].copy()
    system[:, 1:] += np.eye(ORDER) * (_RIDGE * rows)
    for pivot in range(ORDER):
        factor = system[pivot + 1 :, pivot + 1] / system[pivot, pivot + 1]
        system[pivot + 1 :] -= factor[:, None] * system[pivot]
    solution = np.zeros(ORDER)
    for row in range(ORDER - 1, -1, -1):
        later = (system[row, row + 2 :] * solution[row + 1 :]).tolist()
        solution[row] = (system[row, 0] - math.fsum(later)) / system[row, row + 1]
    explained = math.fsum((solution * moments[1:, 0]).tolist())
    deviation = math.sqrt(max(float(moments[0, 0]) - explained, 0.0) / rows)
    return np.rint(np.clip(solution, -15, 15) * (1 << COEFFICIENT_BITS)), deviation
