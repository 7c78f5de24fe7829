"""Compiled loops of the coding `rans`: from the samples of a chunk to the words of its lanes, and back."""

from __future__ import annotations

import numpy as np

from ..core.compiled import njit
from .adaptive_kernels import adapt, begin_adaptive, foresee, new_memory
from .kernels import (
    CENTRE,
    LEAD,
    LOCATION,
    PART,
    SCALE,
    TAPS,
    add_references,
    begin,
    keep,
    learn,
    new_hidden,
    new_inputs,
    new_state,
    new_values,
    predict,
)
from .vectors import WIDTH, load, number, store

SCALE_FIELDS = 6
SCALES, LEVELS, CODE_AT, IMPLANT = 0, 768, 2818, 35586
RECONSTRUCTION, CODES, Q6, SAMPLES, TABLES_END = (IMPLANT + 1024 * part for part in range(1, 6))
"""Where the tables of an entropy model lie in one array int32, since loops count references to every array:

for each scale, its row of `GuessTables.by_scale`, with places in this array; the levels; `GuessTables.code_at`; the
samples of the implant's table, Q6 value of each, and what is coded for it; Q6 value and sample of what is coded; then
cumulative frequencies and middles of buckets.
"""

LAST_CODE, HALF_CODES, LINEAR_OFFSET = 1023, 512, 1025
_PLACES = 16384
_SLOT_MASK, _PRECISION, _LOW, _WORD = np.uint64(0xFFFFF), np.uint64(20), np.uint64(1 << 24), np.uint64(32)
_RAW, _RAW_MASK = np.uint64(4), 15
_LENGTH, _OFFSET, _START, _CHANNEL, _SHIFT, _LOW_ROW, _MEAN = range(7)
_FIXED = 7
"""What is fixed for the lanes of a block."""


@njit
def cumulative(tables, code, offset, location, scale):
    """Return the sum of the frequencies of the codes below one; offset: 0, or 1025 for linear lanes."""
    row = SCALES + scale * SCALE_FIELDS
    z = np.int64(number(tables, LEVELS + code + offset)) - location
    z = min(max(z, np.int64(number(tables, row + 1))), np.int64(number(tables, row + 2)))
    place = ((z * number(tables, row)) >> 16) + number(tables, row + 3)
    return np.int64(number(tables, place)) + code


