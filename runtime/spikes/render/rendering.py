"""Draw what lies between windows: docs/format.md section 12.3. Integers only, so that all decoders agree.

Values are codes -512..511 on the implant's table, and samples of other recordings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiled.choice import line_loops
from ..bins import Units
from ..shape import ChunkShape
from ..windows import Windows
from .lfp import Lfp, half_of, interpolate, padded, weights

_WINDOW = 1e-4
"""Seconds that numpy takes for a window."""


@dataclass
class Lines:
    """Ends of the lines of every channel.

    base : level of a quiet channel, and where lines end
    level : int64 [channels], level in front of the first frame
    """

    base: int
    level: np.ndarray


def line(first: int, last: int, steps: int) -> np.ndarray:
    """Return the values at 1..steps - 1 of `steps` from `first` to `last`, rounded (halves up)."""
    t = np.arange(1, steps, dtype=np.int64)
    return first + (2 * (last - first) * t + steps) // (2 * steps)


def correction_pulse(height: int, before: int, step: int) -> np.ndarray:
    """Return what is added to the 2 * before frames in front of a window: up to height * step and down again."""
    distance = np.abs(np.arange(2 * before, dtype=np.int64) - before)
    return (2 * height * step * (before - distance) + before) // (2 * before)


def render_channel(
    shape: ChunkShape, lines: Lines, channel: int, windows: Windows, values: np.ndarray, curve: np.ndarray | None = None
) -> np.ndarray:
    """Return all values of a channel, int64 [frames], before they are cut to the range of values.

    Parameters
    ----------
    windows : of the channel
    values : int64, of its windows' samples
    curve : int64 [frames], the field potential if there is one; lines are then deviations from it
    """
    out = np.full(shape.frames, lines.level[channel], np.int64) if curve is None else curve.copy()
    spans = zip(windows.start.tolist(), windows.length.tolist(), windows.correction.tolist(), strict=True)
    begin, at, level = 0, -1, int(lines.level[channel])
    for start, length, height in spans:
        part = values[begin : begin + length]
        if curve is None:
            out[at + 1 : start] = line(level, int(part[0]), start - at)
        elif start > at + 1:
            _blend(out, curve, (at, level), (start, int(part[0])), shape.before)
        if height:
            first = max(at + 1, start - 2 * shape.before)
            pulse = correction_pulse(height, shape.before, shape.correction_step)
            out[first:start] += pulse[2 * shape.before - (start - first) :]
        out[start : start + length] = part
        begin, at, level = begin + length, start + length - 1, int(part[-1])
    if at >= 0:
        if curve is not None:
            _blend(out, curve, (at, level), (shape.frames, None), shape.before)
        else:
            out[at + 1 :] = line(level, lines.base, shape.frames - at)
    return out


def render_all(
    shape: ChunkShape, units: Units, lines: Lines, windows: Windows, values: np.ndarray, lfp: Lfp | None
) -> np.ndarray:
    """Return all values of all channels, int16 [frames, channels], from those in windows, int64 [samples]."""
    out = np.empty((shape.frames, len(lines.level)), np.int16)
    channels = np.arange(out.shape[1])
    if lfp is None:
        out[:], channels = lines.level, np.unique(windows.channel)
    draw(out, (shape, units, lines), windows, values, lfp, channels)
    return out


def draw(
    out: np.ndarray,
    how: tuple[ChunkShape, Units, Lines],
    windows: Windows,
    values: np.ndarray,
    lfp: Lfp | None,
    channels: np.ndarray,
) -> None:
    """Draw some channels into int16 [frames, channels].

    Parameters
    ----------
    windows, values : of these channels
    channels : int64, increasing; without a field potential each has windows
    """
    shape, units, lines = how
    loops = line_loops(_WINDOW * len(windows))
    pulse, limits = (shape.before, shape.correction_step), (units.low, units.high)
    columns = windows.channel, windows.start, windows.length, windows.correction
    if loops is not None and lfp is None:
        loops.draw_lines(pulse, (lines.base, lines.level), columns, values, limits, out)
        return
    if loops is not None and lfp is not None:
        weight = weights(lfp.spacing, np.arange(lfp.spacing))
        curves = padded(lfp.values(channels)), weight, half_of(lfp.spacing), channels
        loops.draw_curves(pulse, curves, columns, values, limits, out)
        return
    offset = windows.offset
    for channel in channels.tolist():
        own = windows.of_channel(channel)
        curve = None if lfp is None else interpolate(lfp.values(np.array([channel]))[0], lfp.spacing, shape.frames)
        part = values[offset[own.start] : offset[own.stop]]
        drawn = render_channel(shape, lines, channel, windows.select(own), part, curve)
        out[:, channel] = np.clip(drawn, units.low, units.high)


def _blend(out: np.ndarray, curve: np.ndarray, last: tuple[int, int], first: tuple[int, int | None], fade: int) -> None:
    """Add the deviations of two windows from a curve to the gap between them: they fade to 0, or into each other.

    Parameters
    ----------
    last : frame and value of the last sample of the window in front; frame -1 where there is none
    first : frame and value of the first sample of the window behind; value None where there is none
    fade : frames
    """
    (at, level), (start, value) = last, first
    ahead = None if value is None else value - int(curve[start])
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
