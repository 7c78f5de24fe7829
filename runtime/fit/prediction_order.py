"""Tiers and peers: which leads are coded before which within a time step, and which of them a lead hears."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np

from ..predictor.channel_parameters import PEERS

_CANDIDATES = 24
_UNIT = 1024
_BETTER = 1


@dataclass(frozen=True)
class Arrangement:
    """An order of leads for coding them.

    tier    int64 [leads]: tiers are coded one after the other within every time step
    peers   int64 [leads, 4]: leads that are heard, best first; -1 where there is none
    metric  float64 [leads, 4]: correlations with them
    """

    tier: np.ndarray
    peers: np.ndarray
    metric: np.ndarray


def tier_count(connected: int) -> int:
    """Tiers for so many leads that have activity in common: more gain little and cost time."""
    return max(1, min(6, connected.bit_length()))


def arrange(
    correlation: np.ndarray, tiers: int | None = None, peers: int = PEERS, past: bool = False
) -> Arrangement:
    """Tier of each lead, and the leads of earlier tiers that it hears.

    Hubs come first: leads are ordered so that each next one adds most to what all leads behind it can hear (the sum of
    the largest squared correlation with any lead before). Tiers double in size up to the last but one, and a lead whose
    best peer would be in its own tier moves to the next one. Leads without any correlation are in tier 0 and hear
    nobody.

    Parameters
    ----------
    correlation : float [leads, leads]
        Zero where it may be chance.
    past : bool
        Whether leads that have room for more peers hear others than those of earlier tiers too, up to the last step.
    """
    power = np.rint(np.square(correlation.astype(np.float64)) * _UNIT * _UNIT).astype(np.int64)
    np.fill_diagonal(power, 0)
    order = _hubs_first(power)
    tiers = tier_count(len(order)) if tiers is None else tiers
    tier = np.zeros(len(power), np.int64)
    for place, lead in enumerate(order):
        behind = math.frexp(len(order) / (place + 1))[1] - 1 if place + 1 < len(order) else 0
        tier[lead] = max(0, tiers - 2 - behind)
    _step_back(power, order, tier, tiers)
    heard = np.full((len(power), peers), -1, np.int64)
    metric = np.zeros((len(power), peers))
    for lead in order if past else np.flatnonzero(tier):
        chosen: list[int] = []
        for among in (tier < tier[lead], tier >= tier[lead])[: 1 + past]:
            others = np.flatnonzero((power[lead] > 0) & among)
            best = others[np.argsort(-power[lead, others], kind="stable")[:_CANDIDATES]]
            chosen += forward_selection(correlation, lead, best, peers - len(chosen))
        heard[lead, : len(chosen)] = chosen
        metric[lead, : len(chosen)] = correlation[lead, chosen]
    return Arrangement(tier, heard, metric)


def _hubs_first(power: np.ndarray) -> list[int]:
    """Connected leads by what they add; gains only shrink, so those in the heap are upper bounds."""
    connected = power.any(axis=1)
    left, heard = connected.copy(), np.zeros(len(power), np.int64)
    heap = [(-int(gain), int(lead)) for lead, gain in enumerate(power.sum(axis=1)) if connected[lead]]
    heapq.heapify(heap)
    order = []
    while heap:
        _, lead = heapq.heappop(heap)
        gain = int(np.maximum(power[lead, left] - heard[left], 0).sum())
        if heap and (-gain, lead) > heap[0]:
            heapq.heappush(heap, (-gain, lead))
            continue
        order.append(lead)
        left[lead] = False
        np.maximum(heard, power[lead], out=heard)
    return order


def _step_back(power: np.ndarray, order: list[int], tier: np.ndarray, tiers: int) -> None:
    """Move leads to the next tier that have a better peer in their own tier than in all earlier ones."""
    for level in range(tiers - 1):
        settled: list[int] = []
        earlier = np.flatnonzero((tier < level) & power.any(axis=1))
        for lead in order:
            if tier[lead] != level:
                continue
            if settled and power[lead, settled].max() > _BETTER * power[lead, earlier].max(initial=0):
                tier[lead] = level + 1
            else:
                settled.append(lead)


def forward_selection(correlation: np.ndarray, lead: int, candidates: np.ndarray, count: int) -> list[int]:
    """Candidates that explain most of a lead together: the best one, then the best for what is left, and so on."""
    among = correlation[np.ix_(candidates, candidates)].astype(np.float64)
    own = correlation[lead, candidates].astype(np.float64)
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
