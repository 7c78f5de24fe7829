"""Compiled loop of spike windows: from the words of a chunk to the samples in its windows (docs/format.md, 12.2)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.compiled import njit
from .kernels import (
    DIFFERENCE,
    MEANS,
    OFFSET,
    PREDICTION,
    RESIDUAL,
    SCALE,
    TAPS,
    infer,
    move_means,
    new_hidden,
    new_inputs,
    new_state,
)
from .rans_kernels import HALF_CODES, LAST_CODE, LINEAR_OFFSET, Q6, cumulative, find
from .vectors import WIDTH

_SLOT_MASK, _PRECISION, _LOW, _WORD = np.uint64(0xFFFFF), np.uint64(20), np.uint64(1 << 24), np.uint64(32)


class WindowTable(NamedTuple):
    """Windows in order of lane, then of time; int64.

    first [lanes + 1]: first window of each lane
    length, offset, level, scale [windows]; follows (bool [windows]): whether a window's first sample is
        expected near the last one of the window before it; see `WindowLayout`, `Sequence` and `WindowDecoder`
    """

    first: np.ndarray
    length: np.ndarray
    offset: np.ndarray
    level: np.ndarray
    follows: np.ndarray
    scale: np.ndarray
    initial_mean: int


@njit
def decode(windows, engine, units, states, words, low, escapes, bins):
    """Decode all windows; returns whether words and escapes ended where they should.

    Parameters
    ----------
    windows : WindowTable
    engine : (weights of the network, its sizes, tables)
    units : (whether linear, shift)
    states : uint64 [lanes]
    words : uint32 [n], which lanes take by step, then by lane
    low : int64 [samples], low bits
    escapes : int64 [n]
    bins : int64 [samples], filled in
    """
    weights, sizes, tables = engine
    linear, shift = units
    first, length, initial_mean = windows.first, windows.length, windows.initial_mean
    lanes = len(states)
    window, place = first[:lanes].copy(), np.zeros(lanes, np.int64)
    expected = np.zeros(lanes, np.int64)
    state, x, hidden = new_state(), new_inputs(), new_hidden(sizes)
    blocks = (lanes + WIDTH - 1) // WIDTH
    kept, inputs = np.zeros((blocks, *state.shape), np.int32), np.zeros((blocks, *x.shape), np.float32)
    next_word = next_escape = 0
    going = True
    while going:
        going = False
        for block in range(blocks):
            state, x = kept[block], inputs[block]
            present = min(WIDTH, lanes - block * WIDTH)
            for i in range(present):
                lane = block * WIDTH + i
                w, k = window[lane], place[lane]
                if w == first[lane + 1]:
                    continue
                going = True
                if k == 0 and not windows.follows[w]:
                    expected[lane] = windows.level[w]
                state[PREDICTION, i], state[DIFFERENCE, i] = expected[lane], 0
            infer(state, x, hidden, weights, sizes)
            for i in range(present):
                lane = block * WIDTH + i
                w, k = window[lane], place[lane]
                if w == first[lane + 1]:
                    continue
                prediction, scale = np.int64(state[PREDICTION, i]), np.int64(state[SCALE, i])
                location = prediction + (np.int64(state[OFFSET, i]) << 2)
                if k == 0:
                    location, scale = prediction, min(max(windows.scale[w], 0), 127)
                centre = (prediction + 32) >> 6 if linear else 0
                slot = np.int64(states[lane] & _SLOT_MASK)
                code, start, end = find(tables, slot, LINEAR_OFFSET if linear else 0, location - (centre << 6), scale)
                coder = (states[lane] >> _PRECISION) * np.uint64(end - start) + np.uint64(slot - start)
                if coder < _LOW:
                    if next_word == len(words):
                        return False
                    coder = (coder << _WORD) | np.uint64(words[next_word])
                    next_word += 1
                states[lane] = coder
                sample, value = code, np.int64(tables[Q6 + code])
                if linear:
                    sample = ((code + centre - HALF_CODES) << shift) | low[windows.offset[w] + k]
                    if code == 0 or code == LAST_CODE:
                        if next_escape == len(escapes):
                            return False
                        sample, next_escape = escapes[next_escape], next_escape + 1
                    value = ((2 * sample + 1) << 5) >> shift
                bins[windows.offset[w] + k] = sample
                state[RESIDUAL, i], expected[lane] = value - prediction, value
            move_means(state)
            for i in range(present):
                lane = block * WIDTH + i
                w, k = window[lane], place[lane]
                if w == first[lane + 1]:
                    continue
                if k == 0:
                    state[RESIDUAL, i] = 0
                    state[MEANS : MEANS + 3, i] = initial_mean
                    x[:TAPS, i] = 0
                place[lane] = k + 1
                if k + 1 == length[w]:
                    window[lane], place[lane] = w + 1, 0
    return next_word == len(words) and next_escape == len(escapes) and (states == _LOW).all()


@njit
def encode(windows, engine, units, bins, expected, out):
    """Find the intervals of all samples of windows, side by side.

    Parameters
    ----------
    windows : (length, offset, scale int64 [windows], initial mean); see `WindowTable`
    engine : (weights of the network, its sizes, tables)
    units : (whether linear, shift)
    bins : int64 [samples]
    expected : int64 [windows], what first samples are expected near
    out : (start, frequency uint32 [samples], escaped bool [samples]), filled in
    """
    (length, offset, scales, initial_mean), (weights, sizes, tables), (linear, shift) = windows, engine, units
    start, frequency, escaped = out
    levels = LINEAR_OFFSET if linear else 0
    state, x, hidden = new_state(), new_inputs(), new_hidden(sizes)
    for first in range(0, len(length), WIDTH):
        present = min(WIDTH, len(length) - first)
        for i in range(present):
            state[PREDICTION, i] = expected[first + i]
        for k in range(length[first : first + present].max()):
            state[DIFFERENCE] = 0
            infer(state, x, hidden, weights, sizes)
            for i in range(present):
                w, place = first + i, offset[first + i] + k
                if k >= length[w]:
                    continue
                prediction, scale, sample = np.int64(state[PREDICTION, i]), np.int64(state[SCALE, i]), bins[place]
                location = prediction + (np.int64(state[OFFSET, i]) << 2)
                if k == 0:
                    location, scale = prediction, min(max(scales[w], 0), 127)
                code, value, centre = sample, np.int64(0), np.int64(0)
                if linear:
                    centre = (prediction + 32) >> 6
                    code = (sample >> shift) - centre + HALF_CODES
                    escaped[place] = code < 1 or code > LAST_CODE - 1
                    code = min(max(code, 0), LAST_CODE)
                    value = ((2 * sample + 1) << 5) >> shift
                else:
                    value = np.int64(tables[Q6 + code])
                begin = cumulative(tables, code, levels, location - (centre << 6), scale)
                start[place] = begin
                frequency[place] = cumulative(tables, code + 1, levels, location - (centre << 6), scale) - begin
                state[RESIDUAL, i], state[PREDICTION, i] = value - prediction, value
            move_means(state)
            if k == 0:
                state[RESIDUAL], x[:TAPS] = 0, 0
                state[MEANS : MEANS + 3] = initial_mean
