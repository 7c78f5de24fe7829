"""Which values the channels of a chunk have, and how often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SORTED = 1 << 13
"""Samples of a channel up to which sorting them, of many channels at once, is quicker than counting."""


@dataclass
class Histograms:
    """The values of some channels, one channel after the other.

    values : int64 [n], increasing within a channel
    counts : int64 [n]
    starts : int64 [channels], where each channel begins
    """

    values: np.ndarray
    counts: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, columns: list[np.ndarray]) -> Histograms:
        """Count the values of channels, int16 [frames] each."""
        if len(columns) > 1 and len(columns[0]) <= _SORTED:
            return cls._of_short(np.sort(np.stack(columns), axis=1))
        found = [_histogram(column) for column in columns]
        starts = np.cumsum([0, *(len(values) for values, _ in found)])[:-1]
        empty = np.zeros(0, np.int64)
        values, counts = (np.concatenate([empty, *(pair[i] for pair in found)]) for i in (0, 1))
        return cls(values, counts, starts)

    @classmethod
    def _of_short(cls, ordered: np.ndarray) -> Histograms:
        """Count the values of channels that are sorted already, int16 [channels, frames]."""
        channels, frames = ordered.shape
        first = np.ones(ordered.shape, bool)
        np.not_equal(ordered[:, 1:], ordered[:, :-1], out=first[:, 1:])
        places = np.flatnonzero(first)
        starts = np.searchsorted(places, np.arange(channels) * frames)
        return cls(ordered.ravel()[places].astype(np.int64), np.diff(places, append=ordered.size), starts)

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def channel(self) -> np.ndarray:
        """Number of the channel of each value, int64 [n]."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def lengths(self) -> np.ndarray:
        """How many values each channel has, int64 [channels]."""
        return np.diff(np.append(self.starts, len(self.values)))

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return sums of integers [n] by channel."""
        return np.add.reduceat(values, self.starts)

    def widths(self, values: np.ndarray) -> np.ndarray:
        """Return the largest less the smallest of integers [n] by channel."""
        return np.maximum.reduceat(values, self.starts) - np.minimum.reduceat(values, self.starts)

    def channels(self, chosen: np.ndarray) -> Histograms:
        """Return some channels, bool [channels]."""
        return self.only(chosen[self.channel])

    def together(self) -> Histograms:
        """Return the histogram of all channels as if they were one."""
        values, places = np.unique(self.values, return_inverse=True)
        counts = np.zeros(len(values), np.int64)
        np.add.at(counts, places, self.counts)
        return Histograms(values, counts, np.zeros(1, np.int64))

    def only(self, chosen: np.ndarray) -> Histograms:
        """Return some values, bool [n], and the channels that have any of them."""
        lengths = self.sums(chosen.astype(np.int64))
        starts = np.cumsum(np.append(0, lengths[lengths > 0]))[:-1]
        return Histograms(self.values[chosen], self.counts[chosen], starts)


def _histogram(column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of int16 [frames], increasing, and their counts, int64."""
    low = int(column.min())
    counts = np.bincount(column.astype(np.int32) - low)
    there = np.flatnonzero(counts)
    return there + low, counts[there]
