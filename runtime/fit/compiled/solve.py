"""The loops of `least_squares.py` and of `reference_taps.references_kept` in compiled form, with the same results."""

from __future__ import annotations

import numpy as np

from ...core.compiled import njit
from ...predictor.channel_parameters import ORDER, REFERENCE_TAPS
from ..reference_taps import LEAST_SHARE


@njit
def _eliminate(system, used, first, last):
    """Eliminate some predictors of normal equations; returns what they explain."""
    size, explained = len(system), 0.0
    for pivot in range(first, last):
        if not used[pivot]:
            continue
        row, largest = system[pivot], system[pivot, pivot]
        explained += row[size] * row[size] / largest
        for i in range(pivot + 1, size):
            if used[i]:
                factor, other = row[i] / largest, system[i]
                for j in range(i, size + 1):
                    other[j] -= factor * row[j]
    return explained


@njit
def _system(total, weight, ridge, system):
    size = len(system)
    for i in range(size):
        for j in range(i, size):
            system[i, j] = total[1 + i, 1 + j]
        system[i, i] += ridge * weight
        system[i, size] = total[1 + i, 0]


@njit
def solve(total, weight, used, ridge):
    count, size = used.shape
    solution, variance = np.zeros(used.shape), np.zeros(count)
    system = np.zeros((size, size + 1))
    for channel in range(count):
        _system(total[channel], weight[channel], ridge, system)
        explained = _eliminate(system, used[channel], 0, size)
        variance[channel] = max(total[channel, 0, 0] - explained, 0.0) / weight[channel]
        found = solution[channel]
        for row in range(size - 1, -1, -1):
            if used[channel, row]:
                found[row] = system[row, size] / system[row, row]
                for i in range(row):
                    system[i, size] -= system[i, row] * found[row]
    return solution, variance


@njit
def _left(system, rest, kept, own):
    """Return what is left of the variance with some references only, after the channel's own samples."""
    size, used = len(system), np.zeros(len(system), np.bool_)
    for tap in range(size - ORDER):
        used[ORDER + tap] = kept[tap // REFERENCE_TAPS]
    for i in range(ORDER, size):
        rest[i, i:] = system[i, i:]
    return own - _eliminate(rest, used, ORDER, size)


@njit
def references_kept(total, weight, there, ridge, limit):
    count, references = there.shape
    size = ORDER + REFERENCE_TAPS * references
    kept, share = there.copy(), np.zeros(count)
    system, rest = np.zeros((size, size + 1)), np.zeros((size, size + 1))
    everything = np.ones(size, np.bool_)
    for channel in range(count):
        _system(total[channel], weight[channel], ridge, system)
        own = total[channel, 0, 0] - _eliminate(system, everything, 0, ORDER)
        least, some = LEAST_SHARE * weight[channel], kept[channel]
        now = max(_left(system, rest, some, own), least)
        for _ in range(references):
            best, worst = np.inf, -1
            for number in range(references):
                if some[number]:
                    some[number] = False
                    left = max(_left(system, rest, some, own), least)
                    some[number] = True
                    if left < best:
                        best, worst = left, number
            if not best < now * limit:
                break
            some[worst], now = False, best
        share[channel] = now / max(own, least)
    return kept, share
