"""Compiled loops of the adaptive predictor, over blocks of eight lanes: docs/format.md section 5.7."""

from __future__ import annotations

import numpy as np

from ..core.compiled import njit
from ..predictor.adaptive import LOST_BITS, MOST, MOST_WEIGHT, POWER_BITS, POWER_OFFSET, RATE_BITS, TAPS, WEIGHT_BITS
from .kernels import ADAPTIVE, RESIDUAL
from .vectors import WIDTH, larger, load, quotient, smaller, splat, store, to_float, to_integer

_POWER, _CHOSEN, _RECENT = TAPS, TAPS + 1, TAPS + 2
_SUM_BITS = WEIGHT_BITS - LOST_BITS


@njit
def new_memory(lanes, steps):
    """Return what adaptive predictors carry from step to step, int32 [rows, 8]: nothing if no lane has one.

    Rows are the weights, the sum of squares, whether a lane has one at all, and the residuals.
    """
    return np.zeros((_RECENT + TAPS + steps if lanes.adaptive.any() else 0, WIDTH), np.int32)


@njit
def begin_adaptive(memory, lanes, first, count):
    """Put lanes into a block; returns whether any has an adaptive predictor."""
    if not len(memory):
        return False
    memory[: _RECENT + TAPS] = 0
    for i in range(count):
        memory[_CHOSEN, i] = lanes.adaptive[first + i]
    return memory[_CHOSEN].any()


@njit
def foresee(memory, state, t):
    """Work out what is to be added to the linear prediction of a step."""
    total = splat(np.int32(1 << (_SUM_BITS - 1)))
    for k in range(TAPS):
        total = total + load(memory, k) * load(memory, _RECENT + t + k)
    store(state, ADAPTIVE, total >> splat(np.int32(_SUM_BITS)))


@njit
def adapt(memory, state, t):
    """Move the weights by what is left in a step, and take it in."""
    residual, power, oldest = load(state, RESIDUAL), load(memory, _POWER), load(memory, _RECENT + t)
    error = to_float(_clipped(residual) << splat(np.int32(WEIGHT_BITS)))
    offset, bits = splat(np.int32(POWER_OFFSET)), splat(np.int32(POWER_BITS))
    rate = to_integer(quotient(error, to_float((power + offset) >> bits))) * load(memory, _CHOSEN)
    half, shift = splat(np.int32(1 << (RATE_BITS - 1))), splat(np.int32(RATE_BITS))
    least, most = splat(np.int32(-MOST_WEIGHT - 1)), splat(np.int32(MOST_WEIGHT))
    for k in range(TAPS):
        move = (load(memory, _RECENT + t + k) * rate + half) >> shift
        store(memory, k, larger(smaller(load(memory, k) + move, most), least))
    newest = _clipped(residual + load(state, ADAPTIVE))
    store(memory, _RECENT + t + TAPS, newest)
    store(memory, _POWER, power + newest * newest - oldest * oldest)


@njit
def _clipped(residual):
    short = residual >> splat(np.int32(LOST_BITS))
    return larger(smaller(short, splat(np.int32(MOST))), splat(np.int32(-MOST)))
