"""One pass over channels: what their predictors leave, what that costs, and the sums that say how to change them.

All sums are of whole numbers below 2^53: exact in float64 in any order, and the same from both implementations, this
one and `compiled/sums.py`. The rest is done in one order of elementwise IEEE operations.

A channel's samples lie in rows of 16. The 16 samples before a row's start are the row before it, so predictions and
sums over all lags are products of such matrices, and no sample is copied for a lag. The products are too small for BLAS
to start threads, which would wait for each other on busy cores.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ..predictor.channel_parameters import COEFFICIENT_BITS, ORDER, REFERENCE_TAPS
from .engine import loops
from .least_squares import LARGEST, RIDGE, solve

_BLOCK = 1 << 13
"""Frames that are handled at once."""
_PART = 128
"""Rows of a product of all predictors with each other."""
SPAN = 4
"""Residuals of the running deviation; with 16 of them 0.0006 bit more."""
MAX_WEIGHT = 31.0
MAX_RESIDUAL = 32768.0
COST_UNIT, MAX_COST = 64.0, float((1 << 24) - 1)
"""Parts of the floor; where the logarithm ends."""
_COLUMNS, _LAGS = np.arange(ORDER), np.arange(ORDER + 1)


@dataclass(frozen=True)
class Predictors:
    """Linear predictors of some channels.

    channel       int64 [n]
    references    int64 [n, k], channels; -1 behind the last one
    coefficients  float64 [n, 16 + 4 k], whole units of 2^-10: for own samples, newest first, then for each reference
    error         float64 [n], about the mean absolute residual: residuals have their weights by it
    floor         float64 [n], what is added to the mean of 16 residuals before its logarithm is taken
    """

    channel: np.ndarray
    references: np.ndarray
    coefficients: np.ndarray
    error: np.ndarray
    floor: np.ndarray

    def take(self, index: np.ndarray) -> Predictors:
        """Return those of some of the channels."""
        return Predictors(*(getattr(self, field.name)[index] for field in fields(self)))


@dataclass(frozen=True)
class Sums:
    """What a pass over channels gives.

    equations  float64 [n, 1 + taps, 1 + taps], weighted sums of products of residual and predictors; of the residual
               with itself only where both spacings are the same
    weight     float64 [n], sum of the weights
    size       float64 [n], mean absolute residual
    cost       int64 [n], in 1/16 bit for 16 residuals, from some value on
    """

    equations: np.ndarray
    weight: np.ndarray
    size: np.ndarray
    cost: np.ndarray

    def take(self, index: np.ndarray) -> Sums:
        """Return those of some of the channels."""
        return Sums(*(getattr(self, field.name)[index] for field in fields(self)))


def weighted_sums(signals: np.ndarray, predictors: Predictors, curvature: int = 0, gradient: int = 0) -> Sums:
    """Go over all frames of some channels.

    Parameters
    ----------
    signals : int16 [channels, 16 + frames], of `to_signal`
    curvature, gradient : int
        One frame of so many counts in the products of predictors with each other, and with the residual: a divisor of
        8192; 0 for none. They are the same, or the second is 1.
    """
    run = _run if (fast := loops("sums")) is None else fast.weighted_sums
    p = predictors
    equations, weight, size, cost = run(
        signals, (p.channel, p.references), (p.coefficients, p.error, p.floor), curvature, gradient
    )
    if curvature and curvature != gradient:
        equations[:, 1:, 1:] *= (weight[:, 0] / weight[:, 1])[:, None, None]
    return Sums(equations, weight[:, 0], size / (signals.shape[1] - ORDER), cost)


def step_from(predictors: Predictors, sums: Sums, used: np.ndarray | None = None) -> np.ndarray:
    """Return better coefficients by what a pass gave, see `least_squares.solve`; the ridge is that of the new ones."""
    equations = sums.equations.copy()
    equations[:, 1:, 0] -= (RIDGE * sums.weight)[:, None] * (predictors.coefficients / (1 << COEFFICIENT_BITS))
    return np.clip(predictors.coefficients + solve(equations, sums.weight, used)[0], -LARGEST, LARGEST)


def residuals(signal: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return what a linear predictor leaves of a signal int16 [16 + frames], whole numbers float64 [frames]."""
    frames = len(signal) - ORDER
    return _residuals([_rows(signal, 0, frames)], _matrices(coefficients))[:frames]


