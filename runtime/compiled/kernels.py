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
_ZERO, _MOST = np.float32(0), np.float32(255)


class Network(NamedTuple):
    """Layers, each padded to the largest: weights float32 [layers, outputs, inputs], bias float32 [layers, outputs],
    scale float32 [layers], sizes int64 [layers + 1]: of all inputs, and of the outputs (hidden: multiples of 8)."""

    weights: np.ndarray
    bias: np.ndarray
    scale: np.ndarray
    sizes: np.ndarray


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


class Block(NamedTuple):
    """What eight lanes carry from step to step, and room for a step; arrays are [rows, 8].

    values int32 [16 + steps]: Q6 values without their mean, after 16 zeros
    part int32 [steps]: the references' part of the prediction, and the rounding term
    coefficients int32 [16]; means int32 [3]; residual int32 [1]
    numbers int32 [4]: mean, linear, octaves, half a coded step of linear lanes in Q6 units
    found int32 [4]: prediction, location, scale index, centre
    inputs float32 [20]; hidden float32 [2, outputs, 8]
    """

    values: np.ndarray
    part: np.ndarray
    coefficients: np.ndarray
    means: np.ndarray
    residual: np.ndarray
    numbers: np.ndarray
    found: np.ndarray
    inputs: np.ndarray
    hidden: np.ndarray


@njit
def new_block(steps, network):
    """Return room for blocks of at most so many steps."""
    return Block(
        np.empty((TAPS + steps, WIDTH), np.int32),
        np.empty((steps, WIDTH), np.int32),
        np.empty((TAPS, WIDTH), np.int32),
        np.empty((3, WIDTH), np.int32),
        np.empty((1, WIDTH), np.int32),
        np.empty((4, WIDTH), np.int32),
        np.empty((4, WIDTH), np.int32),
        np.empty((INPUTS, WIDTH), np.float32),
        np.empty((2, network.bias.shape[1], WIDTH), np.float32),
    )


@njit
def begin(block, lanes, first, count, series):
    """Put lanes into a block; returns the steps of the longest."""
    block.values[:TAPS] = 0
    block.coefficients[:] = 0
    block.means[:] = 0
    block.residual[:] = 0
    block.numbers[:] = 0
    block.inputs[:] = 0
    steps = 0
    for i in range(count):
        lane = first + i
        for k in range(TAPS):
            block.coefficients[k, i] = lanes.coefficients[lane, k]
        block.means[:, i] = lanes.initial_mean[lane]
        block.numbers[0, i] = lanes.mean[lane]
        block.numbers[1, i] = lanes.linear[lane]
        block.numbers[2, i] = lanes.octaves[lane]
        block.numbers[3, i] = 1 << (lanes.octaves[lane] - 1)
        steps = max(steps, lanes.length[lane])
    _add_references(block, lanes, first, count, series, steps)
    return steps


@njit
def _add_references(block, lanes, first, count, series, steps):
    part, total = block.part, np.empty(_TILE, np.int32)
    part[:steps] = 1 << 9
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
def keep(block, lanes, first, count, series):
    """Keep the values of lanes that are references of later ones."""
    for i in range(count):
        row = lanes.series[first + i]
        if row >= 0:
            for t in range(lanes.length[first + i]):
                series[row, LEAD + t] = block.values[TAPS + t, i]


@njit
def predict(block, network, t):
    """Work out prediction, location, scale index and centre of a step, into `found`."""
    values, x, found = block.values, block.inputs, block.found
    total = load(block.part, t)
    for k in range(TAPS):
        total = total + load(values, t + k) * load(block.coefficients, k)
    prediction = total >> splat(np.int32(10))
    least, most, shift = splat(np.int32(-128)), splat(np.int32(127)), splat(np.int32(5))
    for k in range(TAPS - 1):
        store(x, k, load(x, k + 1))
    store(x, TAPS - 1, to_float(larger(smaller(load(block.residual, 0) >> shift, most), least)))
    difference = load(values, t + TAPS - 1) - prediction
    store(x, TAPS, to_float(larger(smaller(difference >> shift, most), least)))
    for k in range(3):
        bits = pattern(to_float(load(block.means, k) >> splat(np.int32(4))))
        logarithm = (bits >> splat(np.int32(19))) - splat(np.int32(127 * 16 + 256))
        store(x, TAPS + 1 + k, to_float(larger(smaller(logarithm, most), least)))
    offset, scale = _network(block, network)
    base = prediction + load(block.numbers, 0)
    octaves = load(block.numbers, 2)
    centre = ((base + load(block.numbers, 3)) >> octaves) * load(block.numbers, 1)
    store(found, 0, prediction)
    store(found, 1, (offset << splat(np.int32(2))) + base + (centre << octaves))
    store(found, 2, larger(smaller(scale, most), splat(np.int32(0))))
    store(found, 3, splat(np.int32(0)) - centre)


