"""Which channels of a chunk hear which others, and with what coefficients: where it saves more than it costs.

Reproducible on every machine (see `least_squares.py` and `correlation.py`). A decoder needs none of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..predictor import features
from ..predictor.channel_parameters import CORRELATION_UNIT, ORDER, REFERENCE_TAPS, REFERENCES, SideInformation
from .correlation import correlate, to_white
from .least_squares import moments, solve, spacing
from .prediction_order import Arrangement, arrange

_WHITE_FRAMES, _WHITE_BLOCK = 1 << 14, 1 << 11
"""Frames that tell which channels belong together, in blocks."""
_CHANCE = 5.0
"""Correlations count from so many deviations of chance on."""
_LAG = 1
_REFERENCE_BITS = 48
"""Side information of one peer, about."""
_THINNED = 1 << 12
"""Rows that do for the first of two fits with peers, whose residuals give the weights of the second."""
_FEW_CHANNELS = 16
"""Chunks of more channels are fitted on every eighth frame instead of every second: 0.0010 bit for 30 ns a sample."""
_COST_BLOCK, _COST_FLOOR = 16, 16
"""Samples whose mean residual tells what they cost, and Q6 units that are added to it."""


@dataclass
class Channels:
    """Channels that are coded, in order: their numbers, signals, Q6 units per unit of a signal, and what one step of the
    coded values is in that unit."""

    numbers: np.ndarray
    signals: list[np.ndarray]
    q6: np.ndarray
    bins: np.ndarray


def found(channels: Channels, coefficients: np.ndarray) -> Arrangement:
    """Order levels and peers from the residuals of the channels' own predictors."""
    frames = len(channels.signals[0]) - ORDER
    blocks = max(1, min(_WHITE_FRAMES, frames) // _WHITE_BLOCK)
    length = min(_WHITE_BLOCK, frames) if blocks > 1 else frames
    starts = [(frames - length) * i // max(blocks - 1, 1) for i in range(blocks)]
    rows = np.empty((len(channels.signals), blocks * length), np.float32)
    for row, signal, own in zip(rows, channels.signals, coefficients, strict=True):
        parts = [signal[start : start + length + ORDER] for start in starts]
        row[:] = to_white(np.concatenate([_residual(part, own) for part in parts]))
    found, _ = correlate(rows, _LAG)
    found[np.abs(found) < _CHANCE / np.sqrt(rows.shape[1])] = 0
    return arrange(found, past=True)


def _residual(signal: np.ndarray, coefficients: np.ndarray, heard: Sequence[np.ndarray] = ()) -> np.ndarray:
    """What a linear predictor leaves: coefficients for 16 own samples, then for four of each channel that is heard."""
    signal, *heard = (source.astype(np.float64) for source in (signal, *heard))
    taps = [(signal, delay) for delay in range(1, ORDER + 1)]
    taps += [(other, delay) for other in heard for delay in range(REFERENCE_TAPS)]
    total, product = np.full(len(signal) - ORDER, 512.0), np.empty(len(signal) - ORDER)
    for coefficient, (source, delay) in zip(coefficients.tolist(), taps):
        total += np.multiply(source[ORDER - delay : len(source) - delay], coefficient, out=product)
    return signal[ORDER:] - np.floor(total / 1024)


def restricted(topology: Arrangement, numbers: np.ndarray) -> Arrangement:
    """A recording's arrangement for those of its channels that are coded."""
    place = np.full(len(topology.order_level) + 1, -1, np.int64)
    place[numbers] = np.arange(len(numbers))
    references = place[topology.references[numbers]]
    return Arrangement(
        topology.order_level[numbers], references, np.where(references >= 0, topology.correlation[numbers], 0)
    )


def hear_references(
    side: SideInformation, channels: Channels, arrangement: Arrangement, own: np.ndarray, error: np.ndarray
) -> np.ndarray:
    """Let channels hear peers where that pays; mean absolute residuals."""
    error = error.copy()
    side.reference_taps = side.reference_taps.astype(np.float64)  # until grids are known
    side.order_level[channels.numbers] = arrangement.order_level
    listeners = np.flatnonzero((arrangement.references >= 0).any(axis=1))
    frames = len(channels.signals[0]) - ORDER
    step = spacing(frames, 2 if len(side.kind) <= _FEW_CHANNELS else 8)
    size = 1 + ORDER + REFERENCES * REFERENCE_TAPS
    start = np.concatenate([own, np.zeros((len(own), REFERENCES * REFERENCE_TAPS))], axis=1)[listeners]
    sizes = error[listeners]
    there = arrangement.references[listeners] >= 0
    passes = (4 * step, step) if frames >= _THINNED * 4 * step else (step, step)
    for step in passes:
        total, weight = np.zeros((len(listeners), size, size)), np.ones(len(listeners))
        for row, channel in enumerate(listeners):
            heard = _heard(channels, arrangement, channel)
            taps = ORDER + REFERENCE_TAPS * len(heard)
            found = moments(channels.signals[channel], heard, step, start[row, :taps], float(sizes[row]))
            total[row, : taps + 1, : taps + 1], weight[row], sizes[row] = found
        start, variance = solve(total, weight)
        sizes = np.maximum(sizes, 1 / 64)
    used, coefficients, before, after = _worthwhile(total, weight, there, frames)
    for row, channel in enumerate(listeners):
        references = np.flatnonzero(used[row])
        heard = _heard(channels, arrangement, channel)
        if not len(references) or not _pays(
            channels.signals[channel], heard, channels.q6[channel], own[channel], coefficients[row]
        ):
            continue
        number, among = channels.numbers[channel], arrangement.references[channel, references]
        side.coefficients[number] = coefficients[row, :ORDER]
        side.references[number, : len(references)] = channels.numbers[among]
        metric = np.rint(arrangement.correlation[channel, references] * CORRELATION_UNIT)
        side.correlation[number, : len(references)] = np.clip(metric, -CORRELATION_UNIT, CORRELATION_UNIT - 1)
        scale = (channels.q6[channel] / channels.q6[among])[:, None]
        heard = coefficients[row, ORDER:].reshape(REFERENCES, REFERENCE_TAPS)[references]
        side.reference_taps[number, : len(references)] = heard * scale
        error[channel] *= np.sqrt(after[row] / max(before[row], 1e-9))
    return error


def settle_order_levels(side: SideInformation) -> None:
    """Channels that hear nobody are of order level 0, unless one of a higher order level hears them a step late: it must go on so."""
    listener, number = np.nonzero(side.references >= 0)
    reference = side.references[listener, number]
    late = reference[(side.order_level[reference] >= side.order_level[listener]) & (side.order_level[listener] > 0)]
    free = (side.references < 0).all(axis=1)
    free[late] = False
    side.order_level[free] = 0


def _heard(channels: Channels, arrangement: Arrangement, channel: int) -> list[np.ndarray]:
    """Signals of a channel's peers, those that it hears only up to the last step a step late."""
    references = [reference for reference in arrangement.references[channel] if reference >= 0]
    late = [arrangement.order_level[reference] >= arrangement.order_level[channel] for reference in references]
    signals = [channels.signals[reference] for reference in references]
    return [np.concatenate([other[:1], other[:-1]]) if wait else other for other, wait in zip(signals, late)]


def _pays(signal: np.ndarray, heard: list[np.ndarray], q6: float, own: np.ndarray, both: np.ndarray) -> bool:
    """Whether a channel's residuals cost less if it hears others, by their logarithm in blocks."""
    costs = []
    for others, coefficients in (([], own), (heard, both)):
        size = np.abs(_residual(signal, coefficients, others)) * q6
        blocks = size[: len(size) - len(size) % _COST_BLOCK].reshape(-1, _COST_BLOCK).sum(axis=1) / _COST_BLOCK
        means = np.clip(blocks + _COST_FLOOR, 1, features.MAX_MAGNITUDE).astype(np.int32) << features.MEAN_BITS
        costs.append(int(features.log_means(means).sum(dtype=np.int64)) * _COST_BLOCK / 16)
    return costs[0] - costs[1] > _REFERENCE_BITS


def _worthwhile(total: np.ndarray, weight: np.ndarray, there: np.ndarray, frames: int) -> tuple[np.ndarray, ...]:
    """Drop peers, the least useful first, while they save less than their side information.

    Returns which peers stay (bool [channels, 4]), the coefficients, and the variance with own past only and with peers.
    """

    def solved(used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        predictors = np.concatenate(
            [np.ones((len(used), ORDER), bool), np.repeat(used, REFERENCE_TAPS, axis=1)], axis=1
        )
        coefficients, variance = solve(total, weight, predictors)
        return coefficients, np.maximum(variance, 1e-3)

    used = there.copy()
    coefficients, variance = solved(used)
    for _ in range(REFERENCES):
        loss = np.full(used.shape, np.inf)
        for reference in range(REFERENCES):
            without = used.copy()
            without[:, reference] = False
            loss[:, reference] = np.where(
                used[:, reference], frames / 2 * np.log2(solved(without)[1] / variance), np.inf
            )
        worst = loss.argmin(axis=1)
        drop = loss[np.arange(len(used)), worst] < _REFERENCE_BITS
        if not drop.any():
            break
        used[drop, worst[drop]] = False
        coefficients, variance = solved(used)
    return used, coefficients, solved(np.zeros_like(used))[1], variance
