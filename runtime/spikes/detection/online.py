"""Find the windows of blocks that follow each other: what is known of channels goes on from block to block."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..options import SpikeOptions
from ..windows import Windows, around
from . import filters
from .offline import MAX_FIRING_LOAD, RAISE_FACTOR, SATURATED_SHARE, Detections, dead_frames, exact_type

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
_DOUBT, _MOST_DOUBT = 0.015, 0.04
"""Share by which thresholds are lowered a second after a stream's beginning, and at most: the noise is not well known
then. It falls with the root of time."""
MOST_RAISES = 24
_RAISES = np.cumprod([1.0] + [RAISE_FACTOR] * MOST_RAISES)


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
        if self._noise is not None:
            self._noise.change_unit(factor)

    def detect(self, values: np.ndarray, frames: int) -> Detections:
        """Return the spikes of the next block, and of what is known behind it; windows end with the block.

        values : integers [reach + frames + ahead, channels], with what is in front of it and known behind; the last
            frame is assumed to go on
        """
        taps, before = filters.band_taps(self._options.sample_rate), self._options.window_frames[0]
        reach = len(taps) // 2
        unknown = np.repeat(values[-1:], frames + before + 2 * reach - len(values), axis=0)
        filtered = filters.band(np.concatenate([values, unknown]), taps, exact_type(self._range[1]))
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
        windows = self._windows(channel, frame, frames)
        noise = self._noise.deviation / (1 << filters.TAP_BITS)
        return Detections(windows, channel, frame, threshold, noise, self.raised)

    def _certainty(self, frames: int) -> float:
        """Return the factor of all thresholds in the next block."""
        seconds = (self._seen + frames) / self._options.sample_rate
        return 1 - min(_DOUBT / math.sqrt(seconds), _MOST_DOUBT)

    def _average(self, share: np.ndarray, new: np.ndarray, frames: int) -> None:
        """Move running shares on by a block."""
        first, most = (seconds * self._options.sample_rate for seconds in (_FIRST_SECONDS, _MEMORY_SECONDS))
        memory = max(min(max(self._seen + frames, first), most), frames)
        share += (new - share) * (frames / memory)

    def _windows(self, channel: np.ndarray, frame: np.ndarray, frames: int) -> Windows:
        """Return the windows that are open, those that begin, and the front of those whose crossing is behind."""
        before, after = self._options.window_frames
        going = np.flatnonzero(self._open.window > 0)
        channels = np.concatenate([going, channel])
        times = np.concatenate([self._open.window[going] - after, frame])
        order = np.lexsort((times, channels))
        windows = around(channels[order], times[order], before, after, frames)
        windows.start = np.minimum(windows.start, frames)
        windows.length = np.minimum(windows.length, frames - windows.start)
        return windows.select(windows.length > 0)

    def advance(self, coded: Detections, frames: int, dropped: np.ndarray, may_lower: bool = True) -> None:
        """Go on behind a block, as it was coded.

        dropped : bool [channels], whose windows were left out for want of bytes; their thresholds are raised
        may_lower : whether thresholds may be lowered
        """
        after, inside = self._options.window_frames[1], coded.frame < frames
        dead = dead_frames(self._options.sample_rate)
        window = np.maximum(np.where(dropped, 0, self._open.window - frames), 0)
        quiet = np.maximum(self._open.dead - frames, 0)
        channel, frame = coded.channel[inside], coded.frame[inside]
        np.maximum.at(window, channel, frame + after - frames)
        np.maximum.at(quiet, channel, frame + dead - frames)
        self._open = _Open(self._ends_below, quiet, window)
        kept = np.bincount(coded.windows.channel, coded.windows.length, len(dropped))
        self._average(self.firing_load, kept / frames, frames)
        self._seen += frames
        self._changed += frames
        load = self.firing_load / MAX_FIRING_LOAD
        self._raise((load > 1) | dropped, 1 + (load > 1.5) + (load > 2))
        if may_lower:
            self._raise((self.firing_load < _CALM * MAX_FIRING_LOAD) & (self.raised > 0), np.full(len(dropped), -1))

    def _raise(self, which: np.ndarray, steps: np.ndarray) -> None:
        """Raise or lower the thresholds of some channels, unless they were changed just now."""
        which = which & (self._changed >= _LEAST_SECONDS * self._options.sample_rate)
        self.raised = self.raised.copy()
        self.raised[which] = np.clip(self.raised[which] + steps[which], 0, MOST_RAISES)
        self._changed[which] = 0
        self.firing_load[which & (steps > 0)] *= _EFFECT


def without(found: Detections, dropped: np.ndarray) -> Detections:
    """Return what is found in a block where some channels (bool [channels]) have no windows."""
    stay, events = ~dropped[found.windows.channel], ~dropped[found.channel]
    windows = found.windows.select(stay)
    return replace(found, windows=windows, channel=found.channel[events], frame=found.frame[events])
