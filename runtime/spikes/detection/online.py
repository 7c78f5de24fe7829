"""Find the windows of blocks that follow each other: what is known of channels goes on from block to block."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..options import SpikeOptions
from ..windows import Events
from . import filters
from .offline import MAX_FIRING_LOAD, RAISE_FACTOR, SATURATED_SHARE, Detections, dead_frames, exact_type
from .running_band import RunningBand

_MEMORY_SECONDS = 4.0
"""Time over which saturation and firing load are averaged."""
_FIRST_SECONDS = 1.0
"""Time over which they are averaged at least, with zeros before the stream."""
_LEAST_SECONDS = 0.25
"""Time between two changes of a channel's threshold."""
_EFFECT = 0.8
"""Assumed share of its load that a channel keeps when its threshold is raised."""
_CALM = 0.4
"""Share of the highest load below which a raised threshold is lowered again."""
_DOUBT, _MOST_DOUBT = 0.012, 0.03
"""Share by which thresholds are lowered a second after a stream's beginning, and at most: the noise is not well known
then. It falls with the root of time."""
MOST_RAISES = 24
_RAISES = np.cumprod([1.0] + [RAISE_FACTOR] * MOST_RAISES)


_DEPTH_SECONDS = 0.0006
"""Time after a crossing in which its depth is looked for."""
_STALE = 0.1
"""Thresholds by which each further window of a channel in a block counts as less clear."""


@dataclass
class BlockDetections(Detections):
    """The spikes of a block.

    depth : float64 [n], least values of the band after crossings, in thresholds
    """

    depth: np.ndarray

    def clarity(self) -> np.ndarray:
        """Return how far each window passes its threshold, float64 [windows].

        Infinite where it was begun in the block before and has no crossing of its own. Each further window of a
        channel counts as a little less clear, so that no channel crowds out others.
        """
        clear = np.full(len(self.windows), -np.inf)
        np.maximum.at(clear, self.windows.owners(Events(self.channel, self.frame)), self.depth)
        clear[np.isneginf(clear)] = np.inf
        order = np.lexsort((-clear, self.windows.channel))
        rank = np.arange(len(order)) - np.searchsorted(self.windows.channel, self.windows.channel)
        out = np.empty(len(order))
        out[order] = clear[order] - _STALE * rank
        return out

    def only(self, kept: np.ndarray) -> BlockDetections:
        """Return these without some windows; `kept` is bool [windows]."""
        crossings = kept[self.windows.owners(Events(self.channel, self.frame))]
        return replace(
            self,
            events=self.events.select(kept[self.windows.owners(self.events)]),
            windows=self.windows.select(kept),
            channel=self.channel[crossings],
            frame=self.frame[crossings],
            depth=self.depth[crossings],
        )


@dataclass
class _Open:
    """What goes on from the last block; [channels].

    below : bool, whether a channel is below its threshold
    dead : int64, frames of the next block without a crossing
    window : int64, frames of the next block in a window that is open
    """

    below: np.ndarray
    dead: np.ndarray
    window: np.ndarray

    @classmethod
    def none(cls, channels: int) -> _Open:
        return cls(np.zeros(channels, bool), *np.zeros((2, channels), np.int64))


