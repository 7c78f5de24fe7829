"""Compiled loops of Rice bodies: docs/format.md section 10.

The vectors of the predictor leave what they find of each sample in flat arrays, lane by lane and step by step, in the
order of bodies. The loops over these arrays take one sample after the other and have hardly a branch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.compiled import inlined, njit
from .kernels import CENTRE, MEAN, TAPS, learn
from .rans_kernels import Q6, RECONSTRUCTION, SAMPLES, linear_value
from .rice_runs import read_hits, run_parameter, unary_numbers, write_runs
from .stream_kernels import CLASSES_END, HALF_CODES, PLACE_BITS, PLACES, foresee, go_back, take_in
from .vectors import WIDTH, block_of, load, load_word, number, put, store, store_word

_RANKS, _BINS, _ESCAPE_BITS = 256, 15, 16
_QUIET_INDICES = 128
"""Distance from a scale index to that of quiet samples."""
_QUIET, _MET = 1 << 24, 1 << 25
"""Marks of quiet samples, and of those of the first rank among them."""


class RiceArrays(NamedTuple):
    """Tables of `RiceTables` as loops take them; see `stream_lanes`.

    order : int16, code at (row << 8) + rank; row: (class << 10) + place
    rank : uint8, rank at (row << 8) + code - first
    quiet : uint8 [rows]
    first : int16, first ranked code at each place
    symbols : int32, at (index << 8) + rank what is written: `pack_symbols`; the last two: an escape, nothing
    cells : int32, at (index << 4) + bin: width of the remainder and, from bit 5 on, the first rank; the last: nothing
    """

    order: np.ndarray
    rank: np.ndarray
    quiet: np.ndarray
    first: np.ndarray
    symbols: np.ndarray
    cells: np.ndarray


@njit
def encode(stream, rice, samples, sizes, out):
    """Write the parts of a body.

    Parameters
    ----------
    samples : int16 [steps, lanes]
    sizes : int64 [5], filled in: the parameter of runs or -1 without; bytes of the parts
    out : uint8 [4, bytes], bins, quotients and rests of runs, remainders; filled in
    """
    steps, count = samples.shape
    blocks, code = len(stream.states), stream.found[2]
    codes = np.empty((2, steps, WIDTH), np.int32)
    for pair in range(0, blocks, 2):
        state, other = block_of(stream.states, pair), block_of(stream.states, pair + 1)
        past, other_past = block_of(stream.values, pair), block_of(stream.values, pair + 1)
        take_in(stream, samples, pair, codes[0])
        take_in(stream, samples, pair + 1, codes[1])
        for t in range(steps):
            at = t * blocks + pair
            foresee(stream, pair, t, at)
            store(code, at, load(codes[0], t) - load(state, CENTRE))
            store(code, at + 1, load(codes[1], t) - load(other, CENTRE))
            learn(state, past, t)
            learn(other, other_past, t)
        go_back(past, steps)
        go_back(other_past, steps)
    _rank(stream, rice, steps, count, sizes, out)
    _write(stream, rice, samples, sizes, out)


@njit
def _rank(stream, rice, steps, count, sizes, out):
    """Rank the codes: leaves the place in `symbols` and marks of each sample; writes the runs, if they pay."""
    blocks, shift = len(stream.states), stream.shift
    found = stream.found
    rows, indices, code, cells = found[0].ravel(), found[1].ravel(), found[2].ravel(), found[3].ravel()
    first, ranks, quiet_rows = rice.first, rice.rank, rice.quiet
    escape, lengths = len(rice.symbols) - 2, np.empty(steps * count, np.int32)
    quiet_samples, hits, run = 0, 0, 0
    for t in range(steps):
        for lane in range(count):
            at = t * blocks * WIDTH + lane
            row = np.int64(number(rows, at))
            place = (row & (PLACES - 1)) + ((row >> CLASSES_END) << PLACE_BITS)
            rank = np.int64(number(code, at)) - number(first, place)
            quiet = np.int64(number(quiet_rows, row)) & (number(shift, lane) <= 0)
            ranked = 0 <= rank < _RANKS
            cell = np.int64(number(ranks, (row << 8) + (rank & (_RANKS - 1))))
            met = quiet & ranked & (cell == 0)
            cell = (np.int64(number(indices, at)) << 8) + cell + quiet * _QUIET + met * _MET
            put(cells, at, cell if ranked else escape)
            put(lengths, hits, run)
            hit = quiet - met
            quiet_samples, hits, run = quiet_samples + quiet, hits + hit, (run + met) * (1 - hit)
    sizes[0] = run_parameter(lengths[:hits], quiet_samples)
    sizes[2] = sizes[3] = 0
    if sizes[0] >= 0:
        sizes[2], sizes[3] = write_runs(lengths[:hits], sizes[0], out[1], out[2])


@njit
def _write(stream, rice, samples, sizes, out):
    """Write bins and remainders."""
    blocks, shift = len(stream.states), stream.shift
    cells, symbols, flat = stream.found[3].ravel(), rice.symbols, samples.ravel()
    bins, remainders, runs = out[0], out[3], sizes[0] >= 0
    nothing, with_low = len(symbols) - 1, shift.max() > 0
    steps, count = samples.shape
    unary, unary_bit, unary_at = 0, 0, 0
    held, bit, at = 0, 0, 0
    for t in range(steps):
        for lane in range(count):
            cell = np.int64(number(cells, t * blocks * WIDTH + lane))
            if runs:
                quiet = (cell >> 24) & 1
                cell = nothing if cell & _MET else (cell & (_QUIET - 1)) + quiet * (_QUIET_INDICES << 8)
            symbol = np.int64(number(symbols, cell & (_QUIET - 1)))
            value, width, size = symbol & 255, (symbol >> 8) & 31, symbol >> 16
            if size > _BINS:
                value = np.int64(number(flat, t * count + lane)) & 0xFFFF
            elif with_low and size:
                low = max(np.int64(number(shift, lane)), 0)
                value = (value << low) | (np.int64(number(flat, t * count + lane)) & ((1 << low) - 1))
                width += low
            unary |= ((1 << size) >> 1) << unary_bit
            unary_bit += size
            store_word(bins, unary_at, unary)
            unary_at, unary, unary_bit = unary_at + (unary_bit >> 3), unary >> (unary_bit & 56), unary_bit & 7
            held |= value << bit
            bit += width
            store_word(remainders, at, held)
            at, held, bit = at + (bit >> 3), held >> (bit & 56), bit & 7
    sizes[1], sizes[4] = unary_at + (unary_bit > 0), at + (bit > 0)


@njit
def decode(stream, rice, body, parts, bins, hits, out):
    """Decode a body into samples int16 [steps, lanes]; returns whether it ended where it should.

    Parameters
    ----------
    body : uint8 [n], with 8 zeros behind it
    parts : (the parameter of runs or -1 without, where bins begin and end, where quotients end)
    bins : int32 [steps * lanes + 1], room
    hits : int64 [steps * lanes + 1], room
    """
    steps, count = out.shape
    parameter, begins, bins_end, at = parts
    size, hit_count = len(body) - 8, 0
    bin_count = unary_numbers(body, begins, bins_end, _BINS, bins[: steps * count])
    if parameter >= 0:
        hit_count, at = read_hits(body, bins_end, at, parameter, hits[: steps * count])
    if bin_count < 0 or hit_count < 0:
        return False
    bins[bin_count], hits[hit_count] = 0, np.int64(1) << 62
    blocks, taken = len(stream.states), stream.found[2]
    where, numbers = (0, 0, 0, 8 * min(at, size)), (bins, bin_count, hits)
    for t in range(steps):
        for pair in range(0, blocks, 2):
            if t:
                _take(stream, taken, pair, t - 1)
                _take(stream, taken, pair + 1, t - 1)
            foresee(stream, pair, t, pair)
        where = _read_step(stream, rice, body, numbers, parameter >= 0, where, out[t])
    for block in range(blocks):
        _take(stream, taken, block, steps - 1)
        go_back(block_of(stream.values, block), steps)
    next_bin, next_hit, _, bit = where
    return next_bin == bin_count and next_hit == hit_count and (bit + 7) >> 3 == size


@inlined
def _take(stream, taken, block, t):
    """Take in the Q6 values of a step of a block."""
    state, past = block_of(stream.states, block), block_of(stream.values, block)
    store(past, TAPS + t, load(taken, block) - load(state, MEAN))
    learn(state, past, t)


@njit
def _read_step(stream, rice, body, numbers, runs, where, out):
    """Read the samples int16 [lanes] of a step; returns the next bin, the next hit, quiet samples so far, next bit."""
    next_bin, next_hit, quiet_samples, bit = where
    bins, bin_count, hits = numbers
    rows, indices, taken = stream.found[0].ravel(), stream.found[1].ravel(), stream.found[2].ravel()
    shift, tables, states = stream.shift, stream.tables, stream.states.ravel()
    order, quiet_rows, cells = rice.order, rice.quiet, rice.cells
    nothing, last, with_low = len(cells) - 1, len(body) - 8, shift.max() > 0
    block_size = stream.states.shape[1] * WIDTH
    for lane in range(len(out)):
        row, cell, low = np.int64(number(rows, lane)), np.int64(number(indices, lane)) << 4, 0
        if with_low:
            low = max(np.int64(number(shift, lane)), 0)
        chosen = np.int64(number(bins, min(next_bin, bin_count)))
        if runs:
            quiet = np.int64(number(quiet_rows, row)) & (low == 0)
            hit = quiet & (number(hits, next_hit) == quiet_samples)
            met = quiet - hit
            quiet_samples, next_hit, next_bin = quiet_samples + quiet, next_hit + hit, next_bin + 1 - met
            cell = nothing if met else cell + chosen + quiet * (_QUIET_INDICES << 4)
        else:
            next_bin += 1
            cell += chosen
        entry = np.int64(number(cells, cell))
        width = entry & 31
        word = load_word(body, min(bit >> 3, last)) >> (bit & 7)
        if width == _ESCAPE_BITS:
            bit += width
            sample, known = np.int64(np.int16(word & 0xFFFF)), 0
            code = np.int64(0)
        else:
            width += low
            bit += width
            field = word & ((1 << width) - 1)
            code, known = np.int64(number(order, min((row << 8) + (entry >> 5) + (field >> low), len(order) - 1))), 1
            sample = np.int64(number(tables, SAMPLES + code))
        if row >> CLASSES_END:
            if known:
                centre = np.int64(number(states, (lane >> 3) * block_size + CENTRE * WIDTH + (lane & 7)))
                sample = np.int64(np.int16((code - HALF_CODES + centre) << low | (word & ((1 << low) - 1))))
            value = linear_value(sample, np.int64(number(shift, lane)))
        elif known:
            value = np.int64(number(tables, Q6 + code))
        else:
            value = np.int64(number(tables, RECONSTRUCTION + (sample >> 6) + HALF_CODES))
        put(out, lane, sample)
        put(taken, lane, value)
    return next_bin, next_hit, quiet_samples, bit
