"""Linear predictors of channels alone: first plain least squares, then one step towards the weighted solution.

Everything comes from sums of integers below 2^53, exact in float64 in any order, so that the fit is the same on every
machine.

A channel's samples lie in rows of 16. The 16 samples before a row's start are the row before it, so sums over all lags
are products of such matrices, and no sample is copied for a lag.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..predictor import input_arithmetic
from ..predictor.channel_parameters import COEFFICIENT_BITS, ORDER
from .least_squares import solve, to_signal, weights_of

_PART = 1024
"""Rows of a matrix product: too few for BLAS to start threads, which would wait for each other on busy cores."""
_SHORT, _LONG = 1 << 15, 1 << 17
"""Frames from which on every second residual counts, and up to which rows are not left out."""
_CURVATURE_STEP = 8
"""One frame of so many gives the weighted covariance, which tells how far to go: all frames gain 0.00005 bit."""
_LEAST = 1 / 64
_QUIET = 0.28
"""Where the mean residual is less than so much of a step, what there is to code is which samples are not predicted
exactly, and plain least squares is better: by 4 to 10 % at errors of 20 to 40 codes."""
_COST_UNIT, _COST_FLOOR = 1024, 64
"""Parts of the mean residual; what is added to a row's before its logarithm is taken."""
_LARGEST = 15 << COEFFICIENT_BITS
_COLUMNS = np.arange(ORDER)
_LAGS = np.arange(ORDER + 1)


