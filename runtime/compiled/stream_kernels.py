"""Compiled loops of the lanes of streams: two blocks of eight at a time through the predictor, step by step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.compiled import inlined, njit
from .kernels import LINEAR, LOCATION, MEAN, OFFSET, TAPS, begin, enter, extrapolate, locate
from .pair_network import pair_network
from .rans_kernels import CODES, IMPLANT, RECONSTRUCTION, linear_value
from .vectors import WIDTH, block_of, larger, load, number, put, smaller, splat, store

PLACE_BITS, PLACES, HALF_CODES = 10, 1024, 512
CLASSES_END = 13
"""Bits of the rows of implant lanes."""


class Stream(NamedTuple):
    """What is fixed for lanes of a stream or carried from packet to packet; an even number of blocks of eight lanes.

    states, values, inputs : int32, int32, float32 [blocks, rows, 8]
    hidden : float32 [2, rows, 8], room
    shift : int32 [lanes]
    weights, sizes : see `pair_network`
    tables : see `Engine`
    found : int32 [4, steps * blocks, 8], room: row, scale index, code, and what is to be written
    """

    states: np.ndarray
    values: np.ndarray
    inputs: np.ndarray
    hidden: np.ndarray
    shift: np.ndarray
    weights: np.ndarray
    sizes: np.ndarray
    tables: np.ndarray
    found: np.ndarray


@njit
def start(lanes, states, values, inputs):
    """Begin with all lanes anew.

    Parameters
    ----------
    states, values, inputs : see `Stream`
    """
    count = len(lanes.mean)
    for block in range(len(states)):
        present = max(min(WIDTH, count - block * WIDTH), 0)
        begin(states[block], inputs[block], lanes, block * WIDTH, present)
        values[block, :TAPS] = 0


@njit
def go_back(values, steps):
    """Move the newest values of a block to its front."""
    for k in range(TAPS):
        store(values, k, load(values, steps + k))


@inlined
def foresee(stream, pair, t, at):
    """Predict a step of two blocks; leaves rows and scale indices of their lanes in two rows of `found`."""
    first, second = block_of(stream.states, pair), block_of(stream.states, pair + 1)
    x, y = block_of(stream.inputs, pair), block_of(stream.inputs, pair + 1)
    extrapolate(first, block_of(stream.values, pair), t)
    extrapolate(second, block_of(stream.values, pair + 1), t)
    enter(first, x)
    enter(second, y)
    hidden = block_of(stream.hidden, 0), block_of(stream.hidden, 1)
    one, other = pair_network((x, y), hidden, stream.weights, stream.sizes)
    _find(stream, first, at, one)
    _find(stream, second, at + 1, other)


@inlined
def _find(stream, state, at, outputs):
    """Leave rows and scale indices of the lanes of a block, from what the network gives."""
    offset, scale = outputs
    store(state, OFFSET, offset)
    locate(state)
    place = (load(state, LOCATION) >> splat(np.int32(6))) + splat(np.int32(PLACES // 2))
    place = larger(smaller(place, splat(np.int32(PLACES - 1))), splat(np.int32(0)))
    linear = load(state, LINEAR)
    row = ((scale >> splat(np.int32(4))) << splat(np.int32(PLACE_BITS))) + place
    store(block_of(stream.found, 0), at, row - (linear << splat(np.int32(CLASSES_END))))
    store(block_of(stream.found, 1), at, scale - (linear << splat(np.int32(8))))


@njit
def take_in(stream, samples, block, codes):
    """Turn the samples of a block into values, and codes that are not relative to the centre yet; -1: none."""
    tables, state, past = stream.tables, stream.states[block], stream.values[block].ravel()
    (steps, count), first = samples.shape, block * WIDTH
    present, flat, flat_codes = min(WIDTH, count - first), samples.ravel(), codes.ravel()
    for t in range(steps):
        for i in range(present):
            sample = np.int64(number(flat, t * count + first + i))
            shift, at = np.int64(number(stream.shift, first + i)), t * WIDTH + i
            if state[LINEAR, i] == 0:
                nearest = (sample >> 6) + HALF_CODES
                known = number(tables, IMPLANT + nearest) == sample
                put(flat_codes, at, number(tables, CODES + nearest) if known else np.int32(-1))
                value = np.int64(number(tables, RECONSTRUCTION + nearest))
            else:
                put(flat_codes, at, (sample >> max(shift, 0)) + HALF_CODES)
                value = linear_value(sample, shift)
            put(past, TAPS * WIDTH + at, value - state[MEAN, i])
