"""Weighted least squares on lags of a channel and of its reference channels, the same on every machine.

Moments are sums of integers below 2^53, exact in float64 in any order; normal equations are solved by elementwise IEEE
operations, without LAPACK.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..predictor.channel_parameters import COEFFICIENT_BITS, ORDER, REFERENCE_TAPS

SIGNAL_BITS = 14
"""Signals are taken down to so many bits."""
_MAX_WEIGHT = 31
_MIN_ROWS, _MAX_ROWS = 1 << 14, 1 << 16
_BLOCK = 4096
"""Rows that are handled at once: their lags stay in the cache."""
_PART = 512
"""Rows of a matrix product: too few for BLAS to start threads, which would wait for each other on busy cores."""
_SPAN = 4
"""Residuals of the running deviation; with 16 of them 0.0006 bit more."""
_RIDGE = 0.6


def to_signal(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Return values without their mean (int32 [frames]) as int16 behind 16 zeros, and the low bits left out."""
    excess = max(int(np.abs(values).max()).bit_length() - SIGNAL_BITS, 0)
    signal = np.zeros(ORDER + len(values), np.int16)
    signal[ORDER:] = values >> excess if excess else values
    return signal, excess


def spacing(frames: int, step: int) -> int:
    """Return how many frames one that counts stands for: `step`, unless that leaves too few or too many."""
    return max(min(step, frames // _MIN_ROWS), -(-frames // _MAX_ROWS), 1)


def residual_of(signal: np.ndarray, coefficients: np.ndarray, others: Sequence[np.ndarray] = ()) -> np.ndarray:
    """Return what a linear predictor leaves of a signal int16 [16 + frames], whole numbers float64 [frames].

    Parameters
    ----------
    coefficients : units of 2^-10: 16 for own samples, newest first, then four for each of the others
    others : signals of reference channels
    """
    signal, *others = (source.astype(np.float64) for source in (signal, *others))
    taps = [(signal, delay) for delay in range(1, ORDER + 1)]
    taps += [(other, delay) for other in others for delay in range(REFERENCE_TAPS)]
    total, product = np.full(len(signal) - ORDER, 512.0), np.empty(len(signal) - ORDER)
    for coefficient, (source, delay) in zip(coefficients.tolist(), taps, strict=False):
        total += np.multiply(source[ORDER - delay : len(source) - delay], coefficient, out=product)
    return signal[ORDER:] - np.floor(total / 1024)


def moments(
    signal: np.ndarray, others: list[np.ndarray], step: int, coefficients: np.ndarray, error: float
) -> tuple[np.ndarray, float, float]:
    """Return the sums of products of a channel's sample and all that predicts it, over every `step`-th frame.

    Residuals of `coefficients`, whose mean size is about `error`, count by `weights_of`.

    Parameters
    ----------
    signal : int16 [16 + frames]
        Of `to_signal`.
    others : list of int16 [16 + frames]
        Signals of the reference channels; their newest four samples count, the present one included.
    coefficients : float [16 + 4 others]
        Units of 2^-10; newest sample first.

    Returns
    -------
    float64 [n + 1, n + 1] : sample and its n predictors
    float : sum of the weights
    float : mean size of the residuals of `coefficients`
    """
    rank = ORDER + 1 + REFERENCE_TAPS * len(others)
    total, weight, sizes, count = np.zeros((rank, rank)), 0.0, 0.0, 0
    for first in range(0, len(signal) - ORDER, step * _BLOCK):
        part = slice(first, first + step * _BLOCK + ORDER)
        lags, rows = _lags(signal[part], [other[part] for other in others], step)
        predicted = np.matmul(coefficients[None], lags[:, 1:]).ravel()[:rows]
        size = np.abs(lags[:, 0].ravel()[:rows] - np.floor((predicted + 512) / 1024))
        weights = np.zeros(_BLOCK)
        weights[:rows] = weights_of(size, error)
        total += np.matmul(lags * weights.reshape(-1, 1, _PART), lags.transpose(0, 2, 1)).sum(axis=0)
        weight, sizes, count = weight + float(weights.sum()), sizes + float(size.sum()), count + rows
    return total, weight, sizes / count


def _lags(block: np.ndarray, others: list[np.ndarray], step: int) -> tuple[np.ndarray, int]:
    """Return a sample, its 16 past values and values of references at every `step`-th frame, and the count of rows.

    They are in parts, float64 [parts, n + 1, rows of a part], with zeros behind the last row.
    """
    lags = np.empty((ORDER + 1 + REFERENCE_TAPS * len(others), _BLOCK))
    rows = -(-(len(block) - ORDER) // step)
    lags[:, rows:] = 0
    row = 0
    for source, taps in [(block, ORDER + 1), *((other, REFERENCE_TAPS) for other in others)]:
        phases = [source[phase::step].astype(np.float64) for phase in range(min(step, ORDER + 1))]
        for lag in range(taps):
            first, phase = divmod(ORDER - lag, step)
            lags[row, :rows] = phases[phase][first : first + rows]
            row += 1
    return lags.reshape(len(lags), -1, _PART).transpose(1, 0, 2), rows


def weights_of(size: np.ndarray, error: float) -> np.ndarray:
    """Return the weights of residuals of `size`, whose mean over the channel is about `error`: whole numbers 1..31.

    That is the inverse of their running deviation and of their own size, close to what they cost in bits.
    """
    before = np.concatenate([np.full(_SPAN, np.floor(error)), size[:-1]])
    local = before[_SPAN - 1 :] + before[: len(size)]
    for first in range(1, _SPAN - 1):
        local += before[first : first + len(size)]
    local /= _SPAN
    local += error / 10
    cost = size / 2
    cost += local
    cost *= local
    np.divide(15 * error * error, cost, out=cost)
    np.floor(cost, out=cost)
    return np.clip(cost, 1, _MAX_WEIGHT, out=cost)


def solve(total: np.ndarray, weight: np.ndarray, used: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the coefficients of many channels from their `moments`, and the variance of what they leave.

    Elimination without pivoting: the matrices are symmetric and positive.

    Parameters
    ----------
    total : float64 [channels, n + 1, n + 1]
    weight : float64 [channels]
    used : bool [channels, n], optional
        Predictors that take part; the others get 0.

    Returns
    -------
    float64 [channels, n], in whole units of 2^-10; float64 [channels]
    """
    size = total.shape[1] - 1
    system = np.concatenate([total[:, 1:, 1:], total[:, 1:, :1]], axis=2)
    if used is not None:
        system *= used[:, :, None]
        system[:, :, :-1] *= used[:, None]
    system[:, np.arange(size), np.arange(size)] += (_RIDGE * weight)[:, None]
    known = system[:, :, -1].copy()
    for pivot in range(size - 1):
        factor = system[:, pivot + 1 :, pivot] / system[:, pivot, pivot, None]
        system[:, pivot + 1 :, pivot + 1 :] -= factor[:, :, None] * system[:, pivot, None, pivot + 1 :]
    solution, explained = np.zeros(known.shape), np.zeros(len(known))
    for row in range(size - 1, -1, -1):
        solution[:, row] = system[:, row, -1] / system[:, row, row]
        system[:, :row, -1] -= system[:, :row, row] * solution[:, row, None]
        explained += solution[:, row] * known[:, row]
    variance = np.maximum(total[:, 0, 0] - explained, 0.0) / weight
    return np.rint(np.clip(solution, -15, 15) * (1 << COEFFICIENT_BITS)), variance
