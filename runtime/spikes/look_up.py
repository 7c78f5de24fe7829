"""Look many samples up in a table at once."""

from __future__ import annotations

import numpy as np

from ..compiled.choice import spike_loops

_SAMPLE = 4e-9
"""Seconds that numpy takes for a sample."""


def look_up(table: np.ndarray, values: np.ndarray, offset: int) -> np.ndarray:
    """Return what an int16 table holds for int16 values of any shape; its place 0 is that of the value -offset."""
    loops = spike_loops(_SAMPLE * values.size)
    if loops is None:
        return table.take(values.astype(np.intp) + offset)
    values = np.ascontiguousarray(values)
    out = np.empty_like(values)
    loops.look_up(table, values, offset, out)
    return out
