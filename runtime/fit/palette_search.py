"""Palettes: channels whose values have holes between them, so that the numbers of the values are easier to predict.

A hole that a level step or an artefact jumps over costs nothing any more. What a palette saves is estimated with linear
predictors of plain least squares, which are quick.
"""

from __future__ import annotations

import numpy as np

from ..core.bits import increasing_bits
from ..predictor.channel_parameters import ORDER
from .histograms import histogram
from .least_squares import solve, to_signal
from .own_predictor import cost_floor
from .weighted_sums import Predictors, covariances, weighted_sums

_HEAD_BITS = 16
_LARGEST_SHARE = 4
"""A palette takes at most one bit for so many samples."""
_TRUST, _LEAST_GAIN = 0.6, 0.01
"""How much of what is estimated counts, and bits a sample that a palette must save beyond what it takes."""
_TRIED = 16
"""Channels that are tried first; the others only if a palette pays for one of these."""
_TOGETHER = 64
"""Channels that are tried at once, which bounds the memory."""


def worthwhile_palettes(columns: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Return palettes of the channels for which they pay.

    Parameters
    ----------
    columns : int16 [frames] by channel

    Returns
    -------
    int16 [n] by channel, increasing
    """
    waiting = list(columns)
    first = waiting[:: -(-len(waiting) // _TRIED)] if waiting else []
    found = _worthwhile({channel: columns[channel] for channel in first})
    if found:
        others = [channel for channel in waiting if channel not in first]
        for start in range(0, len(others), _TOGETHER):
            found |= _worthwhile({channel: columns[channel] for channel in others[start : start + _TOGETHER]})
    return found


def numbers_in(palette: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return the numbers int16 [frames] of samples int16 [frames] that are all in a palette."""
    numbers = np.zeros(int(palette[-1]) - int(palette[0]) + 1, np.int16)
    numbers[palette.astype(np.int64) - int(palette[0])] = np.arange(len(palette))
    return numbers[column.astype(np.int64) - int(palette[0])]


def _worthwhile(columns: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    palettes, taken = {}, []
    for channel, column in columns.items():
        values, _ = histogram(column)
        bits = _HEAD_BITS + increasing_bits(values + (1 << 15))
        if len(values) not in (int(values[-1] - values[0]) + 1, 1 << 16) and len(column) >= _LARGEST_SHARE * bits:
            palettes[channel] = values.astype(np.int16)
            taken.append(bits)
    if not palettes:
        return {}
    frames = len(next(iter(columns.values())))
    before = _bits([columns[channel] for channel in palettes])
    after = _bits([numbers_in(palette, columns[channel]) for channel, palette in palettes.items()])
    enough = _TRUST * (before - after) > np.array(taken) + _LEAST_GAIN * frames
    return {channel: palettes[channel] for channel, pays in zip(list(palettes), enough) if pays}


def _bits(columns: list[np.ndarray]) -> np.ndarray:
    """Return what channels int16 [frames] take, about, from a common value on, float64 [channels]."""
    frames = len(columns[0])
    signals, bins = np.zeros((len(columns), ORDER + frames), np.int16), np.ones(len(columns))
    for column, signal, number in zip(columns, signals, range(len(columns)), strict=True):
        mean = int(column.sum(dtype=np.int64)) // frames
        bins[number] = 1 / (1 << to_signal(column - np.int32(mean), signal))
    coefficients, _ = solve(covariances(signals), np.full(len(columns), float(frames)))
    numbers, none = np.arange(len(columns)), np.empty((len(columns), 0), np.int64)
    return weighted_sums(signals, Predictors(numbers, none, coefficients, bins, cost_floor(bins))).cost.astype(float)
