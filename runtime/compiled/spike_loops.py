"""Compiled loops of spike mode: the band of channels, and where it goes below thresholds.

Signals are time-major. Channels go through the filter side by side, `_SIDE` at a time, so that a vector holds the same
frame of neighbouring channels.
"""

from __future__ import annotations

import numpy as np

from ..core.compiled import njit, njit_exact

_SIDE = 32
"""Channels side by side."""
_GROUP = 8
"""Pairs of taps that go through memory at once."""
_EMIT, _WORD, _WORD_MASK = np.uint64(36), np.uint64(32), np.uint64(0xFFFFFFFF)
_PRECISION = np.uint64(20)
_FRAMES = 512
"""Frames that are filtered at once."""


@njit_exact
def _load(values, first, count, frame, padding, out):
    """Copy some channels of some frames; those that are not there stay as they are, but for frames, which are 0."""
    for row in range(len(out)):
        t = frame + row - padding
        to = out[row]
        if 0 <= t < len(values):
            signal = values[t, first : first + count]
            for c in range(len(signal)):
                to[c] = signal[c]
        else:
            to[:] = 0


@njit_exact
def _centre(tap, values, out):
    for i in range(len(out)):
        out[i] = tap * values[i]


@njit_exact
def _store(result, out):
    for t in range(len(out)):
        signal, to = result[t], out[t]
        for c in range(len(to)):
            to[c] = signal[c]


@njit_exact
def _add(taps, early, late, out):
    """Add the products of eight pairs of taps, those for the earliest and the latest frames first."""
    a, b, c, d, e, f, g, h = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5], taps[6], taps[7]
    for i in range(len(out)):
        some = a * (early[i] + late[i + 7 * _SIDE]) + b * (early[i + _SIDE] + late[i + 6 * _SIDE])
        some += c * (early[i + 2 * _SIDE] + late[i + 5 * _SIDE]) + d * (early[i + 3 * _SIDE] + late[i + 4 * _SIDE])
        more = e * (early[i + 4 * _SIDE] + late[i + 3 * _SIDE]) + f * (early[i + 5 * _SIDE] + late[i + 2 * _SIDE])
        more += g * (early[i + 6 * _SIDE] + late[i + _SIDE]) + h * (early[i + 7 * _SIDE] + late[i])
        out[i] += some + more


@njit_exact
def _add_sums(taps, early, late, out):
    """Add the products of eight pairs of taps for sums of four frames, the earliest and the latest ones first."""
    a, b, c, d, e, f, g, h = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5], taps[6], taps[7]
    for i in range(len(out)):
        some = a * (early[i] + late[i + 28 * _SIDE]) + b * (early[i + 4 * _SIDE] + late[i + 24 * _SIDE])
        some += c * (early[i + 8 * _SIDE] + late[i + 20 * _SIDE]) + d * (early[i + 12 * _SIDE] + late[i + 16 * _SIDE])
        more = e * (early[i + 16 * _SIDE] + late[i + 12 * _SIDE]) + f * (early[i + 20 * _SIDE] + late[i + 8 * _SIDE])
        more += g * (early[i + 24 * _SIDE] + late[i + 4 * _SIDE]) + h * (early[i + 28 * _SIDE] + late[i])
        out[i] += some + more


@njit_exact
def _sum_fours(values, out):
    for i in range(len(out)):
        out[i] = (values[i] + values[i + _SIDE]) + (values[i + 2 * _SIDE] + values[i + 3 * _SIDE])


@njit
def _equal_fours(taps):
    """Return how many fours of equal taps follow each other at an end."""
    fours = 0
    while 4 * fours + 4 <= len(taps) // 2 and (taps[4 * fours : 4 * fours + 4] == taps[4 * fours]).all():
        fours += 1
    return fours


@njit
def band(values, taps, out):
    """Filter all channels.

    Parameters
    ----------
    values : integers [frames + 2 * reach, channels]
    taps : float32 or float64 [2 * reach + 1], symmetric; products and their sums are exact in this type. Fours of equal
        taps at the ends take the time of one.
    out : of the same type [frames, channels], filled in
    """
    frames, channels = out.shape
    reach, fours = len(taps) // 2, _equal_fours(taps)
    core = reach - 4 * fours
    near, far = (core + _GROUP - 1) // _GROUP * _GROUP, (fours + _GROUP - 1) // _GROUP * _GROUP
    wide = max(near, core + 4 * far)
    inner, outer = np.zeros(near, taps.dtype), np.zeros(far, taps.dtype)
    inner[near - core :], outer[far - fours :] = taps[4 * fours : reach], taps[: 4 * fours : 4]
    tile = np.zeros((_FRAMES + 2 * wide, _SIDE), taps.dtype)
    sums, result = np.zeros(tile.size, taps.dtype), np.zeros((_FRAMES, _SIDE), taps.dtype)
    flat, flat_result = tile.ravel(), result.ravel()
    for first in range(0, channels, _SIDE):
        count = min(_SIDE, channels - first)
        for frame in range(0, frames, _FRAMES):
            some = min(_FRAMES, frames - frame)
            rows = some + 2 * wide
            _load(values, first, count, frame, wide - reach, tile[:rows])
            part = flat_result[: some * _SIDE]
            _centre(taps[reach], flat[wide * _SIDE :], part)
            for k in range(0, near, _GROUP):
                early, late = wide - near + k, wide + near - k - _GROUP + 1
                _add(inner[k : k + _GROUP], flat[early * _SIDE :], flat[late * _SIDE :], part)
            if far:
                _sum_fours(flat, sums[: (rows - 3) * _SIDE])
            for k in range(0, far, _GROUP):
                early, late = wide - core - 4 * (far - k), wide + core + 1 + 4 * (far - k - _GROUP)
                _add_sums(outer[k : k + _GROUP], sums[early * _SIDE :], sums[late * _SIDE :], part)
            _store(result[:some], out[frame : frame + some, first : first + count])


