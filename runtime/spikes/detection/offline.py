"""Find the windows of a chunk: crossings of every channel, within limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..options import SpikeOptions
from ..windows import Events, Windows
from . import filters

_GROUP = 64
"""Channels that are filtered at once."""
DEAD_SECONDS = 0.001
"""Time after a crossing in which there is no other."""
MAX_FIRING_LOAD = 0.25
"""Share of a channel's frames that may be in windows; a channel with more has its threshold raised."""
RAISE_FACTOR = 1.15
"""Factor by which raising a threshold multiplies it."""
SATURATED_SHARE = 0.005
"""Share of samples at the ends of the range from which on a channel counts as saturated and has no windows."""


@dataclass
class Detections:
    """The spikes of a chunk or block.

    events : Events whose windows reach into it
    windows : these
    channel, frame : int64 [n], threshold crossings that were found
    threshold : float64 [channels], positive, in units of the filtered signal; infinite for channels without a detector
    noise : float64 [channels], in-band deviations, in values; 0 for channels without a detector
    raised : int64 [channels], by how many steps thresholds are raised
    """

    events: Events
    windows: Windows
    channel: np.ndarray
    frame: np.ndarray
    threshold: np.ndarray
    noise: np.ndarray
    raised: np.ndarray


def exact_type(high: int) -> type:
    """Return the float type in which sums of the filter are exact, for values up to some size."""
    return np.float32 if high <= 1 << 10 else np.float64


def dead_frames(sample_rate: float) -> int:
    """Return the frames after a crossing in which there is no other."""
    return max(1, round(DEAD_SECONDS * sample_rate))


def detect(values: np.ndarray, options: SpikeOptions, low: int, high: int, most: int | None = None) -> Detections:
    """Return the spikes of a chunk.

    Parameters
    ----------
    values : integers [frames, channels]
    low, high : range of the values
    most : frames that a channel may have in windows; thresholds of channels with more are raised
    """
    frames, channels = values.shape
    if most is None:
        most = max(int(frames * MAX_FIRING_LOAD), 4 * sum(options.window_frames))
    threshold, noise, raised = np.full(channels, np.inf), np.zeros(channels), np.zeros(channels, np.int64)
    found = [np.zeros((2, 0), np.int64)]
    for first in range(0, channels, _GROUP):
        group = values[:, first : first + _GROUP]
        saturated = ((group == low) | (group == high)).mean(axis=0) > SATURATED_SHARE
        live = first + np.flatnonzero(~saturated & (group.min(axis=0) != group.max(axis=0)))
        if not len(live):
            continue
        filtered = filters.band_of(values[:, live], options.sample_rate, exact_type(high))
        deviation = filters.Noise(filtered, options.sample_rate).deviation
        limit, raises = deviation * options.threshold, np.zeros(len(live), np.int64)
        channel, frame = _limited(filtered, limit, raises, most, options)
        found.append(np.stack([live[channel], frame]))
        threshold[live], noise[live], raised[live] = limit, deviation / (1 << filters.TAP_BITS), raises
    channel, frame = np.concatenate(found, axis=1)
    events = Events(channel, frame)
    return Detections(events, events.windows(*options.window_frames, frames), channel, frame, threshold, noise, raised)


def _limited(
    filtered: np.ndarray, threshold: np.ndarray, raises: np.ndarray, most: int, options: SpikeOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Return the crossings; raise the thresholds of channels with more than `most` frames in windows, in place."""
    dead, window = dead_frames(options.sample_rate), options.window_frames
    channel, frame = filters.crossings(filtered, threshold, dead)
    while len(channel):
        windows = Events(channel, frame).windows(*window, len(filtered))
        beyond = np.flatnonzero(np.bincount(windows.channel, windows.length, len(threshold)) > most)
        if not len(beyond):
            break
        threshold[beyond] *= RAISE_FACTOR
        raises[beyond] += 1
        fewer, times = filters.crossings(filtered[:, beyond], threshold[beyond], dead)
        keep = ~np.isin(channel, beyond)
        channel, frame = np.concatenate([channel[keep], beyond[fewer]]), np.concatenate([frame[keep], times])
        order = np.lexsort((frame, channel))
        channel, frame = channel[order], frame[order]
    return channel, frame
