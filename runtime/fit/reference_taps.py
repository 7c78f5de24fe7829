"""Reference channels of a chunk's channels, and their taps: where they save more bits than they cost.

Reproducible on every machine (see `least_squares.py` and `correlation.py`).
"""

from __future__ import annotations

import numpy as np

from ..predictor import input_arithmetic
from ..predictor.channel_parameters import (
    CORRELATION_UNIT,
    ORDER,
    REFERENCE_TAPS,
    REFERENCES,
    SideInformation,
)
from .correlation import correlate, to_white
from .least_squares import moments, residual_of, solve, spacing
from .prediction_order import PredictionOrder, find_order
from .signals import Signals

_WHITE_FRAMES, _WHITE_BLOCK = 1 << 14, 1 << 11
"""Frames that are correlated, in blocks."""
_CHANCE = 5.0
"""Correlations count from so many standard deviations of chance on."""
_LAG = 1
_REFERENCE_BITS = 48
"""Side information of one reference channel, about."""
_THINNED = 1 << 12
"""Rows that do for the first of two fits, whose residuals give the weights of the second."""
_FEW_CHANNELS = 16
"""Chunks of more channels are fitted on every eighth frame instead of every second: 0.0010 bit for 30 ns a sample."""
_COST_BLOCK, _COST_FLOOR = 16, 16
"""Samples whose mean residual tells what they cost, and Q6 units that are added to it."""


