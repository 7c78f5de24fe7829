"""Compiled loops over the runs of Rice bodies, and over unary strings: docs/format.md section 10.3."""

from __future__ import annotations

import numpy as np

from ..core.compiled import njit
from ..entropy.rice import MAX_RUN_BITS
from .vectors import load_word, put, store_word, trailing_zeros


@njit
def run_parameter(lengths, quiet):
    """Return the best parameter for the lengths of runs, -1 where runs do not pay."""
    best, least = -1, quiet
    for parameter in range(MAX_RUN_BITS + 1):
        cost = (parameter + 1) * len(lengths)
        for length in lengths:
            cost += length >> parameter
        if cost < least:
            best, least = parameter, cost
    return best


@njit
def write_runs(lengths, parameter, quotients, rests):
    """Write the lengths of runs; returns the bytes of quotients and of rests."""
    unary, held, rest_bit, at = 0, 0, 0, 0
    quotients[: (np.sum(lengths >> parameter) + len(lengths) + 7) >> 3] = 0
    for length in lengths:
        unary += length >> parameter
        quotients[unary >> 3] |= np.uint8(1 << (unary & 7))
        unary += 1
        held |= (np.int64(length) & ((1 << parameter) - 1)) << rest_bit
        rest_bit += parameter
        store_word(rests, at, held)
        at, held, rest_bit = at + (rest_bit >> 3), held >> (rest_bit & 56), rest_bit & 7
    return (unary + 7) >> 3, at + (rest_bit > 0)


@njit
def unary_numbers(data, start, end, most, out):
    """Read a unary string; returns how many numbers there are, -1 for too many or large ones or superfluous bits."""
    count, last, base = 0, -1, 0
    for at in range(start, end, 8):
        word = load_word(data, at)
        if end - at < 8:
            word &= (1 << (8 * (end - at))) - 1
        while word:
            bit = base + trailing_zeros(word)
            if count == len(out) or bit - last > most + 1:
                return -1
            put(out, count, bit - last - 1)
            count, last = count + 1, bit
            word &= word - 1
        base += 64
    return count if 8 * (end - start) - 1 - last <= 7 or start == end else -1


@njit
def read_hits(data, start, end, parameter, hits):
    """Read runs; returns how many there are, -1 for damaged ones, and where their bytes end."""
    count, sample = unary_numbers(data, start, end, 8 * len(data), hits), -1
    for k in range(max(count, 0)):
        bit = k * parameter
        word = load_word(data, min(end + (bit >> 3), len(data) - 8))
        sample += (hits[k] << parameter) + ((word >> (bit & 7)) & ((1 << parameter) - 1)) + 1
        hits[k] = sample
    return count, end + ((max(count, 0) * parameter + 7) >> 3)
