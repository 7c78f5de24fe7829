"""Palettes: channels whose values have holes between them, so that the numbers of the values are easier to predict.

A hole that a level step or an artefact jumps over costs nothing any more. What a palette saves is what the residuals of
linear predictors cost, fitted to the values and to their numbers.
"""

from __future__ import annotations

import numpy as np

from ..core.bits import increasing_bits
from ..predictor.channel_parameters import ORDER
from .histograms import Histograms
from .least_squares import to_signal
from .own_predictor import cost_floor, own_predictors
from .signals import Signals
from .weighted_sums import Predictors, weighted_sums

_HEAD_BITS = 16
_LARGEST_SHARE = 4
"""A palette takes at most one bit for so many samples."""
_LEAST_GAIN = 1 / 400
"""Bits a sample that a palette must save beyond what it takes."""
_TRIED, _TOGETHER = 16, 64
"""Channels that are tried first, and at once: the others are tried only if a palette pays for one of the first."""


def take_palettes(
    samples: np.ndarray, signals: Signals, rows: np.ndarray, coefficients: np.ndarray, error: np.ndarray
) -> dict[int, np.ndarray]:
    """Give palettes to channels for which they pay.

    Parameters
    ----------
    samples : int16 [frames, channels of the chunk]
    signals : Signals
        Those of channels that get a palette become the numbers of their values.
    rows : int64 [n], channels of `signals` that may get one
    coefficients : float64 [channels of `signals`, 16], their linear predictors; changed likewise
    error : float64 [channels of `signals`], their mean absolute residuals; changed likewise

    Returns
    -------
    int16 [n] by number of the channel in the chunk, increasing
    """
    first = rows[:: -(-len(rows) // _TRIED)] if len(rows) else rows
    others = rows[~np.isin(rows, first)]
    palettes: dict[int, np.ndarray] = {}
    for some in (first, *(others[start : start + _TOGETHER] for start in range(0, len(others), _TOGETHER))):
        if some is first or palettes:
            palettes |= _take(samples, signals, some, coefficients, error)
    return palettes


def numbers_in(palette: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return the numbers int16 [frames] of samples int16 [frames] that are all in a palette."""
    numbers = np.zeros(int(palette[-1]) - int(palette[0]) + 1, np.int16)
    numbers[palette.astype(np.int64) - int(palette[0])] = np.arange(len(palette))
    return numbers[column.astype(np.int64) - int(palette[0])]


def _take(
    samples: np.ndarray, signals: Signals, rows: np.ndarray, coefficients: np.ndarray, error: np.ndarray
) -> dict[int, np.ndarray]:
    columns = {row: np.ascontiguousarray(samples[:, signals.numbers[row]]) for row in rows.tolist()}
    found = {row: _palette(column) for row, column in columns.items()}
    palettes = {row: palette for row, (palette, _) in found.items() if palette is not None}
    if not palettes:
        return {}
    rows = np.array(list(palettes))
    new = _numbered(signals, {row: numbers_in(palette, columns[row]) for row, palette in palettes.items()})
    own, size = own_predictors(new.signals, new.bins)
    saved = _bits(signals, rows, coefficients[rows]) - _bits(new, np.arange(len(rows)), own)
    taken = np.array([found[row][1] for row in rows.tolist()]) + _LEAST_GAIN * len(samples)
    pays = saved > taken
    for part in ("signals", "q6", "bins", "ends"):
        getattr(signals, part)[rows[pays]] = getattr(new, part)[pays]
    coefficients[rows[pays]], error[rows[pays]] = own[pays], size[pays]
    return {int(signals.numbers[row]): palettes[row] for row in rows[pays].tolist()}


def _palette(column: np.ndarray) -> tuple[np.ndarray | None, int]:
    """Return a palette and the bits that it takes; None if there are no holes, or too many values."""
    values = Histograms.of([column]).values
    bits = _HEAD_BITS + increasing_bits(values + (1 << 15))
    if len(values) in (int(values[-1] - values[0]) + 1, 1 << 16) or len(column) < _LARGEST_SHARE * bits:
        return None, 0
    return values.astype(np.int16), bits


def _numbered(signals: Signals, numbers: dict[int, np.ndarray]) -> Signals:
    """Return signals of numbers int16 [frames], by row of `signals`."""
    rows = np.zeros((len(numbers), ORDER + signals.frames), np.int16)
    units, ends = np.ones(len(numbers)), np.zeros((len(numbers), 2), np.int64)
    for number, column in enumerate(numbers.values()):
        units[number] = 1 << to_signal(column - np.int32(rounded_mean(column)), rows[number])
        ends[number] = 0, column.max()
    return Signals(signals.numbers[list(numbers)], rows, 64 * units, 1 / units, ends)


def rounded_mean(values: np.ndarray) -> int:
    """Return the mean of integers, rounded to the nearest one."""
    total, count = int(values.sum(dtype=np.int64)), len(values)
    return (2 * total + count) // (2 * count)


def _bits(signals: Signals, rows: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return what some channels take with linear predictors, about, from a common value on, int64 [n]."""
    none, bins = np.empty((len(rows), 0), np.int64), signals.bins[rows]
    return weighted_sums(signals.signals, Predictors(rows, none, coefficients, bins, cost_floor(bins))).cost
