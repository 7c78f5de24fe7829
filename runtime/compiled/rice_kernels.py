"""Compiled loops of streams: blocks of known samples through the predictor, and Rice bodies, docs/format.md section 10.

All lanes go through a time step before the next one, since a body holds its steps one after the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.compiled import njit
from .kernels import CENTRE, LOCATION, SCALE, TAPS, begin, learn, new_hidden, predict
from .rans_kernels import Q6, RECONSTRUCTION, SAMPLES, linear_value, read
from .vectors import WIDTH, number

_PLACES, _HALF_CODES = 1024, 512
_RANKS, _ESCAPE = 256, 15
_LINEAR_CELLS, _QUIET_CELLS = 256 << 4, 128 << 4
_RUN_PARAMETERS = 25


class RiceArrays(NamedTuple):
    """Tables of `RiceTables` with small types."""

    order: np.ndarray
    rank: np.ndarray
    first: np.ndarray
    quiet: np.ndarray
    bin: np.ndarray
    width: np.ndarray
    base: np.ndarray


@njit
def start(lanes, states, values, inputs):
    """Begin with all lanes anew.

    Parameters
    ----------
    states, values, inputs : int32, int32, float32 [blocks, rows, 8]
    """
    count = len(lanes.mean)
    for block in range(len(states)):
        begin(states[block], inputs[block], lanes, block * WIDTH, min(WIDTH, count - block * WIDTH))
        values[block, :TAPS] = 0


@njit
def _go_back(values, steps):
    """Move the newest values of a block to its front."""
    for k in range(TAPS):
        for i in range(WIDTH):
            values[k, i] = values[steps + k, i]


@njit
def distributions(lanes, engine, states, values, inputs, samples, found):
    """Take known samples int16 [steps, lanes] through the predictor.

    Parameters
    ----------
    engine : (weights of the network, its sizes, tables)
    found : int32 [3, steps, lanes], code, location and scale index; filled in
    """
    weights, sizes, tables = engine
    steps, count = samples.shape
    hidden, codes = new_hidden(sizes), np.empty((steps, WIDTH), np.int32)
    code, location, scale = found[0], found[1], found[2]
    for block in range(len(states)):
        first, state, past, x = block * WIDTH, states[block], values[block], inputs[block]
        present = min(WIDTH, count - first)
        for i in range(present):
            read(lanes, tables, samples, past, codes, i, first + i, steps)
        for t in range(steps):
            predict(state, past, x, hidden, weights, sizes, t)
            for i in range(present):
                location[t, first + i], scale[t, first + i] = state[LOCATION, i], state[SCALE, i]
                code[t, first + i] = codes[t, i] - state[CENTRE, i]
            learn(state, past, t)
        _go_back(past, steps)


@njit
def encode(lanes, rice, found, samples, cells, sizes, out):
    """Write the parts of a body.

    Parameters
    ----------
    found : see `distributions`
    samples : int16 [steps, lanes]
    cells : int32 [2, steps * lanes], room
    sizes : int64 [5], filled in: the parameter of runs or -1 without; bytes of the parts
    out : uint8 [4, bytes], bins, quotients and rests of runs, remainders; filled in
    """
    steps, count = samples.shape
    code, location, scale = found[0], found[1], found[2]
    linear, shift = lanes.linear, lanes.shift
    first, ranks, quiet_rows = rice.first, rice.rank, rice.quiet
    bins, widths, bases = rice.bin, rice.width, rice.base
    lengths = np.empty(steps * count, np.int32)
    quiet_samples, hits, run, at = 0, 0, 0, 0
    for t in range(steps):
        for lane in range(count):
            place = min(max((location[t, lane] >> 6) + _PLACES // 2, 0), _PLACES - 1)
            index = scale[t, lane]
            row = (index >> 4) * _PLACES + place
            if linear[lane]:
                place, row, index = place + _PLACES, row + 8 * _PLACES, index + 256
            rank = np.int64(code[t, lane]) - number(first, place)
            if rank < 0 or rank >= _RANKS:
                rank = _RANKS
            else:
                rank = np.int64(number(ranks, rank + (row << 8)))
            quiet = number(quiet_rows, row) and shift[lane] <= 0
            if quiet:
                quiet_samples += 1
                if rank == 0:
                    run += 1
                else:
                    lengths[hits] = run
                    hits, run = hits + 1, 0
            cells[0, at], cells[1, at] = rank, index * 2 + quiet
            at += 1
    sizes[0] = _run_parameter(lengths[:hits], quiet_samples)
    if sizes[0] >= 0:
        sizes[2], sizes[3] = _write_runs(lengths[:hits], sizes[0], out[1], out[2])
    else:
        sizes[2] = sizes[3] = 0
    bin_bit, bit, held = 0, 0, np.uint64(0)
    out[0, : 2 * steps * count + 1] = 0
    at = remainder = 0
    for t in range(steps):
        for lane in range(count):
            rank, index, quiet = cells[0, at], cells[1, at] >> 1, cells[1, at] & 1
            at += 1
            if quiet and sizes[0] >= 0:
                if rank == 0:
                    continue
                index += 128
            chosen = np.int64(_ESCAPE)
            if rank < _RANKS:
                chosen = np.int64(number(bins, (index << 8) + rank))
            if chosen == _ESCAPE:
                value, width = np.int64(samples[t, lane]) & 0xFFFF, 16
            else:
                cell = (index << 4) + chosen
                value, width = rank - (number(bases, cell) & (_RANKS - 1)), np.int64(number(widths, cell))
                if shift[lane] > 0:
                    value = (value << shift[lane]) | (np.int64(samples[t, lane]) & ((1 << shift[lane]) - 1))
                    width += shift[lane]
            bin_bit += chosen
            out[0, bin_bit >> 3] |= np.uint8(1 << (bin_bit & 7))
            bin_bit += 1
            held |= np.uint64(value) << np.uint64(bit)
            bit += width
            while bit >= 8:
                out[3, remainder] = np.uint8(held & np.uint64(255))
                held >>= np.uint64(8)
                remainder, bit = remainder + 1, bit - 8
    if bit:
        out[3, remainder] = np.uint8(held & np.uint64(255))
        remainder += 1
    sizes[1], sizes[4] = (bin_bit + 7) >> 3, remainder


@njit
def _run_parameter(lengths, quiet):
    """Return the best parameter for the lengths of runs, -1 where runs do not pay."""
    best, least = -1, quiet
    for parameter in range(_RUN_PARAMETERS):
        cost = (parameter + 1) * len(lengths)
        for length in lengths:
            cost += length >> parameter
        if cost < least:
            best, least = parameter, cost
    return best


@njit
def _write_runs(lengths, parameter, quotients, rests):
    """Write the lengths of runs; returns the bytes of quotients and of rests."""
    quotients[:] = 0
    rests[:] = 0
    unary, bit = 0, 0
    for length in lengths:
        unary += length >> parameter
        quotients[unary >> 3] |= np.uint8(1 << (unary & 7))
        unary += 1
        for place in range(parameter):
            rests[bit >> 3] |= np.uint8(((length >> place) & 1) << (bit & 7))
            bit += 1
    return (unary + 7) >> 3, (bit + 7) >> 3


@njit
def decode(lanes, engine, rice, states, values, inputs, body, out):
    """Decode a body into samples int16 [steps, lanes]; returns whether it ended where it should.

    Parameters
    ----------
    engine : (weights of the network, its sizes, tables)
    body : (uint8 [n] bins, int64 [n] hits, whether there are runs, uint8 [n] remainders with 8 zeros behind them)
    """
    weights, sizes, tables = engine
    bins, hits, with_runs, remainders = body
    steps, count = out.shape
    linear, shift, mean = lanes.linear, lanes.shift, lanes.mean
    order, quiet_rows, widths, bases = rice.order, rice.quiet, rice.width, rice.base
    hidden, last_bit = new_hidden(sizes), 8 * (len(remainders) - 8)
    next_bin = next_hit = quiet_samples = bit = 0
    for t in range(steps):
        for block in range(len(states)):
            first, state, past = block * WIDTH, states[block], values[block]
            predict(state, past, inputs[block], hidden, weights, sizes, t)
            for i in range(min(WIDTH, count - first)):
                lane = first + i
                place = min(max((state[LOCATION, i] >> 6) + _PLACES // 2, 0), _PLACES - 1)
                index = state[SCALE, i]
                cell, low = np.int64(index) << 4, max(shift[lane], 0)
                row = (index >> 4) * _PLACES + place
                if linear[lane]:
                    cell, row = cell + _LINEAR_CELLS, row + 8 * _PLACES
                chosen = -1
                if with_runs and low == 0 and number(quiet_rows, row):
                    if next_hit < len(hits) and hits[next_hit] == quiet_samples:
                        next_hit += 1
                        cell += _QUIET_CELLS
                    else:
                        chosen = 0
                    quiet_samples += 1
                width = 0
                if chosen < 0:
                    if next_bin >= len(bins):
                        return False
                    chosen = np.int64(number(bins, next_bin))
                    next_bin += 1
                    width = 16 if chosen == _ESCAPE else np.int64(number(widths, cell + chosen)) + low
                field = np.int64(0)
                if width:
                    if bit + width > last_bit:
                        return False
                    at = bit >> 3
                    for k in range(5):
                        field |= np.int64(number(remainders, at + k)) << (8 * k)
                    field = (field >> (bit & 7)) & ((1 << width) - 1)
                    bit += width
                if chosen == _ESCAPE:
                    sample = np.int16(field)
                    code = -1
                else:
                    entry = number(bases, cell + chosen) + (place << 8) + (field >> low)
                    code = np.int64(number(order, min(entry, len(order) - 1)))
                    sample = np.int16((code - _HALF_CODES + state[CENTRE, i]) << low | (field & ((1 << low) - 1)))
                if linear[lane]:
                    value = linear_value(sample, shift[lane])
                elif code < 0:
                    value = np.int64(number(tables, RECONSTRUCTION + (sample >> 6) + _HALF_CODES))
                else:
                    sample, value = np.int16(number(tables, SAMPLES + code)), np.int64(number(tables, Q6 + code))
                out[t, lane] = sample
                past[TAPS + t, i] = value - mean[lane]
            learn(state, past, t)
    for block in range(len(states)):
        _go_back(values[block], steps)
    used_up = next_bin == len(bins) and next_hit == len(hits)
    return used_up and (bit + 7) >> 3 == last_bit >> 3