def covariances(signals: np.ndarray) -> np.ndarray:
    """Return sums over all frames t of x[t - i] x[t - j], float64 [channels, 17, 17].

    They go by the difference of the lags, but for the products at the signal's end that a lag leaves out.
    """
    fast = loops("sums")
    sums = _autocovariances(signals) if fast is None else fast.autocovariances(signals)
    end = np.concatenate([np.zeros((len(signals), ORDER)), signals[:, -2 * ORDER :]], axis=1)[:, ::-1]
    left_out = np.zeros((len(signals), ORDER + 1, ORDER + 1))
    products = end[:, _COLUMNS, None] * end[:, _COLUMNS[:, None] + _LAGS]
    left_out[:, 1:] = np.cumsum(products, axis=1)
    smaller, difference = np.minimum(_LAGS, _LAGS[:, None]), np.abs(_LAGS - _LAGS[:, None])
    return sums[:, difference] - left_out[:, smaller, difference]


def _autocovariances(signals: np.ndarray) -> np.ndarray:
    """Return sums over all frames t of x[t] x[t - d], float64 [channels, 17]."""
    sums = np.zeros((len(signals), ORDER + 1))
    for out, signal in zip(sums, signals, strict=True):
        for first in range(0, len(signal) - ORDER, _BLOCK):
            rows = _rows(signal, first, min(_BLOCK, len(signal) - ORDER - first))
            out += _lag_sums(rows[1], rows)
    return sums


