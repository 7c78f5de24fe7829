"""The loops of `prediction_order.py` in compiled form, with the same results."""

from __future__ import annotations

import numpy as np

from ...core.compiled import njit


@njit
def find_order(power, correlation, references, candidates):
    count = len(power)
    level, known = np.zeros(count, np.int64), np.zeros(count, np.bool_)
    chosen, best = np.full((count, references), -1), np.empty(candidates, np.int64)
    for channel in _hubs_first(power):
        found = _strongest(power[channel], known, best)
        if found > references:
            _forward_selection(correlation, channel, best[:found], chosen[channel])
        else:
            chosen[channel, :found] = best[:found]
        for other in chosen[channel]:
            if other >= 0:
                level[channel] = max(level[channel], level[other] + 1)
        known[channel] = True
    return level, chosen


@njit
def _hubs_first(power):
    by_channel, count = power.T.copy(), len(power)
    best, bound, order, size = np.zeros(count, np.int64), np.full(count, -1), np.empty(count, np.int64), 0
    for channel in range(count):
        if power[channel].any() or by_channel[channel].any():
            bound[channel] = by_channel[channel].sum()
    while True:
        channel = bound.argmax()
        if bound[channel] < 0:
            return order[:size]
        gain = 0
        for other in range(count):
            if bound[other] >= 0:
                gain += max(by_channel[channel, other] - best[other], 0)
        bound[channel] = gain
        if bound.argmax() == channel:
            order[size], bound[channel] = channel, -1
            size += 1
            best = np.maximum(best, by_channel[channel])


@njit
def _strongest(power, known, best):
    """Fill in the known channels of largest power, the largest first; returns how many there are."""
    found = 0
    for channel in range(len(power)):
        if known[channel] and power[channel] > 0:
            place = found
            while place > 0 and power[best[place - 1]] < power[channel]:
                place -= 1
            if place < len(best):
                found = min(found + 1, len(best))
                for after in range(found - 1, place, -1):
                    best[after] = best[after - 1]
                best[place] = channel
    return found


@njit
def _forward_selection(correlation, channel, candidates, chosen):
    count = len(candidates)
    among, own = np.empty((count, count)), np.empty(count)
    for i in range(count):
        own[i] = correlation[channel, candidates[i]]
        for j in range(count):
            among[i, j] = correlation[candidates[i], candidates[j]]
    for number in range(len(chosen)):
        best, most = 0, 0.0
        for i in range(count):
            gain = own[i] * own[i] / max(among[i, i], 0.02) if among[i, i] > 0.02 else 0.0
            if gain > most:
                best, most = i, gain
        if most <= 0:
            break
        chosen[number] = candidates[best]
        row, variance, strength = among[best].copy(), among[best, best], own[best]
        for i in range(count):
            share = among[i, best] / variance
            own[i] -= strength * share
            for j in range(count):
                among[i, j] -= share * row[j]
        among[best, best] = own[best] = 0.0
