"""Windows around spikes: the samples that are kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import CorruptError

JOIN = 6
"""Frames between two windows that are joined: to start anew costs more than so many frames."""


@dataclass
class Windows:
    """Windows of a chunk in order of channel, then of time; int64 [windows].

    channel, start, length : which samples
    correction : height of the correction pulse in front of a window (docs/format.md section 12.3), in steps
    """

    channel: np.ndarray
    start: np.ndarray
    length: np.ndarray
    correction: np.ndarray

    def __len__(self) -> int:
        return len(self.channel)

    @property
    def stop(self) -> np.ndarray:
        """The frame behind the last one of each."""
        return self.start + self.length

    @property
    def offset(self) -> np.ndarray:
        """The place of the first sample of each among those of all, int64 [windows + 1]."""
        return np.concatenate([[0], np.cumsum(self.length)])

    def flat(self) -> tuple[np.ndarray, np.ndarray]:
        """Return frame and channel of every sample in windows."""
        offset = self.offset
        frame = np.arange(offset[-1]) + np.repeat(self.start - offset[:-1], self.length)
        return frame, np.repeat(self.channel, self.length)

    def select(self, which: np.ndarray | slice) -> Windows:
        """Return some of them."""
        return Windows(self.channel[which], self.start[which], self.length[which], self.correction[which])

    def of_channel(self, channel: int) -> slice:
        """Return where those of one channel are."""
        return slice(*np.searchsorted(self.channel, [channel, channel + 1]).tolist())

    def mask(self, frames: int, channels: int) -> np.ndarray:
        """Return which samples are in windows, bool [frames, channels]."""
        mask = np.zeros((frames, channels), bool)
        frame, channel = self.flat()
        mask[frame, channel] = True
        return mask

    def check(self, frames: int) -> None:
        """Refuse windows that overlap or leave the chunk. Raises `CorruptError`."""
        stop = self.stop
        overlap = (self.channel[1:] == self.channel[:-1]) & (self.start[1:] < stop[:-1])
        if (self.length < 1).any() or (self.start < 0).any() or (stop > frames).any() or overlap.any():
            raise CorruptError("the windows of a chunk overlap or leave it")


def around(channels: np.ndarray, frames: np.ndarray, before: int, after: int, stop: int) -> Windows:
    """Return the windows around events, which are in order of channel and time.

    Parameters
    ----------
    channels, frames : int64 [events]
    before, after : frames of a window before an event, and from it on
    stop : frames of the chunk
    """
    first = np.maximum(frames - before, 0)
    last = np.minimum(frames + after, stop)
    opens = np.ones(len(channels), bool)
    opens[1:] = (channels[1:] != channels[:-1]) | (first[1:] > last[:-1] + JOIN)
    closes = np.append(opens[1:], True)[: len(channels)]
    start = first[opens]
    return Windows(channels[opens], start, last[closes] - start, np.zeros(len(start), np.int64))
