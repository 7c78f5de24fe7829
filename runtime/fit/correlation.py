"""Correlation of whitened channels within small lags, in sums of integers that are exact in any order."""

from __future__ import annotations

import numpy as np

from ..predictor.channel_parameters import ORDER
from .engine import loops
from .own_predictor import linear_predictor
from .signals import equal_parts, rounded_mean
from .weighted_sums import residuals

LAG = 4
"""Samples that shared activity may be apart: 0.2 ms."""
LIMIT = 31
"""Whitened samples are whole numbers up to here, which stands for four deviations."""
_CLIP = 4 * 1.25
"""Four deviations in mean absolute residuals."""
_PART = 1 << 11
"""Frames of a part of a signal."""
_CHANNELS, _STEPS, _PARTS = 48, 112, 8
"""Channels, steps and parts whose products are added up at once."""


def whiten(samples: np.ndarray) -> np.ndarray:
    """Residuals of a channel's linear predictor as whole numbers -31..31 (float32); zeros if it is flat.

    Parameters
    ----------
    samples : int16 [time]
    """
    values = samples.astype(np.int32)
    values -= np.int32(rounded_mean(values))
    if not values.any():
        return np.zeros(len(values), np.float32)
    total = values.astype(np.float64) * 1024
    for delay, coefficient in enumerate(linear_predictor(values)[0].tolist(), 1):
        total[delay:] -= coefficient * values[:-delay].astype(np.float64)
    return to_white(np.rint(total / 1024))


def to_white(residual: np.ndarray) -> np.ndarray:
    """Residuals (whole numbers) [..., time] scaled to their mean size, rounded and clipped; float32."""
    size = np.abs(residual).sum(axis=-1, keepdims=True) / residual.shape[-1]
    scale = LIMIT / (_CLIP * np.maximum(size, 1 / 64))
    return np.clip(np.rint(residual * scale), -LIMIT, LIMIT).astype(np.float32)


def correlate(rows: np.ndarray, lag: int = LAG) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of largest magnitude within `lag` samples, float32 [channels, channels], and its lag, int8.

    A positive lag at [i, j] means that channel i is that much later.

    Parameters
    ----------
    rows : float32 [channels, time]
        Of `whiten`.
    """
    found, lags = largest(lagged(rows, lag))
    return found.astype(np.float32), lags


def largest(later: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the correlation of largest magnitude and its lag as `correlate`, of what `lagged` gives."""
    most = len(later) - 1
    found, lags = later[most].T.copy(), np.full(later.shape[1:], -most, np.int8)
    for lag in range(1 - most, most + 1):
        values = later[-lag].T if lag < 0 else later[lag]
        larger = np.abs(values) > np.abs(found)
        found[larger], lags[larger] = values[larger], lag
    return found, lags


def lagged(rows: np.ndarray, lag: int) -> np.ndarray:
    """Correlation of each channel with each other one (by column) 0..lag samples before, float64 [lag + 1, channels,
    channels], of `rows` as for `correlate`; int8 will do."""
    channels, steps = rows.shape
    groups = equal_parts(channels, _CHANNELS)
    found = np.zeros((lag + 1, channels, channels))
    for first in range(0, steps, _STEPS * _PARTS):
        parts = min(_PARTS, -(-(steps - first) // _STEPS))
        now = _tiles(rows, first, parts, groups)
        for shift in range(lag + 1):
            before = now if shift == 0 else _tiles(rows, first - shift, parts, groups)
            for i, some in enumerate(groups):
                for j in range(len(groups)) if shift else range(i, len(groups)):
                    found[shift, some, groups[j]] += _products(now[i], before[j])
    for i, some in enumerate(groups):
        for others in groups[:i]:
            found[0, some, others] = found[0, others, some].T
    power = np.maximum(np.diagonal(found[0]), 1)
    found /= np.sqrt(power[:, None] * power)
    return found


def _tiles(rows: np.ndarray, first: int, parts: int, groups: list[slice]) -> list[np.ndarray]:
    """Return some steps of each group of channels in parts, float32 [parts, channels, steps], zeros beyond both ends:
    products of these are too small for BLAS to start threads, which would wait for each other on busy cores."""
    end, steps = first + parts * _STEPS, parts * _STEPS
    tiles = []
    for group in groups:
        some, tile = rows[group, max(first, 0) : end], np.zeros((group.stop - group.start, steps), np.float32)
        tile[:, max(-first, 0) : max(-first, 0) + some.shape[1]] = some
        tiles.append(np.ascontiguousarray(tile.reshape(-1, parts, _STEPS).transpose(1, 0, 2)))
    return tiles


def _products(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return sums of products over all parts, which are exact in float32."""
    return np.matmul(now, before.transpose(0, 2, 1)).sum(axis=0)


def white_rows(signals: np.ndarray, coefficients: np.ndarray, most: int) -> np.ndarray:
    """Whitened parts of all signals int16 [channels, 16 + frames] by their predictors float64 [channels, 16].

    Returns int8 [channels, time], `most` frames at the most, in parts from all over the signals.
    """
    frames = signals.shape[1] - ORDER
    parts = max(1, min(most, frames) // _PART)
    length = min(_PART, frames) if parts > 1 else frames
    starts = (frames - length) * np.arange(parts) // max(parts - 1, 1)
    rows = np.empty((len(signals), parts * length), np.int8)
    if (fast := loops("sums")) is not None:
        fast.white_rows(signals, coefficients, starts, rows, (_CLIP, LIMIT))
        return rows
    for row, signal, taps in zip(rows, signals, coefficients, strict=True):
        some = [residuals(signal[start : start + length + ORDER], taps) for start in starts.tolist()]
        row[:] = to_white(np.concatenate(some))
    return rows
