"""Correlation of whitened channels within small lags, in sums of integers that are exact in any order."""

from __future__ import annotations

import numpy as np

from ..predictor.channel_parameters import ORDER
from .engine import loops
from .own_predictor import linear_predictor
from .weighted_sums import residuals

LAG = 4
"""Samples that shared activity may be apart: 0.2 ms."""
LIMIT = 31
"""Whitened samples are whole numbers up to here, which stands for four deviations."""
_CLIP = 4 * 1.25
"""Four deviations in mean absolute residuals."""
_PART = 1 << 11
"""Frames of a part of a signal."""
_CHANNELS, _STEPS, _PARTS = 48, 112, 128
"""Channels, steps and parts whose products are added up at once."""


def whiten(samples: np.ndarray) -> np.ndarray:
    """Residuals of a channel's linear predictor as whole numbers -31..31 (float32); zeros if it is flat.

    Parameters
    ----------
    samples : int16 [time]
    """
    values = samples.astype(np.int32)
    values -= np.int32((2 * int(values.sum(dtype=np.int64)) + len(values)) // (2 * len(values)))
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
    both = np.concatenate([later[:0:-1].transpose(0, 2, 1), later])
    index = np.abs(both).argmax(axis=0)
    found = np.take_along_axis(both, index[None], 0)[0]
    return found, (index - (len(later) - 1)).astype(np.int8)


def lagged(rows: np.ndarray, lag: int) -> np.ndarray:
    """Correlation of each channel with each other one (by column) 0..lag samples before, float64 [lag + 1, channels,
    channels], of `rows` as for `correlate`."""
    channels, steps = rows.shape
    groups = np.array_split(np.arange(channels), -(-channels // _CHANNELS))
    padded = np.zeros((channels, lag - (-steps // _STEPS) * _STEPS), np.float32)
    padded[:, lag : lag + steps] = rows
    now, totals = _tiles(padded[:, lag:], groups), np.empty((lag + 1, channels, channels))
    for shift in range(lag + 1):
        before = now if shift == 0 else _tiles(padded[:, lag - shift : padded.shape[1] - shift], groups)
        for i, some in enumerate(groups):
            for j, others in enumerate(groups):
                if shift or i <= j:
                    totals[shift, some[:, None], others] = found = _products(now[i], before[j])
                if not shift and i < j:
                    totals[0, others[:, None], some] = found.T
    power = np.maximum(np.diagonal(totals[0]), 1)
    return totals / np.sqrt(power[:, None] * power)


def _tiles(rows: np.ndarray, groups: list[np.ndarray]) -> list[np.ndarray]:
    """Return the rows of each group of channels in parts, float32 [parts, channels, steps]: products of these are too
    small for BLAS to start threads, which would wait for each other on busy cores."""
    return [np.ascontiguousarray(rows[some].reshape(len(some), -1, _STEPS).transpose(1, 0, 2)) for some in groups]


def _products(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return sums of products over all parts; of few parts they are exact in float32."""
    total = np.zeros((now.shape[1], before.shape[1]))
    for first in range(0, len(now), _PARTS):
        some = slice(first, first + _PARTS)
        total += np.matmul(now[some], before[some].transpose(0, 2, 1)).sum(axis=0)
    return total


def white_rows(signals: np.ndarray, coefficients: np.ndarray, most: int) -> np.ndarray:
    """Whitened parts of all signals int16 [channels, 16 + frames] by their predictors float64 [channels, 16].

    Returns float32 [channels, time], `most` frames at the most, in parts from all over the signals.
    """
    frames = signals.shape[1] - ORDER
    parts = max(1, min(most, frames) // _PART)
    length = min(_PART, frames) if parts > 1 else frames
    starts = (frames - length) * np.arange(parts) // max(parts - 1, 1)
    rows = np.empty((len(signals), parts * length), np.float32)
    if (fast := loops("sums")) is not None:
        fast.white_rows(signals, coefficients, starts, rows, (_CLIP, LIMIT))
        return rows
    for row, signal, taps in zip(rows, signals, coefficients, strict=True):
        some = [residuals(signal[start : start + length + ORDER], taps) for start in starts.tolist()]
        row[:] = to_white(np.concatenate(some))
    return rows
