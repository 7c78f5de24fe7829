"""From lanes of samples to intervals of the entropy coder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.threads import check_stop
from ..entropy.entropy_model import CODES, PRECISION
from ..predictor.block import BlockPredictor
from ..predictor.lanes import Lanes
from ..predictor.model import Model

_BLOCK_ROWS = 1 << 14
"""Rows that go through the network at once: what is known of them stays in the cache."""


@dataclass
class Intervals:
    """start, frequency: uint32 [steps, lanes]; escapes: int64 [n, 2] of (step, lane), in decoding order."""

    start: np.ndarray
    frequency: np.ndarray
    escapes: np.ndarray


def block_steps(lanes: int, steps: int) -> int:
    """Return how many steps of so many lanes go through the network at once."""
    return min(max(1, _BLOCK_ROWS // lanes), steps)


def intervals(model: Model, lanes: Lanes, samples: np.ndarray, memory: np.ndarray | None = None) -> Intervals:
    """Return the intervals of all samples.

    Parameters
    ----------
    samples : int16 [steps, lanes]
    memory : uint32, flat, 2 for each step of a lane
        Where the result goes; allocated if there is none.
    """
    steps, count = samples.shape
    if memory is None:
        memory = np.empty(2 * steps * count, np.uint32)
    start, frequency = memory[: 2 * steps * count].reshape(2, steps, count)
    rows = block_steps(count, steps)
    predictor, linear = BlockPredictor(model, lanes, rows), lanes.linear != 0
    escapes: list[np.ndarray] = [np.empty((0, 2), np.int64)]
    for first in range(0, steps, rows):
        check_stop()
        block = slice(first, min(first + rows, steps))
        found = predictor.run_block(samples[block])
        if linear.any():
            escaped = ((found.code < 1) | (found.code > CODES - 2)) & linear
            escapes.append(np.argwhere(escaped) + [first, 0])
            np.clip(found.code, 0, CODES - 1, out=found.code)
        start[block], frequency[block] = model.entropy.intervals(found.code, found.location, found.scale, lanes.offset)
    result = Intervals(start, frequency, np.concatenate(escapes))
    for lane in np.flatnonzero(lanes.length < steps):
        end = int(lanes.length[lane])
        start[end:, lane], frequency[end:, lane] = 0, 1 << PRECISION
        result.escapes = result.escapes[(result.escapes[:, 1] != lane) | (result.escapes[:, 0] < end)]
    return result