@njit
def find(tables, slot, offset, location, scale):
    """Return the code whose interval holds a slot, and the interval's ends; from a guess that is hardly ever wrong."""
    row = SCALES + scale * SCALE_FIELDS
    middle = np.int64(number(tables, number(tables, row + 5) + (slot >> 9)))
    place = (((middle * number(tables, row + 4)) >> 10) + location) >> 2
    place = min(max(place + _PLACES // 2, 0), _PLACES - 1)
    code = np.int64(number(tables, CODE_AT + place + (_PLACES if offset else 0)))
    start = cumulative(tables, code, offset, location, scale)
    end = cumulative(tables, code + 1, offset, location, scale)
    while start > slot and code > 0:
        code -= 1
        end, start = start, cumulative(tables, code, offset, location, scale)
    while end <= slot and code < LAST_CODE:
        code += 1
        start, end = end, cumulative(tables, code + 1, offset, location, scale)
    return code, start, end


@njit
def _refilled(state, words, ends, lane):
    """Return a state with the next word of its lane; behind the last word, zeros."""
    at = ends[lane, 0]
    ends[lane, 0] = at + 1
    return (state << _WORD) | np.uint64(words[at] if at < len(words) else 0)


@njit
def linear_value(sample, shift):
    """Return the Q6 value of a sample of a linear lane."""
    value = (2 * np.int64(sample) + 1) << 5
    return value << -shift if shift < 0 else value >> shift


@njit
def decode(lanes, network, tables, words, ends, states, low, out):
    """Decode the lanes of a chunk.

    Parameters
    ----------
    tables : int32, see `SCALES`
    words : uint32 [n]
    ends : int64 [lanes, 2], where the words of each lane begin and end; the first moves on to where it stopped, which
        is behind the end if the words ran out: nothing is decoded any more then
    states : uint64 [lanes]
    low : int32 [rows, frames], low bits of channels
    out : int16 [frames, channels]
    """
    steps = lanes.length.max()
    state, values, part = new_state(), new_values(steps), np.empty((steps, WIDTH), np.int32)
    x, hidden, series = new_inputs(), new_hidden(network[1]), np.zeros((lanes.series.max() + 1, LEAD + steps), np.int32)
    weights, sizes = network
    memory = new_memory(lanes, steps)
    coders, fixed = np.empty(WIDTH, np.uint64), np.empty((_FIXED, WIDTH), np.int64)
    for level in range(len(lanes.bounds) - 1):
        for first in range(lanes.bounds[level], lanes.bounds[level + 1], WIDTH):
            count = min(WIDTH, lanes.bounds[level + 1] - first)
            longest = begin(state, x, lanes, first, count)
            adaptive = begin_adaptive(memory, lanes, first, count)
            add_references(part[:longest], lanes, first, count, series)
            _gather(lanes, first, count, fixed)
            coders[:count] = states[first : first + count]
            for t in range(longest):
                store(state, PART, load(part, t))
                if adaptive:
                    foresee(memory, state, t)
                predict(state, values, x, hidden, weights, sizes, t)
                for i in range(count):
                    if t >= fixed[_LENGTH, i]:
                        continue
                    location, scale, at = np.int64(state[LOCATION, i]), np.int64(state[SCALE, i]), fixed[_OFFSET, i]
                    coder = coders[i]
                    slot = np.int64(coder & _SLOT_MASK)
                    code, start, end = find(tables, slot, at, location, scale)
                    coder = (coder >> _PRECISION) * np.uint64(end - start) + np.uint64(slot - start)
                    if coder < _LOW:
                        coder = _refilled(coder, words, ends, first + i)
                        if ends[first + i, 0] > ends[first + i, 1]:
                            return
                    frame = fixed[_START, i] + t
                    if at == 0:
                        sample, value = np.int16(number(tables, SAMPLES + code)), np.int64(number(tables, Q6 + code))
                    else:
                        shift = fixed[_SHIFT, i]
                        if code == 0 or code == LAST_CODE:
                            slot = np.int64(coder & _SLOT_MASK)
                            coder = ((coder >> _PRECISION) << _RAW) | np.uint64(slot & _RAW_MASK)
                            if coder < _LOW:
                                coder = _refilled(coder, words, ends, first + i)
                            sample = np.int16(slot >> 4)
                        else:
                            sample = np.int16((code - HALF_CODES + state[CENTRE, i]) << max(shift, 0))
                            if shift > 0:
                                sample |= np.int16(low[fixed[_LOW_ROW, i], frame])
                        value = linear_value(sample, shift)
                    coders[i] = coder
                    out[frame, fixed[_CHANNEL, i]] = sample
                    values[TAPS + t, i] = value - fixed[_MEAN, i]
                learn(state, values, t)
                if adaptive:
                    adapt(memory, state, t)
            states[first : first + count] = coders[:count]
            keep(values, lanes, first, count, series)


@njit
def _gather(lanes, first, count, fixed):
    """Put what is fixed for the lanes of a block side by side."""
    for i in range(count):
        lane = first + i
        fixed[_LENGTH, i], fixed[_OFFSET, i] = lanes.length[lane], lanes.offset[lane]
        fixed[_START, i], fixed[_CHANNEL, i] = lanes.start[lane], lanes.channel[lane]
        fixed[_SHIFT, i], fixed[_LOW_ROW, i] = lanes.shift[lane], lanes.low[lane]
        fixed[_MEAN, i] = lanes.mean[lane]


@njit
def encode(lanes, network, tables, samples, states, counts, words):
    """Encode the lanes of a chunk.

    Parameters
    ----------
    tables : int32, see `SCALES`
    samples : int16 [frames, channels]
    states : uint64 [lanes], filled in
    counts : int64 [lanes], words of each lane; filled in
    words : uint32 [lanes, words], each lane's at the end of its row, in order of decoding; filled in
    """
    offset, length = lanes.offset, lanes.length
    steps = length.max()
    state, values, part = new_state(), new_values(steps), np.empty((steps, WIDTH), np.int32)
    x, hidden, series = new_inputs(), new_hidden(network[1]), np.zeros((lanes.series.max() + 1, LEAD + steps), np.int32)
    weights, sizes = network
    memory = new_memory(lanes, steps)
    codes = np.empty((steps, WIDTH), np.int32)
    intervals = np.empty((steps, WIDTH, 2), np.uint32)
    for level in range(len(lanes.bounds) - 1):
        for first in range(lanes.bounds[level], lanes.bounds[level + 1], WIDTH):
            count = min(WIDTH, lanes.bounds[level + 1] - first)
            longest = begin(state, x, lanes, first, count)
            adaptive = begin_adaptive(memory, lanes, first, count)
            add_references(part[:longest], lanes, first, count, series)
            for i in range(count):
                read(lanes, tables, samples, values, codes, i, first + i, length[first + i])
            for t in range(longest):
                store(state, PART, load(part, t))
                if adaptive:
                    foresee(memory, state, t)
                predict(state, values, x, hidden, weights, sizes, t)
                for i in range(count):
                    if t >= length[first + i]:
                        continue
                    at, location, scale = offset[first + i], np.int64(state[LOCATION, i]), state[SCALE, i]
                    code = np.int64(codes[t, i])
                    if at:
                        code = min(max(code - state[CENTRE, i], 0), LAST_CODE)
                        codes[t, i] = code
                    start = cumulative(tables, code, at, location, scale)
                    end = cumulative(tables, code + 1, at, location, scale)
                    intervals[t, i, 0], intervals[t, i, 1] = start, end - start
                learn(state, values, t)
                if adaptive:
                    adapt(memory, state, t)
            keep(values, lanes, first, count, series)
            for i in range(count):
                states[first + i], counts[first + i] = _write(
                    lanes, samples, intervals, codes, words[first + i], i, first + i
                )


@njit
def read(lanes, tables, samples, values, codes, i, lane, steps):
    """Turn the samples of a lane into values and codes; codes of linear lanes are not relative to the centre yet.

    An implant lane of a stream may have samples that are not in the implant's table; their code is -1.
    """
    mean, shift, first, channel = lanes.mean[lane], lanes.shift[lane], lanes.start[lane], lanes.channel[lane]
    if lanes.linear[lane] == 0:
        for t in range(steps):
            sample = samples[first + t, channel]
            nearest = (sample >> 6) + HALF_CODES
            codes[t, i] = number(tables, CODES + nearest) if number(tables, IMPLANT + nearest) == sample else -1
            values[TAPS + t, i] = number(tables, RECONSTRUCTION + nearest) - mean
    else:
        for t in range(steps):
            sample = samples[first + t, channel]
            codes[t, i] = (sample >> max(shift, 0)) + HALF_CODES
            values[TAPS + t, i] = linear_value(sample, shift) - mean


@njit
def _write(lanes, samples, intervals, codes, words, i, lane):
    """Code the intervals of a lane, from the last to the first; returns its state and how many words it has."""
    state, at, linear = _LOW, len(words), lanes.linear[lane] != 0
    for t in range(lanes.length[lane] - 1, -1, -1):
        if linear and (codes[t, i] == 0 or codes[t, i] == LAST_CODE):
            if state >= np.uint64(1 << 40):
                at -= 1
                words[at] = np.uint32(state & np.uint64(0xFFFFFFFF))
                state >>= _WORD
            raw = np.uint64(np.uint16(samples[lanes.start[lane] + t, lanes.channel[lane]]))
            state = ((state >> _RAW) << _PRECISION) | (raw << _RAW) | (state & np.uint64(_RAW_MASK))
        start, frequency = np.uint64(intervals[t, i, 0]), np.uint64(intervals[t, i, 1])
        if state >= frequency << np.uint64(36):
            at -= 1
            words[at] = np.uint32(state & np.uint64(0xFFFFFFFF))
            state >>= _WORD
        quotient = state // frequency
        state = (quotient << _PRECISION) + start + (state - quotient * frequency)
    return state, len(words) - at