@njit
def _network(block, network):
    """Return the two outputs."""
    last = len(network.scale) - 1
    _layer(network, 0, block.inputs, block.hidden[0])
    for layer in range(1, last):
        _layer(network, layer, block.hidden[(layer - 1) & 1], block.hidden[layer & 1])
    x, w, zero = block.hidden[(last - 1) & 1], network.weights[last], splat(_ZERO)
    a, b = splat(network.bias[last, 0]), splat(network.bias[last, 1])
    c = d = e = f = g = h = zero
    for k in range(0, network.sizes[last], 4):
        v = load(x, k)
        a, b = add_product(a, v, w[0, k]), add_product(b, v, w[1, k])
        v = load(x, k + 1)
        c, d = add_product(c, v, w[0, k + 1]), add_product(d, v, w[1, k + 1])
        v = load(x, k + 2)
        e, f = add_product(e, v, w[0, k + 2]), add_product(f, v, w[1, k + 2])
        v = load(x, k + 3)
        g, h = add_product(g, v, w[0, k + 3]), add_product(h, v, w[1, k + 3])
    one, scale = np.float32(1), network.scale[last]
    a = add_product(add_product(add_product(a, c, one), e, one), g, one)
    b = add_product(add_product(add_product(b, d, one), f, one), h, one)
    return (
        to_integer(round_even(add_product(zero, a, scale))),
        to_integer(round_even(add_product(zero, b, scale))),
    )


@njit
def _layer(network, number, x, y):
    """Run a hidden layer, eight outputs at a time, whose sums stay in registers."""
    w, bias, scale = network.weights[number], network.bias[number], network.scale[number]
    for j in range(0, network.sizes[number + 1], 8):
        a, b, c, d = splat(bias[j]), splat(bias[j + 1]), splat(bias[j + 2]), splat(bias[j + 3])
        e, f, g, h = splat(bias[j + 4]), splat(bias[j + 5]), splat(bias[j + 6]), splat(bias[j + 7])
        for k in range(network.sizes[number]):
            v = load(x, k)
            a, b = add_product(a, v, w[j, k]), add_product(b, v, w[j + 1, k])
            c, d = add_product(c, v, w[j + 2, k]), add_product(d, v, w[j + 3, k])
            e, f = add_product(e, v, w[j + 4, k]), add_product(f, v, w[j + 5, k])
            g, h = add_product(g, v, w[j + 6, k]), add_product(h, v, w[j + 7, k])
        _activate(y, j, scale, a, b, c, d)
        _activate(y, j + 4, scale, e, f, g, h)


@njit
def _activate(y, j, scale, a, b, c, d):
    zero, most = splat(_ZERO), splat(_MOST)
    store(y, j, smaller_float(larger_float(round_even(add_product(zero, a, scale)), zero), most))
    store(y, j + 1, smaller_float(larger_float(round_even(add_product(zero, b, scale)), zero), most))
    store(y, j + 2, smaller_float(larger_float(round_even(add_product(zero, c, scale)), zero), most))
    store(y, j + 3, smaller_float(larger_float(round_even(add_product(zero, d, scale)), zero), most))


@njit
def learn(block, t):
    """Take in the values of a step."""
    residual = load(block.values, t + TAPS) - load(block.found, 0)
    store(block.residual, 0, residual)
    size = smaller(larger(residual, splat(np.int32(0)) - residual), splat(np.int32(65535))) << splat(np.int32(12))
    for k, rate in ((0, 4), (1, 7), (2, 11)):
        mean = load(block.means, k)
        store(block.means, k, mean + ((size - mean) >> splat(np.int32(rate))))
