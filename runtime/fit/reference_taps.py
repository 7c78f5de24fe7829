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
from .correlation import lagged, largest, to_white
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


def order_of(signals: Signals, own: np.ndarray, error: np.ndarray) -> PredictionOrder:
    """Return a prediction order by the residuals of the channels' own predictors.

    Parameters
    ----------
    own : float64 [channels, 16]
    error : float64 [channels], mean absolute residuals
    """
    frames = len(signals.signals[0]) - ORDER
    blocks = max(1, min(_WHITE_FRAMES, frames) // _WHITE_BLOCK)
    length = min(_WHITE_BLOCK, frames) if blocks > 1 else frames
    starts = [(frames - length) * i // max(blocks - 1, 1) for i in range(blocks)]
    rows = np.empty((len(signals), blocks * length), np.int8)
    for row, signal, coefficients in zip(rows, signals.signals, own, strict=True):
        parts = [signal[start : start + length + ORDER] for start in starts]
        row[:] = to_white(np.concatenate([residual_of(part, coefficients) for part in parts]))
    found = lagged(rows, _LAG)
    for part in found:
        part[np.abs(part) < _CHANCE / np.sqrt(rows.shape[1])] = 0
    correlation = largest(found)[0]
    if len(signals) <= 1 + REFERENCES:
        return find_order(_explained(signals, own, error), correlation)
    return find_order(sum(np.square(part) for part in found), correlation)


def _explained(signals: Signals, own: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return what each other channel saves of each channel's bits, as a share of the variance, for few channels."""
    count, frames = len(signals), len(signals.signals[0]) - ORDER
    others = np.array([[j for j in range(count) if j != i] for i in range(count)])
    references = np.full((count, REFERENCES), -1)
    references[:, : count - 1] = others
    everyone = PredictionOrder(np.zeros(count, np.int64), references, np.zeros(references.shape))
    total, weight = _normal_equations(signals, everyone, own, error.copy(), np.arange(count))
    share = np.zeros((count, count))
    for number in range(count - 1):
        alone = np.tile(np.arange(REFERENCES) == number, (count, 1))
        used, coefficients, _ = _worthwhile(total, weight, alone, frames)
        for channel in np.flatnonzero(used[:, number]).tolist():
            taps = coefficients[channel, : ORDER + (number + 1) * REFERENCE_TAPS]
            saved = _saved_bits(signals, channel, references[channel, : number + 1], own[channel], taps)
            share[channel, others[channel, number]] = max(1 - 2.0 ** (-2 * saved / frames), 0)
    return share


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
        among = order.references[channel]
        if len(chosen) and _saved_bits(signals, channel, among, own[channel], coefficients[row]) > _REFERENCE_BITS:
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
            others = _reference_signals(signals, order.references[channel])
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


def _reference_signals(signals: Signals, references: np.ndarray) -> list[np.ndarray]:
    """Return the signals of a channel's references."""
    return [signals.signals[reference] for reference in references if reference >= 0]


def _saved_bits(signals: Signals, channel: int, references: np.ndarray, own: np.ndarray, both: np.ndarray) -> float:
    """Return what references save of the bits of a channel's residuals, by their logarithm in blocks."""
    signal, others, costs = signals.signals[channel], _reference_signals(signals, references), []
    for sources, coefficients in (([], own), (others, both)):
        size = np.abs(residual_of(signal, coefficients, sources)) * signals.q6[channel]
        blocks = size[: len(size) - len(size) % _COST_BLOCK].reshape(-1, _COST_BLOCK).sum(axis=1) / _COST_BLOCK
        means = (
            np.clip(blocks + _COST_FLOOR, 1, input_arithmetic.MAX_MAGNITUDE).astype(np.int32)
            << input_arithmetic.MEAN_BITS
        )
        costs.append(int(input_arithmetic.log_means(means).sum(dtype=np.int64)) * _COST_BLOCK / 16)
    return costs[0] - costs[1]


def _worthwhile(
    total: np.ndarray, weight: np.ndarray, there: np.ndarray, frames: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Drop references, the least useful first, while they save less than their side information.

    Returns which references stay (bool [channels, 4]), the coefficients, and by what factor residuals shrink.
    """
    used = there.copy()
    coefficients, variance = _solved(total, weight, used)
    for _ in range(REFERENCES):
        loss = np.full(used.shape, np.inf)
        for number in range(REFERENCES):
            without = used.copy()
            without[:, number] = False
            loss[:, number] = np.where(
                used[:, number], frames / 2 * np.log2(_solved(total, weight, without)[1] / variance), np.inf
            )
        worst = loss.argmin(axis=1)
        drop = loss[np.arange(len(used)), worst] < _REFERENCE_BITS
        if not drop.any():
            break
        used[drop, worst[drop]] = False
        coefficients, variance = _solved(total, weight, used)
    return used, coefficients, np.sqrt(variance / _solved(total, weight, np.zeros_like(used))[1])


def _solved(total: np.ndarray, weight: np.ndarray, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients with some references only (bool [channels, 4] or [4]), and the variance that they leave."""
    used = np.broadcast_to(used, (len(total), REFERENCES))
    taps = np.concatenate([np.ones((len(used), ORDER), bool), np.repeat(used, REFERENCE_TAPS, axis=1)], axis=1)
    coefficients, variance = solve(total, weight, taps)
    return coefficients, np.maximum(variance, 1e-3)
