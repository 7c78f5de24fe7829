"""Correlations between an implant's channels: of whitened channels, within small lags, tested against chance.

A channel's own past hides what it shares with others, so each is whitened by its linear predictor first. What then
correlates within a few samples helps a decoder that knows one channel before it decodes the other. The prediction order
follows from the correlations (`find_order`). Evidence of several recordings adds up. Channels that were never recorded
together are not compared.
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

from ..core.errors import UsageError
from ..predictor.channel_parameters import REFERENCES
from .correlation import LAG, correlate
from .prediction_order import PredictionOrder, find_order

CHANCE = 0.01
"""Probability that any pair at all of a topology passes by chance."""
FORMAT = 1
_KEEP = 0.5
"""Correlations from this share of the threshold on are kept, since later recordings may confirm them."""


@dataclass
class Topology:
    """What is known of an implant's channels.

    Attributes
    ----------
    channels : list of str
    recordings : list of (list of int, int, int)
        Numbers of the channels that were recorded together, samples of each, and a checksum. A recording that is
        observed again is left out by its checksum.
    edges : dict of (int, int) to (float, int)
        Correlation and lag of pairs of channels i < j, over all recordings of both; weak ones are left out.
    """

    channels: list = field(default_factory=list)
    recordings: list = field(default_factory=list)
    edges: dict = field(default_factory=dict)

    def observe(self, names: list[str], rows: np.ndarray) -> None:
        """Add a recording of simultaneous channels, float32 [channels, time] of `whiten`; some may be known already."""
        self.channels += [name for name in names if name not in set(self.channels)]
        place = {name: i for i, name in enumerate(self.channels)}
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

    def subset(self, names: list[str]) -> Topology:
        """Return the topology of the channels that `names` lists; unknown ones have no correlations.

        Raises
        ------
        UsageError
            If none of the channels is known.
        """
        place = {self.channels.index(name): i for i, name in enumerate(names) if name in set(self.channels)}
        if not place:
            raise UsageError(f"the topology knows none of the recording's channels ({names[0]} ...)")
        recordings = [([place[n] for n in numbers if n in place], *rest) for numbers, *rest in self.recordings]
        edges = {}
        for (i, j), (value, lag) in self.edges.items():
            if i in place and j in place:
                turned = place[i] > place[j]
                pair = (place[j], place[i]) if turned else (place[i], place[j])
                edges[pair] = (value, -lag if turned else lag)
        return Topology(list(names), recordings, edges)

    def shared(self) -> dict[tuple[int, int], int]:
        """Return how many samples of each pair of channels were recorded together."""
        total: dict[tuple[int, int], int] = {}
        for numbers, samples, _ in self.recordings:
            for pair in combinations(sorted(numbers), 2):
                total[pair] = total.get(pair, 0) + samples
        return total

    def thresholds(self, chance: float = CHANCE) -> dict[tuple[int, int], float]:
        """Return what each pair's correlation must exceed: no pair of independent channels does, but for `chance`.

        The correlation of n samples of white noise has a deviation of 1 / sqrt(n); all lags of all pairs are tested
        (Bonferroni).
        """
        shared = self.shared()
        tests = max(len(shared) * (2 * LAG + 1), 1)
        level = NormalDist().inv_cdf(1 - chance / (2 * tests))
        return {pair: level / math.sqrt(samples) for pair, samples in shared.items()}

    def significant(self, chance: float = CHANCE) -> dict[tuple[int, int], float]:
        """Return the correlations beyond chance, by pair."""
        limits = self.thresholds(chance)
        return {pair: value for pair, (value, _) in self.edges.items() if abs(value) > limits[pair]}

    def matrix(self) -> np.ndarray:
        """Return significant correlations, symmetric float64 [channels, channels] with ones on the diagonal."""
        made = np.eye(len(self.channels))
        for (i, j), value in self.significant().items():
            made[i, j] = made[j, i] = value
        return made

    def prediction_order(self, references: int = REFERENCES) -> PredictionOrder:
        """Return the prediction order of all channels, in the order of `channels`; see `find_order`."""
        correlation = self.matrix()
        return find_order(np.square(correlation), correlation, references)

    def to_json(self, references: int = REFERENCES) -> str:
        """Return the topology as text, with its prediction order."""
        limits = self.thresholds()
        order = self.prediction_order(references)
        chosen = [[channel for channel in row if channel >= 0] for row in order.references.tolist()]
        kept = {pair: edge for pair, edge in self.edges.items() if abs(edge[0]) > _KEEP * limits[pair]}
        passed = self.significant()
        edges = [[i, j, round(r, 5), lag, (i, j) in passed] for (i, j), (r, lag) in sorted(kept.items())]
        lists = {"channels": self.channels, "order_levels": order.level.tolist(), "references": chosen}
        lists |= {"recordings": self.recordings, "edges": edges}
        lines = [f'"format": {FORMAT}'] + [f'"{key}": {json.dumps(value)}' for key, value in lists.items()]
        return "{" + ",\n".join(lines) + "}\n"

    def _check(self) -> None:
        """Raise `ValueError` if `observe` can't have made this."""
        names, count = self.channels, len(self.channels)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("channels are not a list of names")
        if len(set(names)) < count:
            raise ValueError("two channels have the same name")
        for numbers, samples, checksum in self.recordings:
            if not all(_is_whole(number, 0, count) for number in numbers) or len(set(numbers)) < len(numbers):
                raise ValueError("a recording of channels that are none")
            if not _is_whole(samples, 1, 1 << 62) or not _is_whole(checksum, 0, 1 << 32):
                raise ValueError("a recording of impossible length or checksum")
        known = self.shared()
        for pair, (value, lag) in self.edges.items():
            if not all(_is_whole(number, 0, count) for number in pair) or pair not in known:
                raise ValueError("a correlation of channels that were not recorded together")
            if not isinstance(value, int | float) or not abs(value) < 1.001 or not _is_whole(lag, -LAG, LAG + 1):
                raise ValueError("an impossible correlation or lag")

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
            recordings = [(list(numbers), samples, checksum) for numbers, samples, checksum in found["recordings"]]
            edges = {(i, j): (r, lag) for i, j, r, lag, _ in found["edges"]}
            made = cls(found["channels"], recordings, edges)
            made._check()
            return made
        except (LookupError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"not a topology of format {FORMAT}: {error}") from error


def _is_whole(value: object, first: int, end: int) -> bool:
    """Return whether a value is a whole number from `first` up to `end`."""
    return type(value) is int and first <= value < end


def load(source: Topology | str | os.PathLike) -> Topology:
    """Return a topology, or load it from a file. Raises `UsageError` if that holds none."""
    if isinstance(source, Topology):
        return source
    try:
        with open(source, encoding="utf-8") as file:
            return Topology.from_json(file.read())
    except OSError as error:
        raise UsageError(f"{source}: {error.strerror or error}") from error
    except ValueError as error:
        raise UsageError(f"{source}: {error}") from error
