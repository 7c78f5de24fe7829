"""Rows in any order, and mixtures of data sets."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from runtime.predictor.networks.messages import ZERO

from .dataset import Rows


@dataclass
class RowSet:
    """Hold rows in any order.

    Attributes
    ----------
    features : uint8 [n, 20] or [n, 52]
        Features, and the inputs from reference channels.
    prediction : int32 [n]
        In Q6 units, as levels are counted.
    codes : int32 [n]
        Index into all levels of an `entropy.EntropyModel`, where flat levels are the last block.
    """

    features: np.ndarray
    prediction: np.ndarray
    codes: np.ndarray

    def batch(self, random: np.random.Generator, size: int) -> Rows:
        """Return random rows."""
        i = random.integers(0, len(self.codes), size)
        return self.features[i], self.prediction[i], self.codes[i]

    def fixed(self, each: int = 0, seed: int = 7, size: int = 50000) -> Iterator[Rows]:
        """Yield all rows, in batches."""
        for k in range(0, len(self.codes), size):
            yield self.features[k : k + size], self.prediction[k : k + size], self.codes[k : k + size]

    def fingerprint(self) -> int:
        """Return a checksum of the codes."""
        return zlib.crc32(np.ascontiguousarray(self.codes).data, len(self.codes))


@dataclass
class Mixture:
    """Mix data sets, each with a share of every batch; rows without reference channels are padded to `width`."""

    parts: list
    shares: list[float]
    width: int

    def batch(self, random: np.random.Generator, size: int) -> Rows:
        """Return random rows of all parts."""
        counts = np.rint(np.cumsum([0, *self.shares]) * size).astype(int)
        drawn = [part.batch(random, int(n)) for part, n in zip(self.parts, np.diff(counts)) if n]
        return tuple(np.concatenate(column) for column in zip(*(self._padded(*rows) for rows in drawn)))

    def fixed(self, each: int = 1000, seed: int = 7, size: int = 50000) -> Iterator[Rows]:
        """Yield the same rows in every call, part by part."""
        for part in self.parts:
            for rows in part.fixed(each, seed, size):
                yield self._padded(*rows)

    def _padded(self, features: np.ndarray, prediction: np.ndarray, codes: np.ndarray) -> Rows:
        return padded(features, self.width), prediction, codes.astype(np.int32)

    def fingerprint(self) -> int:
        """Return a checksum of all parts."""
        return zlib.crc32(repr([part.fingerprint() for part in self.parts]).encode())


def padded(features: np.ndarray, width: int) -> np.ndarray:
    """Return features [n, width], inputs from missing reference channels zero."""
    missing = width - features.shape[1]
    return np.pad(features, ((0, 0), (0, missing)), constant_values=ZERO) if missing > 0 else features[:, :width]


def joined(parts: list[RowSet]) -> RowSet:
    """Return rows as one."""
    names = ("features", "prediction", "codes")
    return RowSet(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
