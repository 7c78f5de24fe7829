"""Compiled loops of the predictor, over blocks of eight lanes: docs/format.md section 5.

A block is worked on for all its steps before the next one begins, in order of level, so that what it needs stays in the
innermost cache. The network is computed in float32: its sums are whole numbers below 2^24, and so exact in any order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.compiled import inlined, njit
from .network import network
from .vectors import (
    WIDTH,
    larger,
    load,
    pattern,
    smaller,
    splat,
    store,
    to_float,
)

TAPS = 16
"""Coefficients of the linear predictor, and residuals that the network sees."""
INPUTS = 20
REFERENCES, REFERENCE_TAPS = 4, 4
LEAD = REFERENCE_TAPS - 1
"""Values in front of the first one of a reference."""

_TILE = 256
ROUND = 1 << 9


class LaneTable(NamedTuple):
    """Parameters of the lanes of a chunk, in order of level; see `predictor.Lanes`.

    mean, initial_mean, linear (-1 or 0), shift, octaves, offset, adaptive (1 or 0) : int32 [lanes]
    length, start, channel : int64 [lanes]
    low : int64 [lanes], row of the low bits, -1 without
    coefficients : int32 [lanes, 16]
    references : int64 [lanes, 4], lanes; -1 where there is none
    taps : int32 [lanes, 4, 4]
    series : int64 [lanes], where the values of lanes that are references are kept; -1 for others
    bounds : int64 [levels + 1]
    """

    mean: np.ndarray
    initial_mean: np.ndarray
    linear: np.ndarray
    shift: np.ndarray
    octaves: np.ndarray
    offset: np.ndarray
    adaptive: np.ndarray
    length: np.ndarray
    start: np.ndarray
    channel: np.ndarray
    low: np.ndarray
    coefficients: np.ndarray
    references: np.ndarray
    taps: np.ndarray
    series: np.ndarray
    bounds: np.ndarray


COEFFICIENTS, MEANS, RESIDUAL, MEAN, LINEAR, OCTAVES, HALF, PART = 0, 16, 19, 20, 21, 22, 23, 24
PREDICTION, DIFFERENCE, OFFSET, LOCATION, SCALE, CENTRE, ADAPTIVE = 25, 26, 27, 28, 29, 30, 31
STATE_ROWS = 32
"""Rows of a block's state: what is fixed for its lanes or carried from step to step; the references' part of the
prediction with the rounding term; what `predict` finds; and the adaptive part of the prediction, if there is one."""


@njit
def new_state():
    """Return the state of a block, int32 [rows, 8]."""
    return np.zeros((STATE_ROWS, WIDTH), np.int32)


@njit
def new_values(steps):
    """Return the Q6 values of a block without their mean, after 16 zeros, int32 [16 + steps, 8]."""
    return np.zeros((TAPS + steps, WIDTH), np.int32)


@njit
def new_inputs():
    """Return the inputs of the network, float32 [20, 8]; the residuals are carried from step to step."""
    return np.zeros((INPUTS, WIDTH), np.float32)


@njit
def new_hidden(sizes):
    """Return room for two hidden layers, float32 [rows, 8]."""
    return np.zeros((2 * sizes[1:].max(), WIDTH), np.float32)


@njit
def begin(state, x, lanes, first, count):
    """Put lanes into a block; returns the steps of the longest."""
    state[:] = 0
    x[:] = 0
    steps = 0
    for i in range(count):
        lane = first + i
        for k in range(TAPS):
            state[COEFFICIENTS + k, i] = lanes.coefficients[lane, k]
        for k in range(3):
            state[MEANS + k, i] = lanes.initial_mean[lane]
        state[MEAN, i], state[LINEAR, i], state[OCTAVES, i] = lanes.mean[lane], lanes.linear[lane], lanes.octaves[lane]
        state[HALF, i], state[PART, i] = 1 << (lanes.octaves[lane] - 1), ROUND
        steps = max(steps, lanes.length[lane])
    return steps


@njit
def add_references(part, lanes, first, count, series):
    """Write the references' part of the prediction, and the rounding term, int32 [steps, 8]."""
    steps, total = len(part), np.empty(_TILE, np.int32)
    part[:] = ROUND
    for i in range(count):
        lane = first + i
        if lanes.references[lane, 0] < 0:
            continue
        for tile in range(0, steps, _TILE):
            size = min(_TILE, steps - tile)
            total[:] = 0
            for number in range(REFERENCES):
                reference = lanes.references[lane, number]
                if reference >= 0:
                    values = series[lanes.series[reference], tile : tile + size + LEAD]
                    a, b, c, d = lanes.taps[lane, number]
                    for t in range(size):
                        total[t] += a * values[t] + b * values[t + 1] + c * values[t + 2] + d * values[t + 3]
            for t in range(size):
                part[tile + t, i] += total[t]


