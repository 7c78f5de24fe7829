"""Compiled loops of the predictor, over blocks of eight lanes: docs/format.md section 5.

A block is worked on for all its steps before the next one begins, in order of level, so that what it needs stays in the
innermost cache. The network is computed in float32: its sums are whole numbers below 2^24, and so exact in any order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.compiled import njit
from .vectors import (
    WIDTH,
    add_product,
    larger,
    larger_float,
    load,
    pattern,
    round_even,
    smaller,
    smaller_float,
    splat,
    store,
    to_float,
    to_integer,
)

TAPS = 16
"""Coefficients of the linear predictor, and residuals that the network sees."""
INPUTS = 20
REFERENCES, REFERENCE_TAPS = 4, 4
LEAD = REFERENCE_TAPS - 1
"""Values in front of the first one of a reference."""

_TILE = 256
ROUND = 1 << 9
_ZERO, _MOST = np.float32(0), np.float32(255)


class LaneTable(NamedTuple):
    """Parameters of the lanes of a chunk, in order of level; see `predictor.Lanes`.

    mean, initial_mean, linear (-1 or 0), shift, octaves, offset : int32 [lanes]
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
PREDICTION, DIFFERENCE, OFFSET, LOCATION, SCALE, CENTRE = 25, 26, 27, 28, 29, 30
STATE_ROWS = 31
"""Rows of a block's state: what is fixed for its lanes or carried from step to step; the references' part of the
prediction with the rounding term; and what `predict` finds."""


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
def new_hidden(network):
    """Return room for two hidden layers, float32 [rows, 8]."""
    return np.zeros((2 * network.shape[1], WIDTH), np.float32)


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


@njit
def predict(state, values, x, hidden, network, sizes, t):
    """Work out prediction, location, scale index and centre of a step; PART is given."""
    total = load(state, PART)
    for k in range(TAPS):
        total = total + load(values, t + k) * load(state, COEFFICIENTS + k)
    prediction = total >> splat(np.int32(10))
    store(state, DIFFERENCE, load(values, t + TAPS - 1) - prediction)
    infer(state, x, hidden, network, sizes)
    base, octaves = prediction + load(state, MEAN), load(state, OCTAVES)
    minus_centre = ((base + load(state, HALF)) >> octaves) * load(state, LINEAR)
    store(state, PREDICTION, prediction)
    store(state, LOCATION, (load(state, OFFSET) << splat(np.int32(2))) + base + (minus_centre << octaves))
    store(state, CENTRE, splat(np.int32(0)) - minus_centre)


@njit
def infer(state, x, hidden, network, sizes):
    """Work out offset and scale index of a step from its difference, the residuals and their running means."""
    least, most, shift = splat(np.int32(-128)), splat(np.int32(127)), splat(np.int32(5))
    for k in range(TAPS - 1):
        store(x, k, load(x, k + 1))
    store(x, TAPS - 1, to_float(larger(smaller(load(state, RESIDUAL) >> shift, most), least)))
    store(x, TAPS, to_float(larger(smaller(load(state, DIFFERENCE) >> shift, most), least)))
    for k in range(3):
        bits = pattern(to_float(load(state, MEANS + k) >> splat(np.int32(4))))
        logarithm = (bits >> splat(np.int32(19))) - splat(np.int32(127 * 16 + 256))
        store(x, TAPS + 1 + k, to_float(larger(smaller(logarithm, most), least)))
    _network(x, hidden, network, sizes, state)


