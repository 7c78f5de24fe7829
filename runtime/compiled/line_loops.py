"""Compiled loops that draw what lies between spike windows (docs/format.md, 12.3)."""

from __future__ import annotations

import numpy as np

from ..core.compiled import njit


@njit
def _line(out, channel, begin, end, first, last, low, high):
    """Draw the values between two frames, rounded (halves up), cut to a range."""
    steps = end - begin
    whole, part = (2 * (last - first)) // (2 * steps), (2 * (last - first)) % (2 * steps)
    value, rest = first, steps
    for t in range(begin + 1, end):
        value, rest = value + whole, rest + part
        if rest >= 2 * steps:
            value, rest = value + 1, rest - 2 * steps
        out[t, channel] = min(max(value, low), high)


@njit
def draw_lines(shape, ends, windows, values, limits, out):
    """Draw all channels that have windows, without a field potential.

    Parameters
    ----------
    shape : (frames in front of a crossing, unit of correction pulses)
    ends : (base, level int64 [channels]), see `Lines`
    windows : (channel, start, length, correction), int64 [windows]
    values : int64 [samples], in order of window
    limits : (low, high), range of the values
    out : int16 [frames, channels], which holds the level of channels without windows
    """
    (before, unit), (base, levels), (low, high) = shape, ends, limits
    channel, start, length, correction = windows
    frames, place = len(out), 0
    for number in range(len(channel)):
        c, begin = channel[number], start[number]
        if number == 0 or channel[number - 1] != c:
            at, level = -1, levels[c]
        height, front = correction[number], values[place]
        if height == 0:
            _line(out, c, at, begin, level, front, low, high)
        else:
            _line_with_pulse(out, c, (at, begin), (level, front), (before, 2 * height * unit), (low, high))
        for k in range(length[number]):
            out[begin + k, c] = min(max(values[place + k], low), high)
        place += length[number]
        at, level = begin + length[number] - 1, values[place - 1]
        if number + 1 == len(channel) or channel[number + 1] != c:
            _line(out, c, at, frames, level, base, low, high)


@njit
def _line_with_pulse(out, channel, span, ends, pulse, limits):
    """Draw a line, and a correction pulse at its end."""
    (begin, end), (first, last), (before, rise), (low, high) = span, ends, pulse, limits
    steps = end - begin
    for t in range(begin + 1, end):
        value = _between(first, last, steps, t - begin) + _pulse(rise, before, end - t)
        out[t, channel] = min(max(value, low), high)


@njit
def _between(first, last, steps, place):
    """Return a value of a line, rounded (halves up)."""
    return first + (2 * (last - first) * place + steps) // (2 * steps)


@njit
def _pulse(rise, before, ahead):
    """Return what a correction pulse of half the rise adds so many frames in front of its window."""
    if ahead > 2 * before:
        return 0
    return (rise * (before - abs(before - ahead)) + before) // (2 * before)


@njit
def _draw_gap(row, curve, span, ends, pulse):
    """Draw the curve between two windows, whose deviations from it fade to 0 or into each other.

    Parameters
    ----------
    span : last frame of the window in front, or -1, and first one of the window behind, or the number of frames
    ends : whether there are windows, and their deviations
    pulse : frames in front of a crossing, which is how long a deviation fades, and twice the height of a pulse
    """
    (at, start), (is_behind, is_ahead, behind, ahead), (before, rise) = span, ends, pulse
    gap = start - at - 1
    steps = min(before, gap + 1)
    for t in range(at + 1, start):
        value = curve[t]
        if is_behind and is_ahead and gap < 2 * before:
            value += _between(behind, ahead, gap + 1, t - at)
        else:
            if is_behind and t - at < steps:
                value += _between(behind, 0, steps, t - at)
            if is_ahead and start - t < steps:
                value += _between(0, ahead, steps, steps - (start - t))
        if rise != 0:
            value += _pulse(rise, before, start - t)
        row[t] = value


@njit
def _interpolate(knots, weights, half, out):
    """Draw the curve of a channel: `padded` and `weights` of runtime/spikes/render/lfp.py; int64 [frames].

    half : of what sums are divided by
    """
    spacing = len(weights)
    for place in range((len(out) + spacing - 1) // spacing):
        a, b, c, d = knots[place], knots[place + 1], knots[place + 2], knots[place + 3]
        part = out[place * spacing : (place + 1) * spacing]
        for f in range(len(part)):
            total = weights[f, 0] * a + weights[f, 1] * b + weights[f, 2] * c + weights[f, 3] * d
            part[f] = (total + half) // (2 * half)


@njit
def draw_curves(shape, curves, windows, values, limits, out):
    """Draw channels with a field potential; parameters as in `draw_lines`, and its values.

    Parameters
    ----------
    curves : (knots int64 [some, knots + 3], weights int64 [spacing, 4], half, channels int64 [some]); see
        `_interpolate`
    out : int16 [frames, channels]
    """
    (before, unit), (low, high), (knots, weights, half, channels) = shape, limits, curves
    channel, start, length, correction = windows
    frames = len(out)
    number, place, row, curve = 0, 0, np.empty(frames, np.int64), np.empty(frames, np.int64)
    for i in range(len(channels)):
        c, at, behind = channels[i], -1, 0
        _interpolate(knots[i], weights, half, curve)
        while number < len(channel) and channel[number] == c:
            begin, rise = start[number], 2 * correction[number] * unit
            ahead = values[place] - curve[begin]
            _draw_gap(row, curve, (at, begin), (at >= 0, True, behind, ahead), (before, rise))
            for k in range(length[number]):
                row[begin + k] = values[place + k]
            place += length[number]
            at = begin + length[number] - 1
            behind = values[place - 1] - curve[at]
            number += 1
        _draw_gap(row, curve, (at, frames), (at >= 0, False, behind, 0), (before, 0))
        for t in range(frames):
            out[t, c] = min(max(row[t], low), high)
