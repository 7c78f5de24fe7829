"""The order in which samples of windows are coded, and what is expected of them before the network is asked:
docs/format.md section 12. Shared by encoder and decoder."""

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
    """Lanes for so many samples: a lane costs some 36 bits, a step of few lanes as much time as one of many."""
    return min(max(samples // each, 1), MAX_LANES)


@dataclass(frozen=True)
class Sequence:
    """Windows as lanes take them, one after the other; all int64 [windows] unless said.

    lanes : int
    lane : of each window
    begin : the time step of its first sample
    run : windows of one channel in one lane, numbered
    rank : number of the window within its run
    ends : int64 [order levels], time steps at which order levels are through
    """

    lanes: int
    lane: np.ndarray
    begin: np.ndarray
    run: np.ndarray
    rank: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, windows: Windows, lanes: int, order_level: np.ndarray) -> Sequence:
        """Tier by order level (int64 [channels]), a window goes to the lane that its first sample falls into where all samples of
        the order level are cut evenly."""
        lane, begin = np.zeros((2, len(windows)), np.int64)
        ends, step, of_window = [], 0, order_level[windows.channel]
        for number in range(int(of_window.max(initial=0)) + 1):
            some = np.flatnonzero(of_window == number)
            offset = np.concatenate([[0], np.cumsum(windows.length[some])])
            lane[some] = offset[:-1] * lanes // max(int(offset[-1]), 1)
            length = np.bincount(lane[some], windows.length[some], lanes).astype(np.int64)
            begin[some] = step + offset[:-1] - (np.cumsum(length) - length)[lane[some]]
            step += int(length.max(initial=0))
            ends.append(step)
        opens = np.ones(len(windows), bool)
        opens[1:] = (lane[1:] != lane[:-1]) | (windows.channel[1:] != windows.channel[:-1])
        run = np.cumsum(opens) - 1
        rank = np.arange(len(windows)) - np.flatnonzero(opens)[run]
        return cls(lanes, lane, begin, run, rank, np.array(ends, np.int64))

    @property
    def steps(self) -> int:
        """Of the longest lane."""
        return int(self.ends[-1])


def template_shift(rank: np.ndarray) -> np.ndarray:
    """By how much a template moves at the window of this rank."""
    return np.minimum(rank + 1, _SLOWEST)


def expected_steps(steps: np.ndarray, inside: np.ndarray, sequence: Sequence) -> np.ndarray:
    """The running templates that windows are coded with.

    Parameters
    ----------
    steps : int64 [windows, TEMPLATE], differences between neighbouring Q6 units
    inside : bool [windows, TEMPLATE], where there is one: not at a window's first sample, not behind its last

    Returns
    -------
    int64 [windows, TEMPLATE], Q6 units
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