@njit
def keep(values, lanes, first, count, series):
    """Keep the values of lanes that are references of later ones."""
    for i in range(count):
        row = lanes.series[first + i]
        if row >= 0:
            for t in range(lanes.length[first + i]):
                series[row, LEAD + t] = values[TAPS + t, i]


@inlined
def predict(state, values, x, hidden, weights, sizes, t):
    """Work out prediction, location, scale index and centre of a step; PART is given."""
    extrapolate(state, values, t)
    infer(state, x, hidden, weights, sizes)
    locate(state)


@inlined
def extrapolate(state, values, t):
    """Work out the prediction of a step, and how far the newest value is from it."""
    total = load(state, PART)
    for k in range(TAPS):
        total = total + load(values, t + k) * load(state, COEFFICIENTS + k)
    prediction = (total >> splat(np.int32(10))) + load(state, ADAPTIVE)
    store(state, PREDICTION, prediction)
    store(state, DIFFERENCE, load(values, t + TAPS - 1) - prediction)


@inlined
def locate(state):
    """Work out location and centre of a step from prediction and offset."""
    base, octaves = load(state, PREDICTION) + load(state, MEAN), load(state, OCTAVES)
    minus_centre = ((base + load(state, HALF)) >> octaves) * load(state, LINEAR)
    store(state, LOCATION, (load(state, OFFSET) << splat(np.int32(2))) + base + (minus_centre << octaves))
    store(state, CENTRE, splat(np.int32(0)) - minus_centre)


@inlined
def infer(state, x, hidden, weights, sizes):
    """Work out offset and scale index of a step from its difference, the residuals and their running means."""
    enter(state, x)
    offset, scale = network(x, hidden, weights, sizes)
    store(state, OFFSET, offset)
    store(state, SCALE, scale)


@inlined
def enter(state, x):
    """Write the inputs of a step: its difference, the residuals and their running means."""
    least, most, shift = splat(np.int32(-128)), splat(np.int32(127)), splat(np.int32(5))
    for k in range(TAPS - 1):
        store(x, k, load(x, k + 1))
    store(x, TAPS - 1, to_float(larger(smaller(load(state, RESIDUAL) >> shift, most), least)))
    store(x, TAPS, to_float(larger(smaller(load(state, DIFFERENCE) >> shift, most), least)))
    for k in range(3):
        bits = pattern(to_float(load(state, MEANS + k) >> splat(np.int32(4))))
        logarithm = (bits >> splat(np.int32(19))) - splat(np.int32(127 * 16 + 256))
        store(x, TAPS + 1 + k, to_float(larger(smaller(logarithm, most), least)))


@inlined
def learn(state, values, t):
    """Take in the values of a step."""
    store(state, RESIDUAL, load(values, t + TAPS) - load(state, PREDICTION))
    move_means(state)


@inlined
def move_means(state):
    """Move the running means by the residual."""
    residual = load(state, RESIDUAL)
    size = smaller(larger(residual, splat(np.int32(0)) - residual), splat(np.int32(65535))) << splat(np.int32(12))
    for k, rate in ((0, 4), (1, 7), (2, 11)):
        mean = load(state, MEANS + k)
        store(state, MEANS + k, mean + ((size - mean) >> splat(np.int32(rate))))


@njit
def run_network(rows, weights, sizes):
    """Return what the network makes of inputs uint8 [n, 20], n a multiple of 8: int32 [n, 2], scale indices clipped."""
    x, hidden, state = new_inputs(), new_hidden(sizes), new_state()
    out = np.empty((len(rows), 2), np.int32)
    for first in range(0, len(rows), WIDTH):
        for i in range(WIDTH):
            for k in range(INPUTS):
                x[k, i] = np.float32(np.int32(rows[first + i, k]) - 128)
        offset, scale = network(x, hidden, weights, sizes)
        store(state, OFFSET, offset)
        store(state, SCALE, scale)
        for i in range(WIDTH):
            out[first + i, 0], out[first + i, 1] = state[OFFSET, i], state[SCALE, i]
    return out
