"""Palettes: channels whose values have holes between them, so that the numbers of the values are easier to predict.

A hole that a level step or an artefact jumps over costs nothing any more. What a palette saves is estimated with a
linear predictor of plain least squares, which is quick.
"""

from __future__ import annotations

import numpy as np

from ..core.bits import increasing_bits
from .costs import bits_of
from .histograms import histogram
from .least_squares import to_signal
from .own_predictor import quick_residual

_HEAD_BITS = 16
_LARGEST_SHARE = 4
"""A palette takes at most one bit for so many samples."""
_TRUST, _LEAST_GAIN = 0.6, 0.01
"""How much of what is estimated counts, and bits a sample that a palette must save beyond what it takes."""
_TRIED = 16
"""Channels that are tried first; the others only if a palette pays for one of these."""


def worthwhile_palettes(columns: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Return palettes of the channels for which they pay.

    Parameters
    ----------
    columns : int16 [frames] by channel

    Returns
    -------
    int16 [n] by channel, increasing
    """
    waiting, found = list(columns), {}
    first = waiting[:: -(-len(waiting) // _TRIED)] if waiting else []
    for some in (first, [channel for channel in waiting if channel not in first]):
        for channel in some:
            palette = _palette(columns[channel])
            if palette is not None:
                found[channel] = palette
        if not found:
            break
    return found


def numbers_in(palette: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return the numbers int16 [frames] of samples int16 [frames] that are all in a palette."""
    numbers = np.zeros(int(palette[-1]) - int(palette[0]) + 1, np.int16)
    numbers[palette.astype(np.int64) - int(palette[0])] = np.arange(len(palette))
    return numbers[column.astype(np.int64) - int(palette[0])]


def _palette(column: np.ndarray) -> np.ndarray | None:
    values, _ = histogram(column)
    if len(values) in (int(values[-1] - values[0]) + 1, 1 << 16):
        return None
    bits = _HEAD_BITS + increasing_bits(values + (1 << 15))
    if len(column) < _LARGEST_SHARE * bits:
        return None
    palette = values.astype(np.int16)
    saved = _bits_a_sample(column) - _bits_a_sample(numbers_in(palette, column))
    return palette if _TRUST * saved > bits / len(column) + _LEAST_GAIN else None


def _bits_a_sample(column: np.ndarray) -> float:
    """Return what a channel takes, about, but for a constant."""
    signal, excess = to_signal(column - np.int32(column.sum(dtype=np.int64) // len(column)))
    residual = quick_residual(signal) * (64 << excess)
    return bits_of(residual) / max(len(residual), 1)
