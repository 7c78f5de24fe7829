"""Finding the windows of blocks that follow each other: what is known of channels runs on from block to block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..options import Activity
from ..windows import Windows, around
from . import filters
from .offline import BUSIEST, DEAD_SECONDS, RAIL_SHARE, STRICTER, Watched, exact_type

_MEMORY_SECONDS = 4.0
"""Time over which samples at the ends of the range, and those in windows, are counted."""
_LEAST_SECONDS = 0.25
"""Time that a channel must have been seen before it counts as busy, and between two changes of its threshold."""
_EFFECT = 0.8
"""What a raised threshold is taken to leave of a channel's windows, until it is known."""
_CALM = 0.4
"""A channel's threshold is lowered again when it has less than this share of what makes it busy."""
MOST_RAISES = 24
_RAISES = np.cumprod([1.0] + [STRICTER] * MOST_RAISES)


@dataclass
class Spotted:
    """Events of a block, and the windows around them.

    windows : within the block
    channel, frame : int64 [events], of the block and of what is known behind it
    threshold : float64 [channels]
    below : bool [channels], whether channels are below their threshold at the block's end
    """

    windows: Windows
    channel: np.ndarray
    frame: np.ndarray
    threshold: np.ndarray
    below: np.ndarray


class Spotter:
    """Looks for spikes block by block.

    Parameters
    ----------
    channels : int
    options : Activity, with its rate
    low, high : the range of values
    """

    def __init__(self, channels: int, options: Activity, low: int, high: int):
        self._options, self._range = options, (low, high)
        self._taps = filters.band_taps(options.rate)
        self._dead = max(1, round(DEAD_SECONDS * options.rate))
        self._noise: filters.Noise | None = None
        self._seen = 0
        self._rails, self._busy = np.zeros((2, channels))
        self.raised, self._changed = np.zeros((2, channels), np.int64)
        self.begin()

    def begin(self) -> None:
        """What is coming has nothing to do with what was, but for the noise."""
        channels = len(self.raised)
        self._below, self._quiet_until, self.open_until = np.zeros(channels, bool), *np.zeros((2, channels), np.int64)

    @property
    def fresh(self) -> bool:
        """Whether nothing has been seen yet."""
        return self._noise is None

    def change_unit(self, factor: int, low: int, high: int) -> None:
        """Values are so many times as large from now on, and have another range."""
        self._range = low, high
        if self._noise is not None:
            self._noise.change_unit(factor)

    @property
    def noise(self) -> np.ndarray:
        """float64 [channels], in-band deviations, in values."""
        return self._noise.deviation / (1 << filters.TAP_BITS)

    @property
    def busy(self) -> np.ndarray:
        """float64 [channels], share of frames in windows of late."""
        return self._busy

    def spot(self, values: np.ndarray, frames: int) -> Spotted:
        """The windows of the next block.

        values : integers [reach + frames + before + reach, channels], with what is in front of it and behind
        """
        reach, before = len(self._taps) // 2, self._options.frames[0]
        filtered = filters.band(values[: frames + before + 2 * reach], self._taps, exact_type(self._range[1]))
        if self._noise is None:
            self._noise = filters.Noise(filtered[:frames])
        else:
            self._noise.update(filtered[:frames])
        block = values[reach : reach + frames]
        rails = ((block == self._range[0]) | (block == self._range[1])).mean(axis=0)
        self._count(self._rails, rails, frames)
        threshold = self._noise.deviation * self._options.threshold * _RAISES[self.raised]
        threshold[self._rails > RAIL_SHARE] = np.inf
        channel, frame = filters.crossings(filtered, threshold, self._dead, self._below)
        new = frame >= self._quiet_until[channel]
        channel, frame = channel[new], frame[new]
        made = self._windows(channel, frame, frames)
        return Spotted(made, channel, frame, threshold, filtered[frames - 1] < -threshold)

    def _count(self, share: np.ndarray, new: np.ndarray, frames: int) -> None:
        """Move running shares on by a block."""
        memory = min(self._seen + frames, max(_MEMORY_SECONDS * self._options.rate, frames))
        share += (new - share) * (frames / memory)

    def _windows(self, channel: np.ndarray, frame: np.ndarray, frames: int) -> Windows:
        """What goes on from the last block, what begins, and the front of what is about to."""
        before, after = self._options.frames
        going = np.flatnonzero(self.open_until > 0)
        channels = np.concatenate([going, channel])
        times = np.concatenate([self.open_until[going] - after, frame])
        order = np.lexsort((times, channels))
        made = around(channels[order], times[order], before, after, frames)
        made.start = np.minimum(made.start, frames)
        made.length = np.minimum(made.length, frames - made.start)
        return made.take(made.length > 0)

    def without(self, spotted: Spotted, dropped: np.ndarray) -> Spotted:
        """A block in which some channels (bool [channels]) have no windows."""
        stay, events = ~dropped[spotted.windows.channel], ~dropped[spotted.channel]
        windows = spotted.windows.take(stay)
        return Spotted(windows, spotted.channel[events], spotted.frame[events], spotted.threshold, spotted.below)

    def watched(self, spotted: Spotted) -> Watched:
        """As tents need it."""
        return Watched(spotted.windows, spotted.channel, spotted.frame, spotted.threshold, self.noise, self.raised)

    def advance(self, spotted: Spotted, frames: int, dropped: np.ndarray, room: bool = True) -> None:
        """Go on behind a block, as it was coded.

        dropped : bool [channels], whose windows were taken away; for want of room their thresholds are raised
        room : whether thresholds may be lowered
        """
        after, inside = self._options.frames[1], spotted.frame < frames
        self._below = spotted.below
        self.open_until = np.maximum(np.where(dropped, 0, self.open_until - frames), 0)
        self._quiet_until = np.maximum(self._quiet_until - frames, 0)
        channel, frame = spotted.channel[inside], spotted.frame[inside]
        np.maximum.at(self.open_until, channel, frame + after - frames)
        np.maximum.at(self._quiet_until, channel, frame + self._dead - frames)
        wanted = np.bincount(spotted.windows.channel, spotted.windows.length, len(dropped))
        self._count(self._busy, wanted / frames, frames)
        self._seen += frames
        self._changed += frames
        if self._seen >= _LEAST_SECONDS * self._options.rate:
            self._raise((self._busy > BUSIEST) | dropped, 1 + (self._busy > 1.5 * BUSIEST) + (self._busy > 2 * BUSIEST))
        if room:
            self._raise((self._busy < _CALM * BUSIEST) & (self.raised > 0), np.full(len(dropped), -1))

    def _raise(self, which: np.ndarray, steps: np.ndarray) -> None:
        """Raise or lower some channels' thresholds, if they have not been changed just now."""
        which = which & (self._changed >= _LEAST_SECONDS * self._options.rate)
        self.raised[which] = np.clip(self.raised[which] + steps[which], 0, MOST_RAISES)
        self._changed[which] = 0
        self._busy[which & (steps > 0)] *= _EFFECT
