"""Gaps between windows, and the Rice parameters of numbers like them."""

from __future__ import annotations

import numpy as np

from ..windows import Windows
from .fields import MAX_RICE, rice_bits


def gaps(windows: Windows) -> np.ndarray:
    """Return the frames between a window and the one before it on its channel, or the chunk's start, int64."""
    before = np.concatenate([[0], windows.stop[:-1]])
    before[np.concatenate([[True], windows.channel[1:] != windows.channel[:-1]])[: len(windows)]] = 0
    return windows.start - before[: len(windows)]


def best_rice(values: np.ndarray) -> int:
    """Return the parameter of the fewest bits."""
    if not len(values):
        return 0
    usual = max(int(values.mean()), 1).bit_length()
    near = range(max(0, usual - 3), min(usual + 2, MAX_RICE) + 1)
    return min(near, key=lambda parameter: int(rice_bits(values, parameter).sum()))


def starts(channel: np.ndarray, gap: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return where windows begin, int64 [windows]: the inverse of `gaps`. Windows are in order of channel."""
    start = np.cumsum(gap + length) - length
    first = np.searchsorted(channel, channel)  # the first window of the same channel
    return start - (start - gap)[first]
