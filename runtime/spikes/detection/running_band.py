"""Filter the channels of a block as its frames come, so that little is left to do when it is complete."""

from __future__ import annotations

import numpy as np

from . import filters

_PIECE = 128
"""Frames that are filtered at once, at least, while a block is not complete."""


class RunningBand:
    """The band-passed signals of the next block.

    Parameters
    ----------
    sample_rate : Hz
    """

    def __init__(self, sample_rate: float):
        self._taps = filters.band_taps(sample_rate)
        self._parts: list[np.ndarray] = []
        self._done = 0

    @property
    def reach(self) -> int:
        """Frames on both sides that the band at a frame depends on."""
        return len(self._taps) // 2

    def clear(self) -> None:
        """Forget what is filtered."""
        self._parts, self._done = [], 0

    def go_on(self, values: np.ndarray, frames: int, exact: type) -> None:
        """Filter what is known of a block, if that is some frames more than before.

        Parameters
        ----------
        values : integers [reach + n, channels], with what is in front of the block and behind
        frames : up to which all is known that the filter reaches
        exact : see `filters.band`
        """
        if frames - self._done >= _PIECE:
            self._parts.append(filters.band(values[self._done : frames + 2 * self.reach], self._taps, exact))
            self._done = frames

    def finish(self, values: np.ndarray, frames: int, exact: type) -> np.ndarray:
        """Return the band of `frames` frames, [frames, channels]; the last of the values is taken to go on."""
        unknown = np.repeat(values[-1:], frames + 2 * self.reach - len(values), axis=0)
        rest = filters.band(np.concatenate([values[self._done :], unknown]), self._taps, exact)
        out = np.concatenate([*self._parts, rest])
        self.clear()
        return out