def order_of(signals: Signals, own: np.ndarray) -> PredictionOrder:
    """Return a prediction order by the residuals of the channels' own predictors, float64 [channels, 16]."""
    frames = len(signals.signals[0]) - ORDER
    blocks = max(1, min(_WHITE_FRAMES, frames) // _WHITE_BLOCK)
    length = min(_WHITE_BLOCK, frames) if blocks > 1 else frames
    starts = [(frames - length) * i // max(blocks - 1, 1) for i in range(blocks)]
    rows = np.empty((len(signals), blocks * length), np.float32)
    for row, signal, coefficients in zip(rows, signals.signals, own, strict=True):
        parts = [signal[start : start + length + ORDER] for start in starts]
        row[:] = to_white(np.concatenate([residual_of(part, coefficients) for part in parts]))
    correlation, _ = correlate(rows, _LAG)
    correlation[np.abs(correlation) < _CHANCE / np.sqrt(rows.shape[1])] = 0
    return find_order(correlation)


def fit_references(
    side: SideInformation, signals: Signals, order: PredictionOrder, own: np.ndarray, error: np.ndarray
) -> np.ndarray:
    """Fill in references, and their taps (as floats), where they save bits.

    Parameters
    ----------
    order : PredictionOrder of the channels of `signals`
    own : float64 [channels, 16], coefficients without references
    error : float64 [channels], mean absolute residuals of these

    Returns
    -------
    float64 [channels], mean absolute residuals
    """
    error = error.copy()
    side.reference_taps = side.reference_taps.astype(np.float64)
    channels = np.flatnonzero((order.references >= 0).any(axis=1))
    total, weight = _normal_equations(signals, order, own[channels], error[channels], channels)
    frames = len(signals.signals[0]) - ORDER
    used, coefficients, gain = _worthwhile(total, weight, order.references[channels] >= 0, frames)
    for row, channel in enumerate(channels.tolist()):
        chosen = np.flatnonzero(used[row])
        others = _reference_signals(signals, order, channel)
        if len(chosen) and _pays(
            signals.signals[channel], others, signals.q6[channel], own[channel], coefficients[row]
        ):
            _set_references(side, signals, order, channel, chosen, coefficients[row])
            error[channel] *= gain[row]
    return error


def _normal_equations(
    signals: Signals, order: PredictionOrder, own: np.ndarray, error: np.ndarray, channels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the moments of some channels with all their references, and sums of weights."""
    frames = len(signals.signals[0]) - ORDER
    step = spacing(frames, 2 if len(order.level) <= _FEW_CHANNELS else 8)
    size = 1 + ORDER + REFERENCES * REFERENCE_TAPS
    start = np.concatenate([own, np.zeros((len(own), REFERENCES * REFERENCE_TAPS))], axis=1)
    passes = (4 * step, step) if frames >= _THINNED * 4 * step else (step, step)
    for step in passes:
        total, weight = np.zeros((len(channels), size, size)), np.ones(len(channels))
        for row, channel in enumerate(channels):
            others = _reference_signals(signals, order, channel)
            taps = ORDER + REFERENCE_TAPS * len(others)
            found = moments(signals.signals[channel], others, step, start[row, :taps], float(error[row]))
            total[row, : taps + 1, : taps + 1], weight[row], error[row] = found
        start, _ = solve(total, weight)
        error = np.maximum(error, 1 / 64)
    return total, weight


def _set_references(
    side: SideInformation,
    signals: Signals,
    order: PredictionOrder,
    channel: int,
    chosen: np.ndarray,
    coefficients: np.ndarray,
) -> None:
    """Write what was found for a channel into the side information; taps in units of the references' Q6."""
    number, among = signals.numbers[channel], order.references[channel, chosen]
    side.coefficients[number] = coefficients[:ORDER]
    side.references[number, : len(chosen)] = signals.numbers[among]
    correlation = np.rint(order.correlation[channel, chosen] * CORRELATION_UNIT)
    side.correlation[number, : len(chosen)] = np.clip(correlation, -CORRELATION_UNIT, CORRELATION_UNIT - 1)
    taps = coefficients[ORDER:].reshape(REFERENCES, REFERENCE_TAPS)[chosen]
    side.reference_taps[number, : len(chosen)] = taps * (signals.q6[channel] / signals.q6[among])[:, None]


def _reference_signals(signals: Signals, order: PredictionOrder, channel: int) -> list[np.ndarray]:
    """Return the signals of a channel's references."""
    return [signals.signals[reference] for reference in order.references[channel] if reference >= 0]


def _pays(signal: np.ndarray, others: list[np.ndarray], q6: float, own: np.ndarray, both: np.ndarray) -> bool:
    """Return whether references make a channel's residuals cheaper, by their logarithm in blocks."""
    costs = []
    for sources, coefficients in (([], own), (others, both)):
        size = np.abs(residual_of(signal, coefficients, sources)) * q6
        blocks = size[: len(size) - len(size) % _COST_BLOCK].reshape(-1, _COST_BLOCK).sum(axis=1) / _COST_BLOCK
        means = (
            np.clip(blocks + _COST_FLOOR, 1, input_arithmetic.MAX_MAGNITUDE).astype(np.int32)
            << input_arithmetic.MEAN_BITS
        )
        costs.append(int(input_arithmetic.log_means(means).sum(dtype=np.int64)) * _COST_BLOCK / 16)
    return costs[0] - costs[1] > _REFERENCE_BITS


def _worthwhile(
    total: np.ndarray, weight: np.ndarray, there: np.ndarray, frames: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Drop references, the least useful first, while they save less than their side information.

    Returns which references stay (bool [channels, 4]), the coefficients, and by what factor residuals shrink.
    """

    def solved(used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        taps = np.concatenate([np.ones((len(used), ORDER), bool), np.repeat(used, REFERENCE_TAPS, axis=1)], axis=1)
        coefficients, variance = solve(total, weight, taps)
        return coefficients, np.maximum(variance, 1e-3)

    used = there.copy()
    coefficients, variance = solved(used)
    for _ in range(REFERENCES):
        loss = np.full(used.shape, np.inf)
        for number in range(REFERENCES):
            without = used.copy()
            without[:, number] = False
            loss[:, number] = np.where(used[:, number], frames / 2 * np.log2(solved(without)[1] / variance), np.inf)
        worst = loss.argmin(axis=1)
        drop = loss[np.arange(len(used)), worst] < _REFERENCE_BITS
        if not drop.any():
            break
        used[drop, worst[drop]] = False
        coefficients, variance = solved(used)
    return used, coefficients, np.sqrt(variance / solved(np.zeros_like(used))[1])
