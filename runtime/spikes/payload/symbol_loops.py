"""Loops over the numbers of a plan, which run compiled or as they are; `symbols` has what they mean.

A number's kind is the distribution that it has, or minus its width in bits where its values are equally likely. `SMALL`
is added to the kind of numbers below `CLASSES` that are classes themselves.
"""

from __future__ import annotations

import numpy as np

from ...entropy.entropy_model import PRECISION
from ...entropy.rans import LOW

CLASSES = 32
"""Of a distribution: class c holds 2^c - 1 to 2^(c + 1) - 2."""
SMALL = 1 << 16
MOST_INTERVALS = 3
"""Of a number: its class, and its bits in parts."""
_LEARN, _MOST = 24, 1 << 13
"""What a class gains when it occurs, and the sum at which all are halved."""
_PART_BITS, _WORD_BITS = 16, 32
_MASK = (1 << PRECISION) - 1


def interval(counts: np.ndarray, number: int, below: int, total: int) -> tuple[int, int, int]:
    """Return start and frequency of a class, learn that it occurred, and return the new sum of all counts.

    Parameters
    ----------
    counts : int64 [CLASSES]
    below, total : sums of the counts below the class, and of all
    """
    start = (below << PRECISION) // total
    frequency = ((below + counts[number]) << PRECISION) // total - start
    counts[number] += _LEARN
    total += _LEARN
    if total > _MOST:
        total = 0
        for k in range(CLASSES):
            counts[k] = (counts[k] + 1) >> 1
            total += counts[k]
    return start, frequency, total


def write(numbers: np.ndarray, kinds: np.ndarray, counts: np.ndarray, intervals: np.ndarray) -> int:
    """Find the intervals of numbers; return how many there are.

    Parameters
    ----------
    numbers, kinds : int64 [n]
    counts : int64 [distributions, CLASSES], all 1, which change
    intervals : uint32 [MOST_INTERVALS * n, 2], start and frequency, filled in
    """
    found, totals = 0, np.full(len(counts), CLASSES, np.int64)
    for i in range(len(numbers)):
        rest, width, kind = numbers[i], -kinds[i], kinds[i]
        if kind >= 0:
            kind, width, is_small = kind % SMALL, 0, kind >= SMALL
            while (width < rest) if is_small else (rest + 1) >> (width + 1) > 0:
                width += 1
            below = counts[kind, :width].sum()
            start, frequency, totals[kind] = interval(counts[kind], width, below, totals[kind])
            intervals[found, 0], intervals[found, 1] = start, frequency
            found += 1
            rest, width = rest + 1 - (1 << width), 0 if is_small else width
        while width > 0:
            some = min(width, _PART_BITS)
            width -= some
            part = (rest >> width) & ((1 << some) - 1)
            intervals[found, 0], intervals[found, 1] = part << (PRECISION - some), 1 << (PRECISION - some)
            found += 1
    return found


def advance(state: int, at: int, part: tuple[int, int], words: np.ndarray) -> tuple[int, int]:
    """Take an interval off the state; return the new one and which word is next, -1 where there is none."""
    start, frequency = part
    state = frequency * (state >> PRECISION) + (state & _MASK) - start
    if state < LOW:
        if at == len(words):
            return state, -1
        state, at = state << _WORD_BITS | words[at], at + 1
    return state, at


def read(kinds: np.ndarray, words: np.ndarray, position: np.ndarray, numbers: np.ndarray) -> bool:
    """Read numbers; return whether there are words for them.

    Parameters
    ----------
    kinds : int64 [n]; distributions are new ones
    words : int64 [words]
    position : int64 [2], the coder's state and which word is next; moved on
    numbers : int64 [n], filled in
    """
    distributions = 0
    for i in range(len(kinds)):
        distributions = max(distributions, kinds[i] % SMALL + 1 if kinds[i] >= 0 else 0)
    counts = np.ones((distributions, CLASSES), np.int64)
    totals = np.full(distributions, CLASSES, np.int64)
    state, at = position[0], position[1]
    for i in range(len(kinds)):
        kind, width, first, rest = kinds[i], -kinds[i], 0, 0
        if kind >= 0:
            slot, below, width, is_small = state & _MASK, 0, 0, kind >= SMALL
            kind %= SMALL
            while slot >= ((below + counts[kind, width]) << PRECISION) // totals[kind]:
                below += counts[kind, width]
                width += 1
            start, frequency, totals[kind] = interval(counts[kind], width, below, totals[kind])
            state, at = advance(state, at, (start, frequency), words)
            first, width = (width, 0) if is_small else ((1 << width) - 1, width)
        while width > 0 and at >= 0:
            some = min(width, _PART_BITS)
            width -= some
            part = (state & _MASK) >> (PRECISION - some)
            state, at = advance(state, at, (part << (PRECISION - some), 1 << (PRECISION - some)), words)
            rest = rest << some | part
        if at < 0:
            return False
        numbers[i] = first + rest
    position[0], position[1] = state, at
    return True
