"""Chunks within a budget of bytes: first a larger error, then fewer windows, taken from the busiest channels first."""

from __future__ import annotations

import numpy as np

from . import chunk as chunks
from .detection.offline import Watched
from .encoder import Source

_ROUNDS = 8
_FULL = 0.97
"""Share of the budget that is good enough."""


def encode_within(source: Source, budget: int) -> bytes:
    """The payload of a chunk with the smallest error that is within `budget`; where the noise's own size is not enough
    of an error, the busiest channels get fewer windows: what a channel may have is the same for all."""
    watched = source.watched()
    least = source.options.max_error
    made = _Attempts(source, watched, budget)
    if made.fits(least):
        return made.best
    highest = max(least, _noise(watched))
    if highest > least and made.fits(highest):
        low, high = least, highest
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if made.fits(middle) else (middle, high)
        return made.best
    return _fewer(source, watched, budget, highest, len(made.last))


class _Attempts:
    """Payloads with different errors; `best` is the last one that was within the budget."""

    def __init__(self, source: Source, watched: Watched, budget: int) -> None:
        self._source, self._watched, self._budget = source, watched, budget
        self.best = self.last = b""

    def fits(self, max_error: int) -> bool:
        """Try one."""
        self.last = chunks.pack(self._source.encoded(self._watched, max_error))
        if len(self.last) > self._budget:
            return False
        self.best = self.last
        return True


def _noise(watched: Watched) -> int:
    """The deviation of a usual channel with windows, in values: a larger error is of no use."""
    channels = np.unique(watched.windows.channel)
    return int(np.clip(np.median(watched.noise[channels]), 0, 255)) if len(channels) else 0


def _fewer(source: Source, watched: Watched, budget: int, max_error: int, size: int) -> bytes:
    """The payload with as many windows as fit, or none: the search is for what any channel may have."""
    frames = np.bincount(watched.windows.channel, watched.windows.length, len(watched.noise))
    best = chunks.pack(source.encoded(source.watched(most=0), max_error))
    low, high = 0, int(frames.max(initial=0))
    share = max(budget - len(best), 0) / max(size - len(best), 1)
    guess = _level(frames, float(frames.sum()) * share)
    for _ in range(_ROUNDS):
        if len(best) > budget or high - low <= 1:
            break
        guess = min(max(guess, low + 1), high - 1)
        payload = chunks.pack(source.encoded(source.watched(most=guess), max_error))
        if len(payload) > budget:
            high = guess
        else:
            low, best = guess, payload
            if len(best) > _FULL * budget:
                break
        guess = (low + high) // 2
    return best


def _level(frames: np.ndarray, allowed: float) -> int:
    """What every channel may have so that all together have no more than allowed."""
    ordered = np.sort(frames)
    total = np.concatenate([[0.0], np.cumsum(ordered)])
    for index, value in enumerate(ordered.tolist()):
        level = (allowed - total[index]) / (len(ordered) - index)
        if level <= value:
            return max(int(level), 0)
    return int(ordered[-1]) if len(ordered) else 0
