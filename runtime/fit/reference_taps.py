"""Reference channels of a chunk's channels, and their taps: where they save more bits than they cost.

Reproducible on every machine (see `weighted_sums.py`, `least_squares.py` and `correlation.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..core.threads import check_stop
from ..predictor.channel_parameters import (
    CORRELATION_UNIT,
    ORDER,
    REFERENCE_TAPS,
    REFERENCES,
    SideInformation,
)
from .correlation import lagged, largest, white_rows
from .engine import loops
from .least_squares import RIDGE, eliminate, keep_only, system_of
from .own_predictor import LEAST_ERROR, cost_floor
from .prediction_order import PredictionOrder, find_order
from .signals import Signals, equal_parts
from .weighted_sums import Predictors, Sums, step_from, weighted_sums

_WHITE_SAMPLES, _WHITE_FRAMES = 1 << 20, (1 << 13, 1 << 14)
"""Samples that are correlated, within so many frames."""
_MOST_CHANNELS = 1024
"""Channels that are looked at together: memory grows by the square of their number."""
_CHANCE = 5.0
"""Correlations count from so many standard deviations of chance on."""
_LAG = 1
_REFERENCE_BITS = 48
"""Side information of one reference channel, about."""
_LEAST_ROWS, _MOST_SPACING = 1 << 12, 8
"""So many frames give the curvature, if there are as many; the slope comes from all frames."""
LEAST_SHARE = 1e-3


def order_of(signals: Signals, own: np.ndarray, error: np.ndarray) -> PredictionOrder:
    """Return a prediction order by the residuals of the channels' own predictors; of very many, of each part alone.

    Parameters
    ----------
    own : float64 [channels, 16]
    error : float64 [channels], mean absolute residuals
    """
    parts = equal_parts(len(signals), _MOST_CHANNELS)
    found = [_order_of(signals.part(some), own[some], error[some]) for some in parts]
    references = [np.where(o.references >= 0, o.references + some.start, -1) for o, some in zip(found, parts)]
    return PredictionOrder(
        np.concatenate([order.level for order in found]),
        np.concatenate(references),
        np.concatenate([order.correlation for order in found]),
    )


def _order_of(signals: Signals, own: np.ndarray, error: np.ndarray) -> PredictionOrder:
    check_stop()
    most = int(np.clip(_WHITE_SAMPLES // len(signals), *_WHITE_FRAMES))
    rows = white_rows(signals.signals, own, most)
    found = lagged(rows, _LAG)
    for part in found:
        part[np.abs(part) < _CHANCE / np.sqrt(rows.shape[1])] = 0
    del rows
    correlation = largest(found)[0]
    if len(signals) <= 1 + REFERENCES:
        return find_order(_explained(signals, own, error), correlation)
    power = np.square(found, out=found).sum(axis=0)
    del found
    return find_order(power, correlation)


def _explained(signals: Signals, own: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return what each other channel saves of each channel's bits, as a share of the variance, for few channels."""
    count = len(signals)
    channels, share = np.arange(count), np.zeros((count, count))
    references = np.full((count, REFERENCES), -1)
    references[:, : count - 1] = [[j for j in range(count) if j != i] for i in range(count)]
    start = _predictors(signals, channels, references, own, error)
    sums = _some_sums(signals, start)
    for number in range(count - 1):
        alone = np.tile(np.arange(REFERENCES) == number, (count, 1))
        used, _ = references_kept(sums.equations, sums.weight, alone, _limit(signals.frames))
        moved = step_from(start, sums, _taps(used))
        after = weighted_sums(signals.signals, replace(start, coefficients=moved))
        saved = np.where(used[:, number], sums.cost - after.cost, 0)
        share[channels, references[:, number]] = np.maximum(1 - 2.0 ** (-2 * saved / signals.frames), 0)
    return share


def fit_references(
    side: SideInformation,
    signals: Signals,
    order: PredictionOrder,
    own: np.ndarray,
    error: np.ndarray,
    more_bits: np.ndarray | None = None,
) -> np.ndarray:
    """Fill in references and their taps (as floats), where they save bits.

    Parameters
    ----------
    order : PredictionOrder of the channels of `signals`
    own : float64 [channels, 16], coefficients without references
    error : float64 [channels], mean absolute residuals of these
    more_bits : float64 [channels], what references must save beyond what they take; none by default

    Returns
    -------
    float64 [channels], mean absolute residuals
    """
    error, least = error.copy(), np.zeros(len(signals)) if more_bits is None else more_bits
    side.reference_taps = side.reference_taps.astype(np.float64)
    channels = np.flatnonzero((order.references >= 0).any(axis=1))
    for part in equal_parts(len(channels), _MOST_CHANNELS):
        check_stop()
        some = channels[part]
        start = _predictors(signals, some, order.references[some], own[some], error[some])
        _fit_some(side, signals, order, start, error, least)
    return error


def _fit_some(
    side: SideInformation,
    signals: Signals,
    order: PredictionOrder,
    start: Predictors,
    error: np.ndarray,
    least: np.ndarray,
) -> None:
    """Fit references of some channels from coefficients without; `error` is updated."""
    sums = _some_sums(signals, start)
    kept, share = references_kept(sums.equations, sums.weight, start.references >= 0, _limit(signals.frames))
    some = np.flatnonzero(kept.any(axis=1))
    start, sums, kept = start.take(some), sums.take(some), kept[some]
    moved, size, cost = _moved(signals, start, sums, kept, share[some])
    better = np.flatnonzero(sums.cost - cost > _REFERENCE_BITS + least[start.channel])
    error[start.channel[better]] = np.maximum(size[better], LEAST_ERROR)
    _set_references(side, signals, order, start.take(better), moved[better], kept[better])


