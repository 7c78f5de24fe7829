"""The channels of a chunk that are coded, as the fit sees them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ..predictor.channel_parameters import ORDER


@dataclass
class Signals:
    """Channels that are coded, in order.

    numbers : int64 [channels], in the chunk
    signals : int16 [channels, 16 + frames], see `least_squares.to_signal`
    q6 : float64 [channels], Q6 units of one unit of a signal
    bins : float64 [channels], what one step of the coded values is in units of the signal
    ends : int64 [channels, 2], smallest and largest sample
    """

    numbers: np.ndarray
    signals: np.ndarray
    q6: np.ndarray
    bins: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.signals)

    @property
    def frames(self) -> int:
        """Frames of the chunk."""
        return self.signals.shape[1] - ORDER

    def part(self, some: slice) -> Signals:
        """Return those of some of the channels."""
        return Signals(*(getattr(self, field.name)[some] for field in fields(self)))


def equal_parts(count: int, most: int) -> list[slice]:
    """Return slices of so many channels, of at most `most` each."""
    parts = -(-count // most)
    return [slice(count * i // parts, count * (i + 1) // parts) for i in range(parts)]


def rounded_mean(values: np.ndarray) -> int:
    """Return the mean of integers, rounded to the nearest one."""
    total, count = int(values.sum(dtype=np.int64)), len(values)
    return (2 * total + count) // (2 * count)
