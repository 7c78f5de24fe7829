"""Encode chunks within a budget of bytes: with a larger error, then with fewer windows on the busiest channels."""

from __future__ import annotations

import numpy as np

from .candidates import Candidates
from .detection.offline import Detections

_ROUNDS = 8
_FULL = 0.97
"""Share of the budget that is good enough."""
_MAX_ERROR = 255


def encode_within(candidates: Candidates, budget: int) -> bytes:
    """Return the payload of a chunk with the smallest error that is within `budget`.

    Where an error of the noise's own size is not enough, channels get fewer windows: what a channel may have is the
    same for all.
    """
    found, least = candidates.detect(), candidates.options.max_error
    payload = candidates.encode(found, least)
    if len(payload) <= budget:
        return payload
    highest = max(least, _noise(found))
    if highest > least:
        payload = candidates.encode(found, highest)
    if len(payload) > budget:
        return _fewer(candidates, found, budget, highest, len(payload))
    low, high, best = least, highest, payload
    while high - low > 1:
        middle = (low + high) // 2
        payload = candidates.encode(found, middle)
        if len(payload) <= budget:
            high, best = middle, payload
        else:
            low = middle
    return best


def _noise(found: Detections) -> int:
    """Return the deviation of a usual channel with windows, in values: a larger error is of no use."""
    channels = np.unique(found.windows.channel)
    return int(np.clip(np.median(found.noise[channels]), 0, _MAX_ERROR)) if len(channels) else 0


def _fewer(candidates: Candidates, found: Detections, budget: int, max_error: int, size: int) -> bytes:
    """Return the payload with as many windows as fit, or none: the search is for what any channel may have.

    size : bytes of the payload with all windows
    """
    frames = np.bincount(found.windows.channel, found.windows.length, len(found.noise))
    best = candidates.encode(candidates.detect(most=0), max_error)
    low, high = 0, int(frames.max(initial=0))
    share = max(budget - len(best), 0) / max(size - len(best), 1)
    guess = _limit(frames, float(frames.sum()) * share)
    for _ in range(_ROUNDS):
        if len(best) > budget or high - low <= 1:
            break
        guess = min(max(guess, low + 1), high - 1)
        payload = candidates.encode(candidates.detect(most=guess), max_error)
        if len(payload) > budget:
            high = guess
        else:
            low, best = guess, payload
            if len(best) > _FULL * budget:
                break
        guess = (low + high) // 2
    return best


def _limit(frames: np.ndarray, allowed: float) -> int:
    """Return the frames that every channel may have so that all have no more than `allowed` together."""
    ordered = np.sort(frames)
    total = np.concatenate([[0.0], np.cumsum(ordered)])
    for index, value in enumerate(ordered.tolist()):
        limit = (allowed - total[index]) / (len(ordered) - index)
        if limit <= value:
            return max(int(limit), 0)
    return int(ordered[-1]) if len(ordered) else 0
