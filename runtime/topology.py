"""Which leads have activity in common: correlation of whitened leads within small lags, tested against chance.

A lead's own past hides what it shares with others, so each is whitened by its linear predictor first. What correlates
then within a few samples can be heard by a decoder that knows one lead before it decodes the other: from the
correlations follow each lead's peers and an order in tiers (`arrange`). Evidence of several recordings adds up, and
leads that were never recorded together are not compared.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from dataclasses import dataclass, field
from itertools import combinations
from statistics import NormalDist

import numpy as np

from .errors import UsageError
from .fit import linear_predictor

LAG = 4
"""Samples that shared activity may be apart: 0.2 ms."""
CHANCE = 0.01
"""Probability that any pair at all of a topology passes by chance."""
FORMAT = 1
_CLIP = 4.0
_BLOCK = 1 << 13
"""Samples that are correlated at once."""
_KEEP = 0.5
"""Correlations from this share of the threshold on are kept, since later recordings may confirm them."""


def whiten(samples: np.ndarray) -> np.ndarray:
    """Residuals of a lead's linear predictor, clipped at four deviations, float32 of unit norm; zeros if it is flat.

    Parameters
    ----------
    samples : int16 [time]
    """
    values = samples.astype(np.int32)
    values -= np.int32(round(float(values.mean())))
    out = values.astype(np.float64) * 1024
    for delay, coefficient in enumerate(linear_predictor(values)[0].tolist(), 1):
        out[delay:] -= coefficient * values[:-delay].astype(np.float64)
    limit = _CLIP * 1.25 * np.abs(out).mean()
    np.clip(out, -limit, limit, out=out)
    out -= out.mean()
    norm = math.sqrt(float((out * out).sum()))
    return (out / norm if norm else out).astype(np.float32)


def correlate(rows: np.ndarray, lag: int = LAG) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of largest magnitude within `lag` samples, float32 [leads, leads], and its lag, int8.

    A positive lag at [i, j] means that lead i is that much later.

    Parameters
    ----------
    rows : float32 [leads, time]
        Of `whiten`.
    """
    leads, steps = rows.shape
    totals = np.zeros((2 * lag + 1, leads, leads), np.float32)
    for first in range(0, steps, _BLOCK):
        block = rows[:, first : first + _BLOCK]
        for shift in range(lag + 1):
            earlier = block if shift == 0 else rows[:, max(first - shift, 0) : first + block.shape[1] - shift]
            totals[lag + shift] += block[:, block.shape[1] - earlier.shape[1] :] @ earlier.T
    for shift in range(1, lag + 1):
        totals[lag - shift] = totals[lag + shift].T
    index = np.abs(totals).argmax(axis=0)
    return np.take_along_axis(totals, index[None], 0)[0], (index - lag).astype(np.int8)


