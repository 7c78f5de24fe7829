"""The prediction order: which channels are coded before which within a time step, and from which each is predicted."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from ..predictor.channel_parameters import REFERENCES
from .engine import loops

_CANDIDATES = 24
"""Strongest channels among which references are chosen."""
_UNIT = 1 << 20
"""Shares are compared as integers."""


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
        behind = np.argsort(references < 0, axis=1, kind="stable")  # -1 is behind the last reference
        references, correlation = (np.take_along_axis(rows, behind, 1) for rows in (references, correlation))
        return PredictionOrder(self.level[numbers], references, correlation)


def find_order(power: np.ndarray, correlation: np.ndarray, references: int = REFERENCES) -> PredictionOrder:
    """Find the prediction order of channels, and references among those before each.

    Hubs come first: each next channel adds most to what all channels behind it can use (the sum of the largest `power`
    of any channel before). Channels without any power are in level 0.

    Parameters
    ----------
    power : float [channels, channels]
        What share of a channel's variance each other channel (by column) explains; 0 where that may be chance.
    correlation : float [channels, channels]
        Symmetric; by it references are chosen that do not explain the same.
    references : the most references of a channel
    """
    scaled = power * _UNIT
    power = np.rint(scaled, out=scaled).astype(np.int64)
    del scaled
    np.fill_diagonal(power, 0)
    found = _find if (fast := loops("order")) is None else fast.find_order
    level, chosen = found(power, np.ascontiguousarray(correlation, np.float64), references, _CANDIDATES)
    strength = np.where(chosen >= 0, np.take_along_axis(correlation, np.maximum(chosen, 0), axis=1), 0.0)
    return PredictionOrder(level, chosen, strength.astype(np.float64))


def _find(
    power: np.ndarray, correlation: np.ndarray, references: int, candidates: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return levels, and references among so many strongest channels."""
    level, known = np.zeros((2, len(power)), np.int64)
    chosen = np.full((len(power), references), -1, np.int64)
    for channel in _hubs_first(power):
        others = np.flatnonzero(power[channel] * known)
        found = others[np.argsort(-power[channel, others], kind="stable")[:candidates]].tolist()
        if len(found) > references:
            found = forward_selection(correlation, channel, np.array(found), references)
        chosen[channel, : len(found)] = found
        level[channel] = max((level[other] + 1 for other in found), default=0)
        known[channel] = 1
    return level, chosen


def _hubs_first(power: np.ndarray) -> list[int]:
    """Return connected channels by what they add. Gains only shrink, so those in the heap are upper bounds."""
    left, best = np.asarray(power.any(axis=0) | power.any(axis=1)), np.zeros(len(power), np.int64)
    heap = [(-gain, channel) for channel, gain in enumerate(power.sum(axis=0).tolist()) if left[channel]]
    heapq.heapify(heap)
    order = []
    while heap:
        _, channel = heapq.heappop(heap)
        gain = int(np.maximum(power[left, channel] - best[left], 0).sum())
        if heap and (-gain, channel) > heap[0]:
            heapq.heappush(heap, (-gain, channel))
            continue
        order.append(channel)
        left[channel] = False
        np.maximum(best, power[:, channel], out=best)
    return order


def forward_selection(correlation: np.ndarray, channel: int, candidates: np.ndarray, count: int) -> list[int]:
    """Return the candidates that explain most of a channel together: the best, then the best for what is left."""
    among, own = correlation[np.ix_(candidates, candidates)], correlation[channel, candidates]
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
