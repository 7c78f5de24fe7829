"""Frames in the place of missing ones, so that the time of those behind them does not shift."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..core.terms import HOLD

_MOST = 1 << 20
"""Samples of a piece, which bounds the memory that a long gap takes."""


class Filler:
    """Put frames where a stream's are missing.

    Parameters
    ----------
    fill : {"zeros", "hold"}
        Zeros, or the last frame in front of the gap; zeros where there is none.
    joined : whether the stream begins with its first frame that is given, whatever the number of that is

    Attributes
    ----------
    frames : frames that were made up so far
    """

    def __init__(self, fill: str, joined: bool = False) -> None:
        self._hold = fill == HOLD
        self._next: int | None = None if joined else 0
        self._last: np.ndarray | None = None
        self.frames = 0

    def add(self, first: int, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Give samples [frames, channels] whose first frame has a number, behind those for the gap in front of them."""
        yield from self.up_to(first, samples.shape[1])
        yield samples
        self._next = first + len(samples)
        self._last = samples[-1:] if len(samples) else self._last

    def up_to(self, end: int, channels: int) -> Iterator[np.ndarray]:
        """Give frames for the gap from those given so far up to a number, in pieces."""
        left = 0 if self._next is None else max(end - self._next, 0)
        self.frames += left
        self._next = end if left else self._next
        while left:
            count = min(left, max(_MOST // channels, 1))
            piece = np.zeros((count, channels), np.int16)
            if self._hold and self._last is not None:
                piece[:] = self._last
            yield piece
            left -= count