def own_predictors(signals: list[np.ndarray], bins: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Order-16 coefficients of channels, and the mean absolute residuals that they leave.

    Parameters
    ----------
    signals : list of int16 [16 + frames]
        Of `to_signal`, of equal length.
    bins : float64 [channels] or float
        What one step of the coded values is in units of the signal.

    Returns
    -------
    float64 [channels, 16], whole units of 2^-10, newest sample first; float64 [channels]
    """
    rows = [_Rows(signal) for signal in signals]
    first, variance = solve(np.stack(list(map(_covariance, rows))), np.full(len(rows), float(rows[0].frames)))
    error = np.maximum(0.8 * np.sqrt(variance), _LEAST)
    best, size = first.copy(), error.copy()
    waiting = np.flatnonzero(error >= _QUIET * bins).tolist()
    for step in (_CURVATURE_STEP, 1) if waiting else ():
        moves = [_move(rows[channel], first[channel], float(error[channel]), step) for channel in waiting]
        change, _ = solve(*(np.array([getattr(move, part) for move in moves]) for part in ("equations", "weight")))
        worse = []
        for channel, move, by in zip(waiting, moves, change, strict=True):
            moved = np.clip(first[channel] + by, -_LARGEST, _LARGEST)
            after, cost = rows[channel].measure(
                rows[channel].residual(moved, rows[channel].sample), float(error[channel])
            )
            size[channel] = move.size
            if cost <= move.cost:
                best[channel], size[channel] = moved, after
            else:
                worse.append(channel)
        waiting = worse
        if not waiting:
            break
    return best, np.maximum(size, _LEAST)


def linear_predictor(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Order-16 coefficients of a channel, and the mean absolute residual that they leave.

    Parameters
    ----------
    values : int32 [frames]
        Signal without its mean.

    Returns
    -------
    int64 [16] in units of 2^-10, newest sample first; float in units of `values`
    """
    signal, excess = to_signal(values)
    (coefficients,), (error,) = own_predictors([signal])
    return coefficients.astype(np.int64), error * (1 << excess)


def quick_residual(signal: np.ndarray) -> np.ndarray:
    """Return what plain least squares leaves of a signal int16 [16 + frames] in some rows of 16 frames, float64 [n]."""
    rows = _Rows(signal)
    (coefficients,), _ = solve(_covariance(rows)[None], np.array([float(rows.frames)]))
    return rows.residual(coefficients, rows.sample).ravel()[: rows.count(rows.sample)]


class _Rows:
    """A signal [16 + frames] in rows of 16, zeros behind it; worked out anew when asked for, to save memory.

    frames : int
    step : int
        One residual of so many counts.
    skip : int
        One row of so many has any that count.
    sample : int
        One row of so many tells how large residuals are.
    """

    def __init__(self, signal: np.ndarray):
        self.signal, self.frames = signal, len(signal) - ORDER
        self.step = 1 if self.frames < _SHORT else 2
        self.skip = 1 << max(-(-self.frames // _LONG) - 1, 0).bit_length()
        self.sample = self.skip * (1 if self.frames < _SHORT else 4)

    def count(self, skip: int) -> int:
        """How many residuals of one row of so many count: the last rows may go beyond the signal's end."""
        whole, rest = divmod(self.frames, ORDER * skip)
        return whole * (ORDER // self.step) + -(-min(rest, ORDER) // self.step)

    def at(self, *starts: int) -> list[np.ndarray]:
        """Rows float64 [parts, rows, 16] that begin so many frames after the 16 zeros in front: own ones at 16."""
        rows = -(-self.frames // ORDER)
        part = min(rows, _PART)
        size = -(-rows // part) * part * ORDER
        values = np.zeros(ORDER + size)
        values[: len(self.signal)] = self.signal
        return [values[start : start + size].reshape(-1, part, ORDER) for start in starts]

    def residual(self, coefficients: np.ndarray, skip: int) -> np.ndarray:
        """What a linear predictor leaves of one row of so many, whole numbers [parts, rows, 16 / step]."""
        own, previous = (rows[:, ::skip] for rows in self.at(ORDER, 0))
        lag = ORDER + _COLUMNS[:: self.step] - np.arange(2 * ORDER)[:, None]
        taps = np.where((lag >= 1) & (lag <= ORDER), coefficients[np.clip(lag - 1, 0, ORDER - 1)], 0.0)
        total = np.matmul(previous, taps[:ORDER])
        total += np.matmul(own, taps[ORDER:])
        total += 512
        total /= 1024
        np.floor(total, out=total)
        return np.subtract(own[..., :: self.step], total, out=total)

    def measure(self, residual: np.ndarray, error: float) -> tuple[float, int]:
        """Mean absolute residual of one row of `sample`, and what these cost, in 1/16 bit: the logarithms of the means
        of rows, which are about `error`."""
        sums = np.abs(residual).sum(axis=2)
        means = np.minimum(
            sums * (_COST_UNIT / error / residual.shape[2]) + _COST_FLOOR, input_arithmetic.MAX_MAGNITUDE
        )
        cost = input_arithmetic.log_means(means.astype(np.int32) << input_arithmetic.MEAN_BITS).sum(dtype=np.int64)
        return float(sums.sum()) / self.count(self.sample), int(cost)


def _lag_sums(factors: np.ndarray, own: np.ndarray, previous: np.ndarray, step: int) -> np.ndarray:
    """Sums over t of factor[t] x[t - d] for d = 0..16; factors [parts, rows, 16 / step] of every `step`-th frame."""
    turned = factors.transpose(0, 2, 1)
    products = [np.matmul(turned, rows).sum(axis=0) for rows in (previous, own)]
    columns = _COLUMNS[::step, None]
    return np.concatenate(products, axis=1)[columns // step, ORDER + columns - _LAGS].sum(axis=0)


def _covariance(rows: _Rows) -> np.ndarray:
    """Sums over all frames t of x[t - i] x[t - j], float64 [17, 17].

    They go by the difference of the lags, but for the products at the signal's end that a lag leaves out.
    """
    own, previous = rows.at(ORDER, 0)
    sums = _lag_sums(own, own, previous, 1)
    end = np.concatenate([np.zeros(ORDER), rows.signal[-2 * ORDER :]])[::-1]
    left_out = np.zeros((ORDER + 1, ORDER + 1))
    left_out[1:] = np.cumsum(end[_COLUMNS, None] * end[_COLUMNS[:, None] + _LAGS], axis=0)
    smaller, difference = np.minimum(_LAGS, _LAGS[:, None]), np.abs(_LAGS - _LAGS[:, None])
    return sums[difference] - left_out[smaller, difference]


@dataclass
class _Move:
    """The normal equations of a change as `solve` takes them, and the sum of the weights; mean size and cost of the
    residuals before it."""

    equations: np.ndarray
    weight: float
    size: float
    cost: int


def _move(rows: _Rows, coefficients: np.ndarray, error: float, step: int) -> _Move:
    """Where weighted least squares goes from `coefficients`, whose residuals have a mean size of about `error`; one
    frame of `step` gives the curvature."""
    residual, count = rows.residual(coefficients, rows.skip), rows.count(rows.skip)
    size, cost = rows.measure(residual[:, :: rows.sample // rows.skip], error)
    weight = np.zeros(residual.shape)
    weight.ravel()[:count] = weights_of(np.abs(residual).ravel()[:count], error)
    residual *= weight
    curvature, total = np.zeros((ORDER, ORDER)), 0.0
    starts = range(0, ORDER, max(step, rows.step))
    *starting, own = (some[:, :: rows.skip] for some in rows.at(*starts, ORDER))
    for frame, lags in zip(starts, starting):
        part = weight[..., frame // rows.step]
        curvature += np.matmul((lags * part[..., None]).transpose(0, 2, 1), lags).sum(axis=0)
        total += float(part.sum())
    equations = np.zeros((ORDER + 1, ORDER + 1))
    equations[1:, 0] = _lag_sums(residual, own, starting[0], rows.step)[1:]
    equations[1:, 1:] = curvature[::-1, ::-1] * (float(weight.sum()) / total)
    return _Move(equations, float(weight.sum()), size, cost)