@dataclass
class Topology:
    """What is known of an implant's leads.

    Attributes
    ----------
    leads : list of str
    recordings : list of (list of int, int, int)
        Numbers of the leads that were recorded together, samples of each, and a checksum by which a recording that is
        observed again is left out.
    edges : dict of (int, int) to (float, int)
        Correlation and lag of pairs of leads i < j, over all recordings of both; weak ones are left out.
    """

    leads: list = field(default_factory=list)
    recordings: list = field(default_factory=list)
    edges: dict = field(default_factory=dict)

    def observe(self, names: list[str], rows: np.ndarray) -> None:
        """Add a recording of simultaneous leads, some of which may be known: float32 [leads, time] of `whiten`."""
        self.leads += [name for name in names if name not in set(self.leads)]
        place = {name: i for i, name in enumerate(self.leads)}
        numbers = [place[name] for name in names]
        before, samples = self.shared(), rows.shape[1]
        checksum = zlib.crc32(np.packbits(rows > 0).tobytes())
        if (numbers, samples, checksum) in self.recordings:
            return
        found, lags = correlate(rows)
        self.recordings.append((numbers, samples, checksum))
        for a, b in combinations(range(len(numbers)), 2):
            if numbers[a] > numbers[b]:
                a, b = b, a
            pair = (numbers[a], numbers[b])
            old, old_lag = self.edges.pop(pair, (0.0, 0))
            known = before.get(pair, 0)
            value = (old * known + float(found[a, b]) * samples) / (known + samples)
            lag = int(lags[a, b]) if abs(found[a, b]) * samples >= abs(old) * known else old_lag
            self.edges[pair] = (value, lag)

    def of(self, names: list[str]) -> Topology:
        """The topology of some leads, which are numbered as `names` lists them; unknown ones have nothing in common.

        Raises
        ------
        UsageError
            If none of the leads is known.
        """
        place = {self.leads.index(name): i for i, name in enumerate(names) if name in set(self.leads)}
        if not place:
            raise UsageError(f"the topology knows none of the recording's leads ({names[0]} ...)")
        recordings = [([place[n] for n in numbers if n in place], *rest) for numbers, *rest in self.recordings]
        edges = {}
        for (i, j), (value, lag) in self.edges.items():
            if i in place and j in place:
                turned = place[i] > place[j]
                pair = (place[j], place[i]) if turned else (place[i], place[j])
                edges[pair] = (value, -lag if turned else lag)
        return Topology(list(names), recordings, edges)

    def shared(self) -> dict[tuple[int, int], int]:
        """Samples that each pair of leads was recorded together."""
        total: dict[tuple[int, int], int] = {}
        for numbers, samples, _ in self.recordings:
            for pair in combinations(sorted(numbers), 2):
                total[pair] = total.get(pair, 0) + samples
        return total

    def thresholds(self, chance: float = CHANCE) -> dict[tuple[int, int], float]:
        """Magnitude that a pair's correlation must pass: no pair of independent leads does, but for `chance`.

        The correlation of n samples of white noise has a deviation of 1 / sqrt(n); all lags of all pairs are tested
        (Bonferroni).
        """
        shared = self.shared()
        tests = max(len(shared) * (2 * LAG + 1), 1)
        level = NormalDist().inv_cdf(1 - chance / (2 * tests))
        return {pair: level / math.sqrt(samples) for pair, samples in shared.items()}

    def significant(self, chance: float = CHANCE) -> dict[tuple[int, int], float]:
        """Correlations beyond chance, by pair."""
        limits = self.thresholds(chance)
        return {pair: value for pair, (value, _) in self.edges.items() if abs(value) > limits[pair]}

    def matrix(self) -> np.ndarray:
        """Significant correlations, symmetric float64 [leads, leads] with ones on the diagonal."""
        made = np.eye(len(self.leads))
        for (i, j), value in self.significant().items():
            made[i, j] = made[j, i] = value
        return made

    def to_json(self, tiers: int = 4, peers: int = 4) -> str:
        """The topology as text, with peers and tiers of `arrange`."""
        limits = self.thresholds()
        order, heard = arrange(self.matrix(), tiers, peers)
        kept = {pair: edge for pair, edge in self.edges.items() if abs(edge[0]) > _KEEP * limits[pair]}
        passed = self.significant()
        edges = [[i, j, round(r, 5), lag, (i, j) in passed] for (i, j), (r, lag) in sorted(kept.items())]
        lists = {"leads": self.leads, "tiers": order, "peers": heard, "recordings": self.recordings, "edges": edges}
        lines = [f'"format": {FORMAT}'] + [f'"{key}": {json.dumps(value)}' for key, value in lists.items()]
        return "{" + ",\n".join(lines) + "}\n"

    @classmethod
    def from_json(cls, text: str) -> Topology:
        """Undo `to_json`, but for correlations of pairs far below the threshold, which count as zero.

        Raises
        ------
        ValueError
            If the text is no topology of this format.
        """
        try:
            found = json.loads(text)
            if found["format"] != FORMAT:
                raise ValueError(f"format {found['format']}")
            edges = {(i, j): (r, lag) for i, j, r, lag, _ in found["edges"]}
            return cls(found["leads"], [tuple(entry) for entry in found["recordings"]], edges)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a topology of format {FORMAT}: {error}") from error


def load(source: Topology | str | os.PathLike) -> Topology:
    """A topology, or what a file holds as one; UsageError if it does not."""
    if isinstance(source, Topology):
        return source
    try:
        with open(source, encoding="utf-8") as file:
            return Topology.from_json(file.read())
    except OSError as error:
        raise UsageError(f"{source}: {error.strerror or error}") from error
    except ValueError as error:
        raise UsageError(f"{source}: {error}") from error


def lead_names(leads: int) -> list[str]:
    """Names of the leads of a recording that does not name them: their numbers."""
    return [f"{lead:04d}" for lead in range(leads)]


def arrange(correlation: np.ndarray, tiers: int = 4, peers: int = 4) -> tuple[list[int], list[list[int]]]:
    """Tier of each lead, and the leads of earlier tiers that it listens to, best first.

    Hubs come first: leads are ordered so that each next one adds most to what all leads behind it can hear (the sum of
    the largest squared correlation with any lead before). Tiers double in size, from 2^(1 - tiers) of the connected
    leads on. Leads without any significant correlation are in tier 0 and hear nobody.

    Parameters
    ----------
    correlation : float [leads, leads]
        Of `Topology.matrix`.
    """
    power = np.square(correlation)
    np.fill_diagonal(power, 0)
    connected = np.flatnonzero(power.any(axis=1))
    order, heard = [], np.zeros(len(power))
    left = set(connected.tolist())
    while left:
        candidates = sorted(left)
        gains = np.maximum(power[np.ix_(candidates, candidates)] - heard[candidates], 0).sum(axis=1)
        best = candidates[int(gains.argmax())]
        order.append(best)
        left.remove(best)
        heard = np.maximum(heard, power[best])
    tier = [0] * len(power)
    for place, lead in enumerate(order):
        share = (place + 1) / len(order)
        tier[lead] = max(0, tiers - 1 - int(math.floor(-math.log2(share))))
    lists: list[list[int]] = []
    for lead in range(len(power)):
        earlier = [j for j in np.argsort(-power[lead], kind="stable") if power[lead, j] and tier[j] < tier[lead]]
        lists.append([int(j) for j in earlier[:peers]])
    return tier, lists
