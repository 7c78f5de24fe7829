"""Order in which the samples of windows are coded (docs/format.md section 12.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..windows import Windows

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
    follows : bool, whether the window before it in its lane is of the same channel
    steps : int, samples of the longest lane
    """

    lanes: int
    lane: np.ndarray
    begin: np.ndarray
    follows: np.ndarray
    steps: int

    @classmethod
    def of(cls, windows: Windows, lanes: int) -> Sequence:
        """Give each window to the lane that its first sample falls into where all samples are cut evenly."""
        offset = windows.offset
        lane = offset[:-1] * lanes // max(int(offset[-1]), 1)
        length = np.bincount(lane, windows.length, lanes).astype(np.int64)
        begin = offset[:-1] - (np.cumsum(length) - length)[lane]
        follows = np.zeros(len(windows), bool)
        follows[1:] = (lane[1:] == lane[:-1]) & (windows.channel[1:] == windows.channel[:-1])
        return cls(lanes, lane, begin, follows, int(length.max(initial=0)))