def _run(
    signals: np.ndarray,
    channels: tuple[np.ndarray, np.ndarray],
    predictors: tuple[np.ndarray, np.ndarray, np.ndarray],
    curvature: int,
    gradient: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return equations, weights of both kinds of frames [n, 2], sums of absolute residuals, and costs."""
    (channel, references), (coefficients, error, floor) = channels, predictors
    count, taps = coefficients.shape
    equations, weight = np.zeros((count, 1 + taps, 1 + taps)), np.zeros((count, 2))
    size, cost = np.zeros(count), np.zeros(count, np.int64)
    for row in range(count):
        sources = [channel[row], *(reference for reference in references[row] if reference >= 0)]
        before, matrices = np.full(SPAN, np.floor(error[row])), _matrices(coefficients[row])
        for first in range(0, signals.shape[1] - ORDER, _BLOCK):
            frames = min(_BLOCK, signals.shape[1] - ORDER - first)
            rows = [_rows(signals[source], first, frames) for source in sources]
            residual = _residuals(rows, matrices)[:frames]
            sizes = np.empty(SPAN + frames)
            sizes[:SPAN] = before
            np.abs(residual, out=sizes[SPAN:])
            size[row] += sizes[SPAN:].sum()
            cost[row] += _cost(sizes[SPAN:], floor[row])
            if gradient:
                chosen = chosen_frames(first, frames, curvature) if curvature else np.arange(0)
                found = _block_sums(rows, residual, _weights(sizes, error[row]), chosen, curvature == gradient)
                equations[row, : len(found[0]), : len(found[0])] += found[0]
                weight[row] += found[1]
            before = sizes[-SPAN:]
    return equations, weight, size, cost


def _rows(signal: np.ndarray, first: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows before those of a block of a signal, and these, with zeros behind: float64 [rows, 16]."""
    values = np.zeros(-(-frames // ORDER) * ORDER + ORDER)
    values[: ORDER + frames] = signal[first : first + ORDER + frames]
    return values[:-ORDER].reshape(-1, ORDER), values[ORDER:].reshape(-1, ORDER)


def _matrices(coefficients: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return what the rows before and the rows of each source are multiplied by, float64 [16, 16]."""
    found = []
    for at in (0, *range(ORDER, len(coefficients), REFERENCE_TAPS)):
        least, taps = (0, REFERENCE_TAPS) if at else (1, ORDER)
        tap = ORDER + _COLUMNS - np.arange(2 * ORDER)[:, None] - least
        matrix = np.where((tap >= 0) & (tap < taps), coefficients[at + np.clip(tap, 0, taps - 1)], 0.0)
        found.append((matrix[:ORDER], matrix[ORDER:]))
    return found


def _residuals(rows: list[tuple[np.ndarray, np.ndarray]], matrices: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return what the predictors from all sources leave, whole numbers."""
    total = np.matmul(rows[0][0], matrices[0][0])
    total += np.matmul(rows[0][1], matrices[0][1])
    for source, pair in zip(rows[1:], matrices[1:]):
        for part, matrix in zip(source, pair):
            total += np.matmul(part, matrix)
    total += 512
    total /= 1024
    np.floor(total, out=total)
    return np.subtract(rows[0][1], total, out=total).ravel()


def _lag_sums(factors: np.ndarray, rows: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return sums over t of factor[t] x[t - d] for d = 0..16, of factors [rows, 16]."""
    products = np.concatenate([np.matmul(factors.T, part) for part in rows], axis=1)
    return products[_COLUMNS[:, None], ORDER + _COLUMNS[:, None] - _LAGS].sum(axis=0)


def _cost(sizes: np.ndarray, floor: float) -> int:
    """Return the logarithms of the means of 16 residuals, in sixteenths of an octave: exponent and leading mantissa
    bits of their float32 patterns."""
    means = sizes[: len(sizes) // ORDER * ORDER].reshape(-1, ORDER).sum(axis=1) / ORDER
    parts = np.minimum((means + floor) * (COST_UNIT / floor), MAX_COST).astype(np.int32)
    return int((parts.astype(np.float32).view(np.int32) >> 19).sum(dtype=np.int64))


def _weights(sizes: np.ndarray, error: float) -> np.ndarray:
    """Return the weights of residuals, whose mean over the channel is about `error`: whole numbers 1..31.

    That is the inverse of their running deviation and of their own size, close to what they cost in bits. The four
    sizes before come first.
    """
    size = sizes[SPAN:]
    local = sizes[SPAN - 1 : -1] + sizes[: len(size)]
    for first in range(1, SPAN - 1):
        local += sizes[first : first + len(size)]
    local /= SPAN
    local += error / 10
    cost = size / 2
    cost += local
    cost *= local
    np.divide(15 * error * error, cost, out=cost)
    np.floor(cost, out=cost)
    return np.clip(cost, 1, MAX_WEIGHT, out=cost)


def chosen_frames(first: int, frames: int, step: int) -> np.ndarray:
    """Return which frames of a block count, from its first on, int64: one of each `step`, which changes at random since
    signals may have periods."""
    group = np.arange(first // step, -(-(first + frames) // step))
    mixed = (group * 0x9E3779B1) & 0xFFFFFFFF
    mixed = ((mixed ^ mixed >> 15) * 0x85EBCA77) & 0xFFFFFFFF
    chosen = group * step - first + (mixed >> 16) % step
    return chosen[chosen < frames]


def _block_sums(
    rows: list[tuple[np.ndarray, np.ndarray]],
    residual: np.ndarray,
    weights: np.ndarray,
    chosen: np.ndarray,
    same: bool,
) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the sums of products over a block, and the sums of weights of both kinds of frames."""
    residual = np.clip(residual, -MAX_RESIDUAL, MAX_RESIDUAL)
    taps = ORDER + REFERENCE_TAPS * (len(rows) - 1)
    equations = np.zeros((1 + taps, 1 + taps))
    if len(chosen):
        lags, counted = _lags(rows, residual, chosen), np.zeros(-(-len(chosen) // _PART) * _PART)
        counted[: len(chosen)] = weights[chosen]
        lags = lags.reshape(1 + taps, -1, _PART).transpose(1, 0, 2)
        equations = np.matmul(lags * counted.reshape(-1, 1, _PART), lags.transpose(0, 2, 1)).sum(axis=0)
    if not same:
        factors = np.zeros(rows[0][0].shape)
        factors.ravel()[: len(residual)] = residual * weights
        own, *others = (_lag_sums(factors, source) for source in rows)
        equations[0, 1:] = 0
        equations[1:, 0] = np.concatenate([own[1:], *(sums[:REFERENCE_TAPS] for sums in others)])
    some = float(weights[chosen].sum())
    return equations, (some if same else float(weights.sum()), some)


def _lags(rows: list[tuple[np.ndarray, np.ndarray]], residual: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the residual and all that predicts it at some frames, with zeros behind the last one."""
    lags = np.zeros((1 + ORDER + REFERENCE_TAPS * (len(rows) - 1), -(-len(chosen) // _PART) * _PART))
    lags[0, : len(chosen)] = residual[chosen]
    row = 1
    for source in rows:
        values = np.concatenate([source[0][0], source[1].ravel()])
        for lag in range(1, ORDER + 1) if source is rows[0] else range(REFERENCE_TAPS):
            values.take(chosen + (ORDER - lag), out=lags[row, : len(chosen)], mode="clip")
            row += 1
    return lags
