"""What linear prediction across channels saves on the half of a recording that it was not fitted to.

Per channel: order 16 over its own past, against the same with four taps of each of four peers, the present one included
where the order of coding allows it. Weighted least squares, weights by the variance of the own residuals in blocks;
saved bits are 0.5 log2 of the ratio of variances, block by block, so that a transient counts as the samples that it
lasts. Each half is predicted by the fit to the other one. Floats: this is a yardstick, no part of the codec.
"""

from __future__ import annotations

import numpy as np

from runtime.fit.correlation import correlate, whiten
from runtime.fit.prediction_order import forward_selection

ORDER, REFERENCES, TAPS = 16, 4, 4
_BLOCK = 256
_LAG = 1
_CHANCE = 5.0
_CANDIDATES = 24
_ROUNDING = 1 / 12
"""Variance of what whole numbers leave out, added to that of every block."""
_LONGEST = 1 << 16
"""Frames of a recording that are looked at."""


def linear_bound(samples: np.ndarray, order_levels: tuple[int | None, ...] = (2, 4, None)) -> list[float]:
    """Bits per sample that peers save, for so many order levels each; None: one channel after the other.

    Parameters
    ----------
    samples : int [time, channel]
    """
    samples = samples[:_LONGEST].astype(np.float64)
    half = len(samples) // 2
    halves = samples[:half], samples[half : 2 * half]
    saved = np.zeros(len(order_levels))
    for fitted, held in (halves, halves[::-1]):
        correlation = _correlation(fitted)
        for number, count in enumerate(order_levels):
            saved[number] += _saved(fitted, held, _references(correlation, count)) / 2
    return saved.tolist()


def _correlation(samples: np.ndarray) -> np.ndarray:
    rows = np.stack([whiten(column.astype(np.int16)) for column in samples.T])
    found = correlate(rows, _LAG)[0]
    found[np.abs(found) < _CHANCE / np.sqrt(rows.shape[1])] = 0
    np.fill_diagonal(found, 1)
    return found


def _saved(fitted: np.ndarray, held: np.ndarray, heard: np.ndarray) -> float:
    """Mean over all channels of the bits that they save."""
    total = 0.0
    for channel, references in enumerate(heard):
        references = references[references >= 0]
        if not len(references):
            continue
        own = _fit(_rows(fitted, channel, []), np.ones(len(fitted) - ORDER))
        weights = 1 / _variances(_residuals(_rows(fitted, channel, []), own), 1)
        own = _fit(_rows(fitted, channel, []), weights)
        both = _fit(_rows(fitted, channel, references), weights)
        before = _variances(_residuals(_rows(held, channel, []), own))
        after = _variances(_residuals(_rows(held, channel, references), both))
        total += max(0.5 * float(np.log2(before / after).mean()), 0.0)
    return total / len(heard)


def _rows(samples: np.ndarray, channel: int, references: np.ndarray | list) -> np.ndarray:
    """A sample and its predictors, [1 + n, time]."""
    frames = len(samples)
    delays = [(channel, delay) for delay in range(ORDER + 1)] + [
        (reference, delay) for reference in references for delay in range(TAPS)
    ]
    rows = np.stack([samples[ORDER - delay : frames - delay, source] for source, delay in delays])
    return rows - rows.mean(axis=1, keepdims=True)


def _fit(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    moments = (rows * weights) @ rows.T
    ridge = np.eye(len(rows) - 1) * (1e-6 * np.trace(moments) / len(rows) + 1e-9)
    return np.linalg.solve(moments[1:, 1:] + ridge, moments[1:, 0])


def _residuals(rows: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    return rows[0] - coefficients @ rows[1:]


def _variances(residuals: np.ndarray, repeat: int = 0) -> np.ndarray:
    """Variance of each block; with `repeat`, for every sample that of its block."""
    starts = np.arange(0, max(len(residuals) - _BLOCK // 2, 1), _BLOCK)
    lengths = np.diff(np.append(starts, len(residuals)))
    found = np.add.reduceat(residuals**2, starts) / lengths + _ROUNDING
    return np.repeat(found, lengths) if repeat else found


def _order(correlation: np.ndarray) -> list[int]:
    """Next always the channel from which all those behind it gain most."""
    power = np.square(correlation.astype(np.float64))
    np.fill_diagonal(power, 0)
    heard, left, order = np.zeros(len(power)), np.ones(len(power), bool), []
    for _ in range(len(power)):
        gain = np.maximum(power[:, left] - heard[left], 0).sum(axis=1)
        channel = int(np.where(left, gain, -1).argmax())
        order.append(channel)
        left[channel] = False
        heard = np.maximum(heard, power[channel])
    return order


def _references(correlation: np.ndarray, order_levels: int | None) -> np.ndarray:
    """Peers of each channel, int [channels, 4]: order levels double in size up to the last one, which is half of the channels."""
    order, channels = _order(correlation), len(correlation)
    references = np.full((channels, REFERENCES), -1)
    for place, channel in enumerate(order):
        before = place
        if order_levels is not None:
            cuts = [0] + [channels >> (order_levels - order_level) for order_level in range(1, order_levels)]
            before = max(cut for cut in cuts if cut <= place)
        chosen = _selection(correlation, channel, np.array(order[:before], int))
        references[channel, : len(chosen)] = chosen
    return references


def _selection(correlation: np.ndarray, channel: int, candidates: np.ndarray) -> list[int]:
    """The best candidate, then the best for what it leaves, and so on."""
    order = np.argsort(-np.abs(correlation[channel, candidates]), kind="stable")[:_CANDIDATES]
    return forward_selection(correlation, channel, candidates[order], REFERENCES)
