"""Spikes and the windows around them: the samples that are kept (docs/format.md section 12.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.limits import MAX_CHUNK_FRAMES

JOIN = 6
"""Frames between two windows that are joined: to start anew costs more than so many frames."""


@dataclass
class Events:
    """Spikes in order of channel, then of time; int64 [events].

    channel : of each
    frame : of its threshold crossing, from the chunk's start on; where a window reaches into the chunk from one that is
        in front of it or behind it, it is below 0 or not below the chunk's length
    """

    channel: np.ndarray
    frame: np.ndarray

    def __len__(self) -> int:
        return len(self.channel)

    def select(self, which: np.ndarray) -> Events:
        """Return some of them."""
        return Events(self.channel[which], self.frame[which])

    def windows(self, before: int, after: int, frames: int) -> Windows:
        """Return the windows around them; those that touch, or almost, are one.

        Parameters
        ----------
        before, after : frames of a window before an event, and from it on
        frames : of the chunk, with whose ends windows end
        """
        channel = self.channel
        first, last = np.maximum(self.frame - before, 0), np.minimum(self.frame + after, frames)
        opens = np.ones(len(channel), bool)
        opens[1:] = (channel[1:] != channel[:-1]) | (first[1:] > last[:-1] + JOIN)
        closes = np.append(opens[1:], True)[: len(channel)]
        start = first[opens]
        return Windows(channel[opens], start, last[closes] - start, np.zeros(len(start), np.int64))


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

    def owners(self, events: Events) -> np.ndarray:
        """Return the window that each event has, int64 [events]."""
        begins = self.channel * MAX_CHUNK_FRAMES + self.start
        places = events.channel * MAX_CHUNK_FRAMES + np.maximum(events.frame, 0)
        return np.searchsorted(begins, places, "right") - 1

    def gaps(self) -> np.ndarray:
        """Return the frames between each and the one before it on its channel, or the chunk's start, int64."""
        before = np.concatenate([[0], self.stop[:-1]])
        before[np.concatenate([[True], self.channel[1:] != self.channel[:-1]])[: len(self)]] = 0
        return self.start - before[: len(self)]
