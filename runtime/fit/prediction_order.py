"""Order levels and peers: which channels are coded before which within a time step, and which of them a channel hears."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np

from ..predictor.channel_parameters import REFERENCES

_CANDIDATES = 24
_UNIT = 1024
_BETTER = 1


@dataclass(frozen=True)
class Arrangement:
    """An order of channels for coding them.

    order level    int64 [channels]: order levels are coded one after the other within every time step
    references   int64 [channels, 4]: channels that are heard, best first; -1 where there is none
    correlation  float64 [channels, 4]: correlations with them
    """

    order_level: np.ndarray
    references: np.ndarray
    correlation: np.ndarray


def order_level_count(connected: int) -> int:
    """Order levels for so many channels that have activity in common: more gain little and cost time."""
    return max(1, min(6, connected.bit_length()))


def arrange(
    correlation: np.ndarray, order_levels: int | None = None, references: int = REFERENCES, past: bool = False
) -> Arrangement:
    """Tier of each channel, and the channels of earlier order levels that it hears.

    Hubs come first: channels are ordered so that each next one adds most to what all channels behind it can hear (the sum of
    the largest squared correlation with any channel before). Order levels double in size up to the last but one, and a channel whose
    best peer would be in its own order level moves to the next one. Channels without any correlation are in order level 0 and hear
    nobody.

    Parameters
    ----------
    correlation : float [channels, channels]
        Zero where it may be chance.
    past : bool
        Whether channels that have room for more peers hear others than those of earlier order levels too, up to the last step.
    """
    power = np.rint(np.square(correlation.astype(np.float64)) * _UNIT * _UNIT).astype(np.int64)
    np.fill_diagonal(power, 0)
    order = _hubs_first(power)
    order_levels = order_level_count(len(order)) if order_levels is None else order_levels
    order_level = np.zeros(len(power), np.int64)
    for place, channel in enumerate(order):
        behind = math.frexp(len(order) / (place + 1))[1] - 1 if place + 1 < len(order) else 0
        order_level[channel] = max(0, order_levels - 2 - behind)
    _step_back(power, order, order_level, order_levels)
    heard = np.full((len(power), references), -1, np.int64)
    metric = np.zeros((len(power), references))
    for channel in order if past else np.flatnonzero(order_level):
        chosen: list[int] = []
        for among in (order_level < order_level[channel], order_level >= order_level[channel])[: 1 + past]:
            others = np.flatnonzero((power[channel] > 0) & among)
            best = others[np.argsort(-power[channel, others], kind="stable")[:_CANDIDATES]]
            chosen += forward_selection(correlation, channel, best, references - len(chosen))
        heard[channel, : len(chosen)] = chosen
        metric[channel, : len(chosen)] = correlation[channel, chosen]
    return Arrangement(order_level, heard, metric)


def _hubs_first(power: np.ndarray) -> list[int]:
    """Connected channels by what they add; gains only shrink, so those in the heap are upper bounds."""
    connected = power.any(axis=1)
    left, heard = connected.copy(), np.zeros(len(power), np.int64)
    heap = [(-int(gain), int(channel)) for channel, gain in enumerate(power.sum(axis=1)) if connected[channel]]
    heapq.heapify(heap)
    order = []
    while heap:
        _, channel = heapq.heappop(heap)
        gain = int(np.maximum(power[channel, left] - heard[left], 0).sum())
        if heap and (-gain, channel) > heap[0]:
            heapq.heappush(heap, (-gain, channel))
            continue
        order.append(channel)
        left[channel] = False
        np.maximum(heard, power[channel], out=heard)
    return order


def _step_back(power: np.ndarray, order: list[int], order_level: np.ndarray, order_levels: int) -> None:
    """Move channels to the next order level that have a better peer in their own order level than in all earlier ones."""
    for level in range(order_levels - 1):
        settled: list[int] = []
        earlier = np.flatnonzero((order_level < level) & power.any(axis=1))
        for channel in order:
            if order_level[channel] != level:
                continue
            if settled and power[channel, settled].max() > _BETTER * power[channel, earlier].max(initial=0):
                order_level[channel] = level + 1
            else:
                settled.append(channel)


def forward_selection(correlation: np.ndarray, channel: int, candidates: np.ndarray, count: int) -> list[int]:
    """Candidates that explain most of a channel together: the best one, then the best for what is left, and so on."""
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
