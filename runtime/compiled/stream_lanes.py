"""The lanes of a stream in compiled loops, packet after packet."""

from __future__ import annotations

import numpy as np

from ..entropy.rice import RiceTables
from ..entropy.rice_body import RiceBody, join_body
from ..predictor.lanes import Lanes
from . import rice_kernels as kernels
from .engine import Engine, lane_table
from .kernels import INPUTS, STATE_ROWS, TAPS
from .vectors import WIDTH

_BYTES = 4
"""Most bytes of a sample in each part of a body."""


class StreamLanes:
    """Code blocks of steps of all lanes, each from where the one before ended.

    Parameters
    ----------
    engine : Engine
    lanes : Lanes
        Without references, one for each channel.
    tables : RiceTables
    steps : int
        The most steps of a block.
    """

    def __init__(self, engine: Engine, lanes: Lanes, tables: RiceTables, steps: int):
        self._lanes = lane_table(lanes, np.full(len(lanes), -1))
        self._engine = *engine.network, engine.tables
        self._rice = kernels.RiceArrays(
            order=tables.order,
            rank=tables.rank,
            first=tables.first,
            quiet=tables.quiet.view(np.uint8),
            bin=tables.bin,
            width=tables.width.astype(np.uint8),
            base=tables.base.astype(np.int32),
        )
        count, blocks = len(lanes), -(-len(lanes) // WIDTH)
        self._states = np.zeros((blocks, STATE_ROWS, WIDTH), np.int32)
        self._values = np.zeros((blocks, TAPS + steps, WIDTH), np.int32)
        self._inputs = np.zeros((blocks, INPUTS, WIDTH), np.float32)
        self._found = np.empty(3 * steps * count, np.int32)
        self._cells = np.empty((2, steps * count), np.int32)
        self._parts = np.empty((4, _BYTES * steps * count + 1), np.uint8)
        self._sizes = np.zeros(5, np.int64)
        self.reset()

    def reset(self) -> None:
        """Go back to the start of all lanes."""
        kernels.start(self._lanes, self._states, self._values, self._inputs)

    def encode(self, samples: np.ndarray) -> bytes:
        """Return the body for samples int16 [steps, lanes]."""
        samples = np.ascontiguousarray(samples)
        found = self._found[: 3 * samples.size].reshape(3, *samples.shape)
        kernels.distributions(self._lanes, self._engine, self._states, self._values, self._inputs, samples, found)
        kernels.encode(self._lanes, self._rice, found, samples, self._cells, self._sizes, self._parts)
        parameter, *sizes = self._sizes.tolist()
        parts = [part[:size].data for part, size in zip(self._parts, sizes, strict=True)]
        return join_body(None if parameter < 0 else parameter, *parts)

    def decode(self, body: RiceBody, steps: int) -> tuple[np.ndarray, bool]:
        """Return the samples int16 [steps, lanes] of a body, and whether it ended where it should."""
        out = np.zeros((steps, len(self._lanes.mean)), np.int16)
        hits = np.zeros(0, np.int64) if body.hits is None else body.hits
        remainders = np.frombuffer(bytes(body.remainders) + bytes(8), np.uint8)
        parts = body.bins, hits, body.hits is not None, remainders
        good = kernels.decode(
            self._lanes, self._engine, self._rice, self._states, self._values, self._inputs, parts, out
        )
        return out, good