class OnlineDetector:
    """Detects spikes block by block.

    Parameters
    ----------
    channels : int
    options : SpikeOptions, with a sample rate
    low, high : range of the values

    Attributes
    ----------
    raised : int64 [channels], by how many steps thresholds are raised now
    firing_load : float64 [channels], share of frames in windows of late
    """

    def __init__(self, channels: int, options: SpikeOptions, low: int, high: int):
        self._options, self._range = options, (low, high)
        self._noise: filters.Noise | None = None
        self._band = RunningBand(options.sample_rate)
        self._seen = 0
        self._saturation, self.firing_load = np.zeros((2, channels))
        self.raised, self._changed = np.zeros((2, channels), np.int64)
        self._open = _Open.none(channels)
        self._ends_below = self._open.below

    def restart(self) -> None:
        """Begin a new recording of the same channels."""
        self._open = _Open.none(len(self.raised))

    @property
    def is_fresh(self) -> bool:
        """Whether nothing has been seen yet."""
        return self._noise is None

    @property
    def open_frames(self) -> np.ndarray:
        """Frames of the next block in windows that are open, int64 [channels]."""
        return self._open.window

    def change_unit(self, factor: int, low: int, high: int) -> None:
        """Go on with values that are `factor` times as large, and of another range."""
        self._range = low, high
        self._band.clear()
        if self._noise is not None:
            self._noise.change_unit(factor)

    def prepare(self, values: np.ndarray, frames: int) -> None:
        """Begin to filter the next block: frames of it that everything is known around. `values` as in `detect`."""
        self._band.go_on(values, frames, exact_type(self._range[1]))

    def detect(self, values: np.ndarray, frames: int) -> BlockDetections:
        """Return the spikes of the next block, and of what is known behind it; windows end with the block.

        values : integers [reach + frames + ahead, channels], with what is in front of it and known behind; the last
            frame is assumed to go on
        """
        reach, before = self._band.reach, self._options.window_frames[0]
        filtered = self._band.finish(values, frames + before, exact_type(self._range[1]))
        if self._noise is None:
            self._noise = filters.Noise(filtered[:frames], self._options.sample_rate)
        else:
            self._noise.update(filtered[:frames])
        ends = filters.count_values(values[reach : reach + frames], *self._range)
        self._average(self._saturation, ends / frames, frames)
        threshold = self._noise.deviation * self._options.threshold * _RAISES[self.raised] * self._certainty(frames)
        threshold[self._saturation > SATURATED_SHARE] = np.inf
        dead = dead_frames(self._options.sample_rate)
        channel, frame = filters.crossings(filtered, threshold, dead, self._open.below)
        new = frame >= self._open.dead[channel]
        channel, frame = channel[new], frame[new]
        self._ends_below = filtered[frames - 1] < -threshold
        events = self._events(channel, frame, frames)
        windows = events.windows(*self._options.window_frames, frames)
        noise = self._noise.deviation / (1 << filters.TAP_BITS)
        behind = frame[:, None] + np.arange(1 + int(_DEPTH_SECONDS * self._options.sample_rate))
        least = filtered[np.minimum(behind, len(filtered) - 1), channel[:, None]].min(axis=1, initial=0)
        depth = -least / threshold[channel]
        return BlockDetections(events, windows, channel, frame, threshold, noise, self.raised, depth)

    def _certainty(self, frames: int) -> float:
        """Return the factor of all thresholds in the next block."""
        seconds = (self._seen + frames) / self._options.sample_rate
        return 1 - min(_DOUBT / math.sqrt(seconds), _MOST_DOUBT)

    def _average(self, share: np.ndarray, new: np.ndarray, frames: int) -> None:
        """Move running shares on by a block."""
        first, most = (seconds * self._options.sample_rate for seconds in (_FIRST_SECONDS, _MEMORY_SECONDS))
        memory = max(min(max(self._seen + frames, first), most), frames)
        share += (new - share) * (frames / memory)

    def _events(self, channel: np.ndarray, frame: np.ndarray, frames: int) -> Events:
        """Return the events of windows that are open, of those that begin, and of those that begin with their front."""
        before, after = self._options.window_frames
        going = np.flatnonzero(self._open.window > 0)
        near = frame < frames + before
        channels = np.concatenate([going, channel[near]])
        times = np.concatenate([self._open.window[going] - after, frame[near]])
        order = np.lexsort((times, channels))
        return Events(channels[order], times[order])

    def advance(self, coded: Detections, frames: int) -> None:
        """Go on behind a block, as it was coded."""
        after, inside = self._options.window_frames[1], coded.frame < frames
        dead = dead_frames(self._options.sample_rate)
        window = np.maximum(np.where(self._goes_on(coded), self._open.window - frames, 0), 0)
        quiet = np.maximum(self._open.dead - frames, 0)
        channel, frame = coded.channel[inside], coded.frame[inside]
        np.maximum.at(window, channel, frame + after - frames)
        np.maximum.at(quiet, channel, frame + dead - frames)
        self._open = _Open(self._ends_below, quiet, window)
        kept = np.bincount(coded.windows.channel, coded.windows.length, len(window))
        self._average(self.firing_load, kept / frames, frames)
        self._seen += frames
        self._changed += frames
        load = self.firing_load / MAX_FIRING_LOAD
        self._raise(load > 1, 1 + (load > 1.5) + (load > 2))
        self._raise((load < _CALM) & (self.raised > 0), np.full(len(load), -1))

    def _goes_on(self, coded: Detections) -> np.ndarray:
        """Return which channels have a window from the first frame on, bool [channels]."""
        out = np.zeros(len(self.raised), bool)
        out[coded.windows.channel[coded.windows.start == 0]] = True
        return out

    def _raise(self, which: np.ndarray, steps: np.ndarray) -> None:
        """Raise or lower the thresholds of some channels, unless they were changed just now."""
        which = which & (self._changed >= _LEAST_SECONDS * self._options.sample_rate)
        self.raised = self.raised.copy()
        self.raised[which] = np.clip(self.raised[which] + steps[which], 0, MOST_RAISES)
        self._changed[which] = 0
        self.firing_load[which & (steps > 0)] *= _EFFECT