def references_kept(
    total: np.ndarray, weight: np.ndarray, there: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Drop references, the least useful first, while the variance grows by less than a factor `limit` without them.

    Parameters
    ----------
    total : float64 [channels, 33, 33], as for `solve`
    weight : float64 [channels]
    there : bool [channels, 4]

    Returns
    -------
    bool [channels, 4], which references stay; float64 [channels], the share of the variance that is left with them
    """
    if (fast := loops("solve")) is not None:
        return fast.references_kept(total, weight, there, RIDGE, limit)
    system, least = system_of(total, weight), LEAST_SHARE * weight
    own = total[:, 0, 0] - eliminate(system, ORDER)
    rest = system[:, ORDER:, ORDER:]

    def left(used: np.ndarray) -> np.ndarray:
        some = rest.copy()
        keep_only(some, np.repeat(used, REFERENCE_TAPS, axis=1))
        return np.maximum(own - eliminate(some, some.shape[1]), least)

    kept = there.copy()
    now = left(kept)
    for _ in range(REFERENCES):
        without = np.full(kept.shape, np.inf)
        for number in range(REFERENCES):
            some = kept.copy()
            some[:, number] = False
            without[:, number] = np.where(kept[:, number], left(some), np.inf)
        worst, best = without.argmin(axis=1), without.min(axis=1)
        drop = best < now * limit
        kept[drop, worst[drop]] = False
        now = np.where(drop, best, now)
        if not drop.any():
            break
    return kept, now / np.maximum(own, least)


def _moved(
    signals: Signals, start: Predictors, sums: Sums, kept: np.ndarray, share: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solve the equations of some of the frames, then go one more step by the residuals of all.

    Where that step makes residuals dearer, some frames are no picture of all: then the equations of all are solved.

    Returns coefficients, mean absolute residuals and costs.
    """
    taps = _taps(kept)
    error = np.maximum(start.error * np.sqrt(share), LEAST_ERROR)
    now = replace(start, coefficients=step_from(start, sums, taps), error=error)
    slope = weighted_sums(signals.signals, now, 0, 1)
    curvature = sums.equations[:, 1:, 1:] * (slope.weight / sums.weight)[:, None, None]
    slope.equations[:, 1:, 1:] = curvature
    then = replace(now, coefficients=step_from(now, slope, taps))
    after = weighted_sums(signals.signals, then)
    best = _Best(now.coefficients, slope.size, slope.cost)
    worse = ~best.take(then.coefficients, after, np.arange(len(taps)))
    if len(worse := np.flatnonzero(worse)):
        start = start.take(worse)
        full = weighted_sums(signals.signals, start, 1, 1)
        start = replace(start, coefficients=step_from(start, full, taps[worse]))
        best.take(start.coefficients, weighted_sums(signals.signals, start), worse)
    return best.coefficients, best.size, best.cost


@dataclass
class _Best:
    """The cheapest coefficients of each channel so far, their mean absolute residuals, and their costs."""

    coefficients: np.ndarray
    size: np.ndarray
    cost: np.ndarray

    def take(self, coefficients: np.ndarray, sums: Sums, channels: np.ndarray) -> np.ndarray:
        """Take those of some channels that are cheaper; returns which, bool."""
        cheaper = sums.cost < self.cost[channels]
        some = channels[cheaper]
        self.coefficients[some], self.size[some] = coefficients[cheaper], sums.size[cheaper]
        self.cost[some] = sums.cost[cheaper]
        return cheaper


def _predictors(
    signals: Signals, channels: np.ndarray, references: np.ndarray, own: np.ndarray, error: np.ndarray
) -> Predictors:
    coefficients = np.concatenate([own, np.zeros((len(own), REFERENCES * REFERENCE_TAPS))], axis=1)
    return Predictors(channels, references, coefficients, error, cost_floor(signals.bins)[channels])


def _some_sums(signals: Signals, predictors: Predictors) -> Sums:
    """Return the sums over one frame of some, for all frames where there are few."""
    step = 1 << int(np.clip(signals.frames // _LEAST_ROWS, 1, _MOST_SPACING)).bit_length() - 1
    return weighted_sums(signals.signals, predictors, step, step)


def _limit(frames: int) -> float:
    return 2.0 ** (2 * _REFERENCE_BITS / frames)


def _taps(kept: np.ndarray) -> np.ndarray:
    """Return which predictors take part with some references only, bool [channels, 32]."""
    return np.concatenate([np.ones((len(kept), ORDER), bool), np.repeat(kept, REFERENCE_TAPS, axis=1)], axis=1)


def _set_references(
    side: SideInformation,
    signals: Signals,
    order: PredictionOrder,
    found: Predictors,
    coefficients: np.ndarray,
    kept: np.ndarray,
) -> None:
    """Write what was found into the side information; taps in units of the references' Q6."""
    for channel, references, row, some in zip(found.channel, found.references, coefficients, kept, strict=True):
        number, among, count = signals.numbers[channel], references[some], int(some.sum())
        side.coefficients[number] = row[:ORDER]
        side.references[number, :count] = signals.numbers[among]
        correlation = np.rint(order.correlation[channel, some] * CORRELATION_UNIT)
        side.correlation[number, :count] = np.clip(correlation, -CORRELATION_UNIT, CORRELATION_UNIT - 1)
        taps = row[ORDER:].reshape(REFERENCES, REFERENCE_TAPS)[some]
        side.reference_taps[number, :count] = taps * (signals.q6[channel] / signals.q6[among])[:, None]
