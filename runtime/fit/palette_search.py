"""Palettes: channels whose values have holes between them, so that the numbers of the values are easier to predict.

A hole that a level step or an artefact jumps over costs nothing any more. What a palette saves is what the residuals of
linear predictors cost, fitted to the values and to their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..core.bits import increasing_bits
from ..predictor.channel_parameters import ORDER
from .histograms import Histograms
from .least_squares import to_signal
from .own_predictor import alone, own_predictors
from .signals import Signals, rounded_mean
from .weighted_sums import weighted_sums

_HEAD_BITS = 16
_LARGEST_SHARE = 4
"""A palette takes at most one bit for so many samples."""
_LEAST_GAIN = 1 / 400
"""Bits a sample that a palette must save beyond what it takes."""
_SURE, _WORTH_TRYING = 1.5, 0.15
"""A palette is taken if jumps over holes alone save so many times what it takes. Linear predictors tell if they save at
least so much of it: steps and artefacts that become smaller also make predictors better."""
_MARGIN = 2
"""How many times what a palette takes linear predictors must save: networks and adaptive predictors get some of it
without a palette too. Those that saved 1.4 to 1.8 times as much made recordings larger, from 2.1 times on smaller."""
_TRIED, _TOGETHER = 16, 64
"""Channels that are tried first, and at once: the others are tried only if a palette pays for one of the first."""


@dataclass(frozen=True)
class Candidate:
    """A palette that a channel may get.

    palette : int16 [n], increasing
    bits : int, what it takes
    numbers : int16 [frames], those of the channel's samples
    saved : float, the bits that jumps over holes take less, about
    """

    palette: np.ndarray
    bits: int
    numbers: np.ndarray
    saved: float

    @property
    def sure(self) -> bool:
        """Whether it pays for itself by jumps alone."""
        return self.saved > _SURE * (self.bits + _LEAST_GAIN * len(self.numbers))


def palette_candidates(samples: np.ndarray, signals: Signals, rows: np.ndarray) -> dict[int, Candidate]:
    """Find palettes that may pay.

    Parameters
    ----------
    samples : int16 [frames, channels of the chunk]
    signals : Signals
    rows : int64 [n], channels of `signals` that may get one

    Returns
    -------
    by row of `signals`
    """
    found: dict[int, Candidate] = {}
    for some in _first_and_others(rows):
        for row in some.tolist():
            candidate = _candidate(np.ascontiguousarray(samples[:, signals.numbers[row]]))
            if candidate is not None and candidate.saved > _WORTH_TRYING * candidate.bits:
                found[row] = candidate
        if not found:
            break
    return found


def take_sure(signals: Signals, candidates: dict[int, Candidate]) -> list[int]:
    """Put numbers in place of the signals of rows whose palettes pay for certain; return these rows."""
    sure = [row for row, candidate in candidates.items() if candidate.sure]
    if sure:
        _replace(signals, np.array(sure), _numbered(signals, {row: candidates[row].numbers for row in sure}))
    return sure


def take_tried(
    signals: Signals, candidates: dict[int, Candidate], coefficients: np.ndarray, error: np.ndarray
) -> list[int]:
    """Put numbers in place of the signals of rows whose palettes pay by linear predictors; return these rows.

    Parameters
    ----------
    candidates : by row, none of those that are sure
    coefficients : float64 [channels of `signals`, 16], their linear predictors; changed likewise
    error : float64 [channels of `signals`], their mean absolute residuals; changed likewise
    """
    taken: list[int] = []
    for some in _first_and_others(np.array(list(candidates), np.int64)):
        if not len(some):
            break
        new = _numbered(signals, {row: candidates[row].numbers for row in some.tolist()})
        own, size = own_predictors(new.signals, new.bins)
        saved = _bits(signals, some, coefficients[some]) - _bits(new, np.arange(len(some)), own)
        least = np.array([candidates[row].bits for row in some.tolist()]) + _LEAST_GAIN * signals.frames
        pays = saved > _MARGIN * least
        _replace(signals, some[pays], new, pays)
        coefficients[some[pays]], error[some[pays]] = own[pays], size[pays]
        taken += some[pays].tolist()
        if not taken:
            break
    return taken


def _first_and_others(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield some rows from all over, then the others."""
    first = rows[:: -(-len(rows) // _TRIED)] if len(rows) else rows
    yield first
    others = rows[~np.isin(rows, first)]
    yield from (others[start : start + _TOGETHER] for start in range(0, len(others), _TOGETHER))


def _replace(signals: Signals, rows: np.ndarray, new: Signals, some: np.ndarray | slice = slice(None)) -> None:
    for part in ("signals", "q6", "bins", "ends"):
        getattr(signals, part)[rows] = getattr(new, part)[some]


def numbers_in(palette: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return the numbers int16 [frames] of samples int16 [frames] that are all in a palette."""
    numbers = np.zeros(int(palette[-1]) - int(palette[0]) + 1, np.int16)
    numbers[palette.astype(np.int64) - int(palette[0])] = np.arange(len(palette))
    return numbers[column.astype(np.int64) - int(palette[0])]


def _candidate(column: np.ndarray) -> Candidate | None:
    """Return a channel's palette; None if there are no holes, or too many values."""
    values = Histograms.of([column]).values
    if len(values) in (int(values[-1] - values[0]) + 1, 1 << 16) or 2 * len(values) > len(column):
        return None
    bits = _HEAD_BITS + increasing_bits(values + (1 << 15))
    if len(column) < _LARGEST_SHARE * bits:
        return None
    palette = values.astype(np.int16)
    numbers = numbers_in(palette, column)
    before, after = np.diff(column.astype(np.int32)), np.diff(numbers.astype(np.int32))
    jumps = np.flatnonzero(before != after)
    saved = np.log2((np.abs(before[jumps]) + 1) / (np.abs(after[jumps]) + 1)).sum()
    return Candidate(palette, bits, numbers, float(saved))


def _numbered(signals: Signals, numbers: dict[int, np.ndarray]) -> Signals:
    """Return signals of numbers int16 [frames], by row of `signals`."""
    rows = np.zeros((len(numbers), ORDER + signals.frames), np.int16)
    units, ends = np.ones(len(numbers)), np.zeros((len(numbers), 2), np.int64)
    for number, column in enumerate(numbers.values()):
        units[number] = 1 << to_signal(column - np.int32(rounded_mean(column)), rows[number])
        ends[number] = 0, column.max()
    return Signals(signals.numbers[list(numbers)], rows, 64 * units, 1 / units, ends)


def _bits(signals: Signals, rows: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return what some channels take with linear predictors, about, from a common value on, int64 [n]."""
    return weighted_sums(signals.signals, alone(rows, coefficients, signals.bins, signals.bins)).cost
