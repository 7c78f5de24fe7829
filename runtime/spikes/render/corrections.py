"""What is shown between windows: docs/format.md section 12. Whole numbers only, so that all decoders agree.

Values are codes -512..511 on the implant's table, and samples of other recordings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..windows import Windows
from .lfp import SlowBand

_CURVE_SAMPLES = 1 << 20
"""Samples of slow bands that are drawn at once."""


@dataclass(frozen=True)
class Frame:
    """What holds for all channels of a chunk.

    frames : of the chunk
    before : frames in front of a crossing; half the length of a tent
    lift_step : height of a tent's unit
    low, high : least and largest value
    """

    frames: int
    before: int
    lift_step: int
    low: int
    high: int


@dataclass
class Lines:
    """Where the lines of a channel begin and end; int64 [channels].

    base : what a quiet channel is, and where lines end that do not hold
    level : in front of the first frame
    hold : whether the last window's last value is held to the end, not led to the base
    """

    base: int
    level: np.ndarray
    hold: np.ndarray


def line(first: int, last: int, steps: int) -> np.ndarray:
    """Values at 1..steps - 1 of `steps` from `first` to `last`, rounded (halves up)."""
    t = np.arange(1, steps, dtype=np.int64)
    return first + (2 * (last - first) * t + steps) // (2 * steps)


def tent(lift: int, before: int, step: int) -> np.ndarray:
    """What a lift adds to the 2 * before frames in front of a window: up to lift * step and down again."""
    distance = np.abs(np.arange(2 * before, dtype=np.int64) - before)
    return (2 * lift * step * (before - distance) + before) // (2 * before)


def render_channel(
    frame: Frame, lines: Lines, channel: int, windows: Windows, values: np.ndarray, curve: np.ndarray | None = None
) -> np.ndarray:
    """All values of a channel, int64 [frames].

    Parameters
    ----------
    windows : the channel's
    values : int64, of its windows' samples
    curve : int64 [frames], the slow band if there is one: windows then lie on it, and lines are what they deviate by
    """
    out = np.full(frame.frames, lines.level[channel], np.int64) if curve is None else curve.copy()
    begin = 0
    spans = zip(windows.start.tolist(), windows.length.tolist(), windows.lift.tolist(), strict=True)
    at, level = -1, int(lines.level[channel])
    for start, length, lift in spans:
        part = values[begin : begin + length]
        if curve is None:
            out[at + 1 : start] = line(level, int(part[0]), start - at)
        elif start > at + 1:
            _blend(out, curve, at, level, start, int(part[0]), frame.before)
        if lift:
            first = max(at + 1, start - 2 * frame.before)
            out[first:start] += tent(lift, frame.before, frame.lift_step)[2 * frame.before - (start - first) :]
        out[start : start + length] = part
        begin, at, level = begin + length, start + length - 1, int(part[-1])
    if at >= 0:
        if curve is not None:
            _blend(out, curve, at, level, frame.frames, None, frame.before)
        elif lines.hold[channel]:
            out[at + 1 :] = level
        else:
            out[at + 1 :] = line(level, lines.base, frame.frames - at)
    return np.clip(out, frame.low, frame.high)


def render_all(
    frame: Frame, lines: Lines, windows: Windows, values: np.ndarray, band: SlowBand | None = None
) -> np.ndarray:
    """All values of all channels, int16 [frames, channels], from those in windows, int64 [samples]."""
    channels, offset = len(lines.level), windows.offset
    out = np.empty((frame.frames, channels), np.int16)
    some = channels if band is None else max(1, _CURVE_SAMPLES // frame.frames)
    for first in range(0, channels, some):
        group = slice(first, first + some)
        curves = None if band is None else band.curves(group)
        out[:, group] = lines.level[group] if curves is None else np.clip(curves, frame.low, frame.high).T
        inside = windows.channel[slice(*np.searchsorted(windows.channel, [first, first + some]))]
        for channel in np.unique(inside).tolist():
            own = windows.of_channel(channel)
            part = values[offset[own.start] : offset[own.stop]]
            curve = None if curves is None else curves[channel - first]
            out[:, channel] = render_channel(frame, lines, channel, windows.take(own), part, curve)
    return out


def _blend(out: np.ndarray, curve: np.ndarray, at: int, level: int, start: int, first: int | None, fade: int) -> None:
    """Between two windows on a slow curve: their deviations from it fade to nothing, or into each other."""
    ahead = None if first is None else first - int(curve[start])
    behind = level - int(curve[at]) if at >= 0 else None
    gap = start - at - 1
    if ahead is not None and behind is not None and gap < 2 * fade:
        out[at + 1 : start] += line(behind, ahead, gap + 1)
        return
    steps = min(fade, gap + 1)
    if behind is not None:
        out[at + 1 : at + steps] += line(behind, 0, steps)
    if ahead is not None:
        out[start - steps + 1 : start] += line(0, ahead, steps)
