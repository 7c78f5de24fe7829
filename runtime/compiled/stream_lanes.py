"""The lanes of a stream in compiled loops, packet after packet."""

from __future__ import annotations

import numpy as np

from ..entropy.rice import BINS, ESCAPE, ESCAPE_BITS, RANKS, RiceTables
from ..entropy.rice_body import join_body, parts_of
from ..predictor.lanes import Lanes
from . import rice_kernels as kernels
from .engine import Engine, lane_table
from .kernels import INPUTS, STATE_ROWS, TAPS
from .stream_kernels import Stream, start
from .vectors import WIDTH

_BYTES = 4
"""Most bytes of a sample in each part of a body."""
_WORD = 8
"""Bytes that loops read or write at once, behind the end too."""


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
        self._lanes, self._rice = lane_table(lanes, np.full(len(lanes), -1)), _rice_arrays(tables)
        count, blocks = len(lanes), 2 * -(-len(lanes) // (2 * WIDTH))
        weights, sizes = engine.pair_network
        self._stream = Stream(
            states=np.zeros((blocks, STATE_ROWS, WIDTH), np.int32),
            values=np.zeros((blocks, TAPS + steps, WIDTH), np.int32),
            inputs=np.zeros((blocks, INPUTS, WIDTH), np.float32),
            hidden=np.zeros((2, 2 * sizes[:, 1].max(), WIDTH), np.float32),
            shift=self._lanes.shift,
            weights=weights,
            sizes=sizes,
            tables=engine.tables,
            found=np.zeros((4, steps * blocks, WIDTH), np.int32),
        )
        self._parts = np.empty((4, _BYTES * steps * count + _WORD), np.uint8)
        self._sizes = np.zeros(5, np.int64)
        self._bins, self._hits = np.zeros(steps * count + 1, np.int32), np.zeros(steps * count + 1, np.int64)
        self.reset()

    def reset(self) -> None:
        """Go back to the start of all lanes."""
        start(self._lanes, self._stream.states, self._stream.values, self._stream.inputs)

    def encode(self, samples: np.ndarray) -> bytes:
        """Return the body for samples int16 [steps, lanes]."""
        kernels.encode(self._stream, self._rice, np.ascontiguousarray(samples), self._sizes, self._parts)
        parameter, *sizes = self._sizes.tolist()
        parts = [part[:size].data for part, size in zip(self._parts, sizes, strict=True)]
        return join_body(None if parameter < 0 else parameter, *parts)

    def decode(self, body: bytes, steps: int) -> tuple[np.ndarray, bool]:
        """Return the samples int16 [steps, lanes] of a body, and whether it ended where it should."""
        parts, out = parts_of(body), np.zeros((steps, len(self._lanes.mean)), np.int16)
        places = -1 if parts.parameter is None else parts.parameter, parts.bins, parts.quotients, parts.rests
        data = np.frombuffer(body + bytes(_WORD), np.uint8)
        good = kernels.decode(self._stream, self._rice, data, places, self._bins, self._hits, out)
        return out, good


def _rice_arrays(tables: RiceTables) -> kernels.RiceArrays:
    """Return tables as loops take them."""
    bins = tables.bin.reshape(-1, RANKS).astype(np.int64)
    base, width = tables.base.reshape(-1, BINS + 1) & (RANKS - 1), tables.width.reshape(-1, BINS + 1)
    value = np.arange(RANKS) - np.take_along_axis(base, bins, axis=1)
    symbols = value & (RANKS - 1) | np.take_along_axis(width, bins, axis=1) << 8 | (bins + 1) << 16
    escape = ESCAPE_BITS << 8 | (ESCAPE + 1) << 16
    return kernels.RiceArrays(
        order=tables.order,
        rank=tables.rank,
        quiet=tables.quiet.view(np.uint8),
        first=tables.first.astype(np.int16),
        symbols=np.append(symbols.ravel(), (escape, 0)).astype(np.int32),
        cells=np.append((base << 5 | width).ravel(), 0).astype(np.int32),
    )
