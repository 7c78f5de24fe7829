"""The prediction order: which channels are coded before which within a time step, and from which each is predicted."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np

from ..predictor.channel_parameters import REFERENCES

_CANDIDATES = 24
"""Strongest channels among which references are chosen."""
_UNIT = 1024
"""Squared correlations are compared as integers in units of 2^-20."""


@dataclass(frozen=True)
class PredictionOrder:
    """In which order the channels of a time step are coded, and from which others each is predicted.

    level        int64 [channels]: levels are coded one after the other within every time step
    references   int64 [channels, 4]: reference channels, best first; -1 where there is none
    correlation  float64 [channels, 4]: correlations with them
    """

    level: np.ndarray
    references: np.ndarray
    correlation: np.ndarray

    def restricted(self, numbers: np.ndarray) -> PredictionOrder:
        """Return the order of some of the channels, int64 [n]; others are no references any more."""
        place = np.full(len(self.level) + 1, -1, np.int64)
        place[numbers] = np.arange(len(numbers))
        references = place[self.references[numbers]]
        correlation = np.where(references >= 0, self.correlation[numbers], 0)
        return PredictionOrder(self.level[numbers], references, correlation)


def level_count(connected: int) -> int:
    """Return how many levels so many correlated channels get: more gain little and cost time."""
    return max(1, min(6, connected.bit_length()))


def find_order(correlation: np.ndarray, levels: int | None = None, references: int = REFERENCES) -> PredictionOrder:
    """Find levels and references by the correlations of channels.

    Hubs come first: each next channel adds most to what all channels behind it can use (the sum of the largest squared
    correlation with any channel before). Levels double in size up to the last but one. A channel whose best reference
    would be in its own level moves to the next one. Channels without any correlation are in level 0.

    Parameters
    ----------
    correlation : float [channels, channels]
        Zero where it may be chance.
    levels : number of levels; by default `level_count`
    references : the most references of a channel
    """
    power = np.rint(np.square(correlation.astype(np.float64)) * _UNIT * _UNIT).astype(np.int64)
    np.fill_diagonal(power, 0)
    order = _hubs_first(power)
    levels = level_count(len(order)) if levels is None else levels
    level = np.zeros(len(power), np.int64)
    for place, channel in enumerate(order):
        behind = math.frexp(len(order) / (place + 1))[1] - 1 if place + 1 < len(order) else 0
        level[channel] = max(0, levels - 2 - behind)
    _step_back(power, order, level, levels)
    chosen = np.full((len(power), references), -1, np.int64)
    for channel in np.flatnonzero(level).tolist():
        others = np.flatnonzero((power[channel] > 0) & (level < level[channel]))
        best = others[np.argsort(-power[channel, others], kind="stable")[:_CANDIDATES]]
        found = forward_selection(correlation, channel, best, references)
        chosen[channel, : len(found)] = found
    strength = np.where(chosen >= 0, np.take_along_axis(correlation, np.maximum(chosen, 0), axis=1), 0.0)
    return PredictionOrder(level, chosen, strength.astype(np.float64))


def _hubs_first(power: np.ndarray) -> list[int]:
    """Return correlated channels by what they add. Gains only shrink, so those in the heap are upper bounds."""
    connected = np.asarray(power.any(axis=1))
    left, best = connected.copy(), np.zeros(len(power), np.int64)
    heap = [(-int(gain), int(channel)) for channel, gain in enumerate(power.sum(axis=1)) if connected[channel]]
    heapq.heapify(heap)
    order = []
    while heap:
        _, channel = heapq.heappop(heap)
        gain = int(np.maximum(power[channel, left] - best[left], 0).sum())
        if heap and (-gain, channel) > heap[0]:
            heapq.heappush(heap, (-gain, channel))
            continue
        order.append(channel)
        left[channel] = False
        np.maximum(best, power[channel], out=best)
    return order


def _step_back(power: np.ndarray, order: list[int], level: np.ndarray, levels: int) -> None:
    """Move channels to the next level that have a better reference in their own level than in all earlier ones."""
    for number in range(levels - 1):
        settled: list[int] = []
        earlier = np.flatnonzero((level < number) & power.any(axis=1))
        for channel in order:
            if level[channel] != number:
                continue
            if settled and power[channel, settled].max() > power[channel, earlier].max(initial=0):
                level[channel] = number + 1
            else:
                settled.append(channel)


def forward_selection(correlation: np.ndarray, channel: int, candidates: np.ndarray, count: int) -> list[int]:
    """Return the candidates that explain most of a channel together: the best, then the best for what is left."""
    among = correlation[np.ix_(candidates, candidates)].astype(np.float64)
    own = correlation[channel, candidates].astype(np.float64)
    chosen: list[int] = []
    while len(chosen) < min(count, len(candidates)):
        variance = np.diagonal(among).copy()
        gain = np.where(variance > 0.02, own * own / np.maximum(variance, 0.02), 0)
        best = int(gain.argmax())
        if gain[best] <= 0:
            break
        chosen.append(int(candidates[best]))
        share = among[:, best] / variance[best]
        own = own - own[best] * share
        among = among - share[:, None] * among[best]
        among[best, best] = own[best] = 0.0
    return chosen
