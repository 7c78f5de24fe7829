"""The channels of a chunk that are coded, as the fit sees them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass
class Signals:
    """Channels that are coded, in order.

    numbers : int64 [channels], in the chunk
    signals : list of int16 [16 + frames], see `least_squares.to_signal`
    q6 : float64 [channels], Q6 units of one unit of a signal
    bins : float64 [channels], what one step of the coded values is in units of the signal
    """

    numbers: np.ndarray
    signals: list[np.ndarray]
    q6: np.ndarray
    bins: np.ndarray

    def split(self, most: int) -> list[Signals]:
        """Return equal parts of at most so many channels."""
        parts = -(-len(self) // most)
        bounds = [len(self) * i // parts for i in range(parts + 1)]
        return [
            Signals(self.numbers[a:b], self.signals[a:b], self.q6[a:b], self.bins[a:b]) for a, b in pairwise(bounds)
        ]

    def __len__(self) -> int:
        return len(self.signals)
