"""Lanes of the entropy coder, by compiled loops where there are many steps."""

from __future__ import annotations

import numpy as np

from ...compiled.choice import spike_loops
from ...entropy import rans

_STEP = 2e-5
"""Seconds that numpy takes for a step of any number of lanes."""


def encode(start: np.ndarray, frequency: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return states uint64 [lanes] and words uint32 of intervals uint32 [steps, lanes]; see `rans.encode`."""
    loops = spike_loops(len(start) * _STEP)
    if loops is None:
        states, words = rans.encode(start, frequency)
        return states, words.values
    states, values = np.full(start.shape[1], rans.LOW, np.uint64), np.zeros(start.size, np.uint32)
    first = loops.encode_lanes(start, frequency, states, values)
    return states, values[first:]