@njit
def band_at_times(values, taps, every, out):
    """Filter all channels at some of their frames, `every` so many.

    Parameters
    ----------
    values : int16 [(times - 1) * every + 2 * reach + 1, channels]
    taps : float64 [2 * reach + 1], symmetric; products and their sums are exact
    out : float64 [times, channels], filled in
    """
    reach, (times, channels) = len(taps) // 2, out.shape
    wide = (reach + _GROUP - 1) // _GROUP * _GROUP
    front = np.zeros(wide)
    front[wide - reach :] = taps[:reach]
    tile, result = np.zeros(((times - 1) * every + 2 * wide + 1, _SIDE)), np.zeros((times, _SIDE))
    flat = tile.ravel()
    for first in range(0, channels, _SIDE):
        count = min(_SIDE, channels - first)
        _load(values, first, count, 0, wide - reach, tile)
        for time in range(times):
            begin, total = time * every, result[time]
            _centre(taps[reach], flat[(begin + wide) * _SIDE :], total)
            for k in range(0, wide, _GROUP):
                late = begin + 2 * wide - k - _GROUP + 1
                _add(front[k : k + _GROUP], flat[(begin + k) * _SIDE :], flat[late * _SIDE :], total)
        _store(result, out[:, first : first + count])


@njit_exact
def _convolve(taps, signal, out):
    for t in range(len(out)):
        total = 0.0
        for k in range(len(taps)):
            total += taps[k] * signal[t + k]
        out[t] = total


@njit
def band_at(values, channel, first, taps, out):
    """Filter some spans of signals, whose first and last frame go on at the ends.

    Parameters
    ----------
    values : integers [frames, channels]
    channel, first : int64 [spans], where they are
    taps : float64 [2 * reach + 1]
    out : float64 [spans, length], filled in
    """
    reach = len(taps) // 2
    signal = np.zeros(out.shape[1] + 2 * reach)
    for span in range(len(out)):
        for t in range(len(signal)):
            frame = min(max(first[span] - reach + t, 0), len(values) - 1)
            signal[t] = values[frame, channel[span]]
        _convolve(taps, signal, out[span])


@njit
def count_beyond(filtered, level, counts):
    """Count the frames in which the size of each channel is beyond its level, into int32 [channels]."""
    for t in range(len(filtered)):
        row = filtered[t]
        for c in range(len(counts)):
            counts[c] += abs(row[c]) > level[c]


@njit
def count_values(values, low, high, counts):
    """Count the frames in which each channel has one of two values, into int32 [channels]."""
    for t in range(len(values)):
        row = values[t]
        for c in range(len(counts)):
            counts[c] += (row[c] == low) | (row[c] == high)


@njit
def begins(filtered, threshold, below, channel, frame):
    """Find where channels go below minus their thresholds, in order of time; return how many there are.

    Parameters
    ----------
    filtered : float [frames, channels]
    threshold : of the same type [channels]
    below : bool [channels], whether channels were below before the first frame; afterwards, in the last one
    channel, frame : int64 [n], filled in as far as they go
    """
    found, row_begins = 0, np.zeros(len(below), np.bool_)
    for t in range(len(filtered)):
        row, some = filtered[t], False
        for c in range(len(below)):
            under = row[c] < -threshold[c]
            row_begins[c] = under & ~below[c]
            some |= row_begins[c]
            below[c] = under
        if some:
            for c in range(len(below)):
                if row_begins[c]:
                    if found < len(channel):
                        channel[found], frame[found] = c, t
                    found += 1
    return found


@njit
def encode_lanes(start, frequency, states, words):
    """Code all steps of all lanes, the last one first; return where the words begin.

    Parameters
    ----------
    start, frequency : uint32 [steps, lanes]
    states : uint64 [lanes], which are moved on
    words : uint32 [steps * lanes], filled in from the end
    """
    steps, lanes = start.shape
    place = len(words)
    for t in range(steps - 1, -1, -1):
        for lane in range(lanes - 1, -1, -1):
            state, share = states[lane], np.uint64(frequency[t, lane])
            if state >= share << _EMIT:
                place -= 1
                words[place] = state & _WORD_MASK
                state >>= _WORD
            states[lane] = (state // share << _PRECISION) + state % share + np.uint64(start[t, lane])
    return place


@njit
def look_up(table, values, offset, out):
    """Look up int16 [frames, channels] in a table int16, whose place 0 is that of the value -offset."""
    flat, found = values.ravel(), out.ravel()
    for i in range(len(flat)):
        found[i] = table[flat[i] + offset]