@njit
def _network(x, hidden, network, sizes, state):
    """Work out offset and scale index.

    network : float32 [layers, outputs, inputs + 2], weights, then bias and scale of each output
    sizes : int64 [layers + 1], of all inputs and of the outputs; hidden ones are multiples of 8
    """
    last, width, room = len(network) - 1, network.shape[2], network.shape[1]
    _layer(x, 0, hidden, 0, network, 0, sizes)
    before = 0
    for layer in range(1, last):
        _layer(hidden, before, hidden, room - before, network, layer, sizes)
        before = room - before
    zero = splat(_ZERO)
    a, b = splat(network[last, 0, width - 2]), splat(network[last, 1, width - 2])
    c = d = e = f = g = h = zero
    for k in range(0, sizes[last], 4):
        v = load(hidden, before + k)
        a, b = add_product(a, v, network[last, 0, k]), add_product(b, v, network[last, 1, k])
        v = load(hidden, before + k + 1)
        c, d = add_product(c, v, network[last, 0, k + 1]), add_product(d, v, network[last, 1, k + 1])
        v = load(hidden, before + k + 2)
        e, f = add_product(e, v, network[last, 0, k + 2]), add_product(f, v, network[last, 1, k + 2])
        v = load(hidden, before + k + 3)
        g, h = add_product(g, v, network[last, 0, k + 3]), add_product(h, v, network[last, 1, k + 3])
    one, scale = np.float32(1), network[last, 0, width - 1]
    a = add_product(add_product(add_product(a, c, one), e, one), g, one)
    b = add_product(add_product(add_product(b, d, one), f, one), h, one)
    store(state, OFFSET, to_integer(round_even(add_product(zero, a, scale))))
    index = to_integer(round_even(add_product(zero, b, scale)))
    store(state, SCALE, larger(smaller(index, splat(np.int32(127))), splat(np.int32(0))))


@njit
def _layer(x, before, y, at, network, layer, sizes):
    """Run a hidden layer from rows of x to rows of y; eight sums at a time stay in registers."""
    w, width = network[layer], network.shape[2]
    scale, inputs = w[0, width - 1], sizes[layer]
    for j in range(0, sizes[layer + 1], 8):
        a, b = splat(w[j, width - 2]), splat(w[j + 1, width - 2])
        c, d = splat(w[j + 2, width - 2]), splat(w[j + 3, width - 2])
        e, f = splat(w[j + 4, width - 2]), splat(w[j + 5, width - 2])
        g, h = splat(w[j + 6, width - 2]), splat(w[j + 7, width - 2])
        for k in range(inputs):
            v = load(x, before + k)
            a, b = add_product(a, v, w[j, k]), add_product(b, v, w[j + 1, k])
            c, d = add_product(c, v, w[j + 2, k]), add_product(d, v, w[j + 3, k])
            e, f = add_product(e, v, w[j + 4, k]), add_product(f, v, w[j + 5, k])
            g, h = add_product(g, v, w[j + 6, k]), add_product(h, v, w[j + 7, k])
        _activate(y, at + j, scale, a, b, c, d)
        _activate(y, at + j + 4, scale, e, f, g, h)


@njit
def _activate(x, row, scale, a, b, c, d):
    zero, most = splat(_ZERO), splat(_MOST)
    store(x, row, smaller_float(larger_float(round_even(add_product(zero, a, scale)), zero), most))
    store(x, row + 1, smaller_float(larger_float(round_even(add_product(zero, b, scale)), zero), most))
    store(x, row + 2, smaller_float(larger_float(round_even(add_product(zero, c, scale)), zero), most))
    store(x, row + 3, smaller_float(larger_float(round_even(add_product(zero, d, scale)), zero), most))


@njit
def learn(state, values, t):
    """Take in the values of a step."""
    store(state, RESIDUAL, load(values, t + TAPS) - load(state, PREDICTION))
    move_means(state)


@njit
def move_means(state):
    """Move the running means by the residual."""
    residual = load(state, RESIDUAL)
    size = smaller(larger(residual, splat(np.int32(0)) - residual), splat(np.int32(65535))) << splat(np.int32(12))
    for k, rate in ((0, 4), (1, 7), (2, 11)):
        mean = load(state, MEANS + k)
        store(state, MEANS + k, mean + ((size - mean) >> splat(np.int32(rate))))


@njit
def run_network(rows, network, sizes):
    """Return what the network makes of inputs uint8 [n, 20], n a multiple of 8: int32 [n, 2], scale indices clipped."""
    x, hidden, state = new_inputs(), new_hidden(network), new_state()
    out = np.empty((len(rows), 2), np.int32)
    for first in range(0, len(rows), WIDTH):
        for i in range(WIDTH):
            for k in range(INPUTS):
                x[k, i] = np.float32(np.int32(rows[first + i, k]) - 128)
        _network(x, hidden, network, sizes, state)
        for i in range(WIDTH):
            out[first + i, 0], out[first + i, 1] = state[OFFSET, i], state[SCALE, i]
    return out
