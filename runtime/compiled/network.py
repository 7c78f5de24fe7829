"""The network in compiled loops, in float32: its sums are whole numbers below 2^24, and so exact in any order."""

from __future__ import annotations

import numpy as np

from ..core.compiled import inlined
from .vectors import (
    add_product,
    larger,
    larger_float,
    load,
    product,
    round_even,
    smaller,
    smaller_float,
    splat,
    spread,
    store,
    sum_of,
    to_integer,
)

_ZERO, _MOST, _FIRST = np.float32(0), np.float32(255), np.int32(0)


@inlined
def network(x, hidden, weights, sizes):
    """Return offset and scale index of a block of eight lanes, int32.

    weights : float32, of each layer: its scale; then for every eight outputs (of the last layer: for all two) the
        biases, and for each input the weights
    sizes : int64 [layers + 1], of all inputs and of the outputs; hidden ones are multiples of 8
    """
    last, room = len(sizes) - 2, len(hidden) // 2
    at = _layer(x, 0, hidden, 0, weights, 0, sizes[0], sizes[1])
    before = 0
    for layer in range(1, last):
        at = _layer(hidden, before, hidden, room - before, weights, at, sizes[layer], sizes[layer + 1])
        before = room - before
    scale, a, b = spread(weights, at), spread(weights, at + 1), spread(weights, at + 2)
    c = d = e = f = g = h = splat(_ZERO)
    at += 3
    for k in range(0, sizes[last], 4):
        v = load(hidden, before + k)
        a, b = add_product(a, v, spread(weights, at)), add_product(b, v, spread(weights, at + 1))
        v = load(hidden, before + k + 1)
        c, d = add_product(c, v, spread(weights, at + 2)), add_product(d, v, spread(weights, at + 3))
        v = load(hidden, before + k + 2)
        e, f = add_product(e, v, spread(weights, at + 4)), add_product(f, v, spread(weights, at + 5))
        v = load(hidden, before + k + 3)
        g, h = add_product(g, v, spread(weights, at + 6)), add_product(h, v, spread(weights, at + 7))
        at += 8
    a, b = sum_of(sum_of(a, c), sum_of(e, g)), sum_of(sum_of(b, d), sum_of(f, h))
    return last_values(scale, a, b)


@inlined
def last_values(scale, offset, index):
    """Return offset and scale index, from the sums of the last layer."""
    index = to_integer(round_even(product(index, scale)))
    return to_integer(round_even(product(offset, scale))), larger(smaller(index, splat(np.int32(127))), splat(_FIRST))


@inlined
def _layer(x, before, y, after, weights, at, inputs, outputs):
    """Run a hidden layer from rows of x to rows of y; eight sums at a time stay in registers. Returns where the weights
    of the next one are."""
    scale = spread(weights, at)
    at += 1
    for j in range(after, after + outputs, 8):
        a, b, c, d = spread(weights, at), spread(weights, at + 1), spread(weights, at + 2), spread(weights, at + 3)
        e, f, g, h = spread(weights, at + 4), spread(weights, at + 5), spread(weights, at + 6), spread(weights, at + 7)
        at += 8
        for k in range(before, before + inputs):
            v = load(x, k)
            a, b = add_product(a, v, spread(weights, at)), add_product(b, v, spread(weights, at + 1))
            c, d = add_product(c, v, spread(weights, at + 2)), add_product(d, v, spread(weights, at + 3))
            e, f = add_product(e, v, spread(weights, at + 4)), add_product(f, v, spread(weights, at + 5))
            g, h = add_product(g, v, spread(weights, at + 6)), add_product(h, v, spread(weights, at + 7))
            at += 8
        _activate(y, j, scale, a, b, c, d)
        _activate(y, j + 4, scale, e, f, g, h)
    return at


@inlined
def _activate(x, row, scale, a, b, c, d):
    activate(x, row, scale, a)
    activate(x, row + 1, scale, b)
    activate(x, row + 2, scale, c)
    activate(x, row + 3, scale, d)


@inlined
def activate(x, row, scale, total):
    """Write an output of a hidden layer, from its sum."""
    store(x, row, smaller_float(larger_float(round_even(product(total, scale)), splat(_ZERO)), splat(_MOST)))
