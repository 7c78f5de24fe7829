"""Order in which the samples of windows are coded, and their running templates (docs/format.md section 12.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..windows import Windows

TEMPLATE = 64
"""Samples of a window that the running template of a channel covers."""
TEMPLATE_BITS = 4
_SLOWEST = 3
"""The template moves by 2^-3 of its distance to the newest window, by more in the first ones."""
_LANE_SAMPLES = 8192
MAX_LANES = 4096


def lane_count(samples: int, each: int = _LANE_SAMPLES) -> int:
    """Return the lanes for so many samples: a lane costs some 36 bits, a step of few lanes the time of one of many."""
    return min(max(samples // each, 1), MAX_LANES)


@dataclass(frozen=True)
class Sequence:
    """Places of windows in lanes; int64 [windows] unless stated.

    lanes : int
    lane : of each window
    begin : the time step of its first sample
    run : windows of one channel in one lane, numbered
    rank : number of the window within its run
    steps : int, samples of the longest lane
    """

    lanes: int
    lane: np.ndarray
    begin: np.ndarray
    run: np.ndarray
    rank: np.ndarray
    steps: int

    @classmethod
    def of(cls, windows: Windows, lanes: int) -> Sequence:
        """Give each window to the lane that its first sample falls into where all samples are cut evenly."""
        offset = windows.offset
        lane = offset[:-1] * lanes // max(int(offset[-1]), 1)
        length = np.bincount(lane, windows.length, lanes).astype(np.int64)
        begin = offset[:-1] - (np.cumsum(length) - length)[lane]
        opens = np.ones(len(windows), bool)
        opens[1:] = (lane[1:] != lane[:-1]) | (windows.channel[1:] != windows.channel[:-1])
        run = np.cumsum(opens) - 1
        rank = np.arange(len(windows)) - np.flatnonzero(opens)[run]
        return cls(lanes, lane, begin, run, rank, int(length.max(initial=0)))


def template_shift(rank: np.ndarray | np.integer) -> np.ndarray:
    """Return by how many bits the distance that a template moves is shifted, at the window of this rank."""
    return np.minimum(rank + 1, _SLOWEST)


def expected_steps(steps: np.ndarray, inside: np.ndarray, sequence: Sequence) -> np.ndarray:
    """Return the running templates that windows are coded with, int64 [windows, TEMPLATE], Q6 units.

    Parameters
    ----------
    steps : int64 [windows, TEMPLATE], differences between neighbouring Q6 units
    inside : bool [windows, TEMPLATE], where there is one: not at a window's first sample, not behind its last
    """
    out = np.zeros_like(steps)
    if not len(steps):
        return out
    templates = np.zeros((int(sequence.run[-1]) + 1, TEMPLATE), np.int64)
    order = np.argsort(sequence.rank, kind="stable")
    ends = np.cumsum(np.bincount(sequence.rank))
    for rank, part in enumerate(np.split(order, ends[:-1])):
        run = sequence.run[part]
        before = templates[run]
        out[part] = before >> TEMPLATE_BITS
        move = ((steps[part] << TEMPLATE_BITS) - before) >> template_shift(np.int64(rank))
        templates[run] = before + np.where(inside[part], move, 0)
    return out
