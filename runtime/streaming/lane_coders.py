"""The lanes of a stream on their way to bodies of packets and back: by compiled loops where they can be used."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from ..codec.decode_loop import DecodeLoop
from ..compiled.choice import engine_of
from ..entropy.rice import RiceTables
from ..entropy.rice_body import RiceBody
from ..entropy.rice_decoder import RiceSource
from ..entropy.rice_encoder import RiceEncoder
from ..predictor.block import BlockPredictor
from ..predictor.lanes import Lanes
from ..predictor.model import Model


class EncodingLanes(Protocol):
    """Encodes the lanes of a stream, block by block."""

    def reset(self) -> None:
        """Go back to the start of all lanes."""

    def encode(self, samples: np.ndarray) -> bytes:
        """Return the body for samples int16 [steps, lanes]."""


class DecodingLanes(Protocol):
    """Decodes the lanes of a stream, block by block."""

    def reset(self) -> None:
        """Go back to the start of all lanes."""

    def decode(self, body: bytes, steps: int) -> tuple[np.ndarray, bool]:
        """Return the samples int16 [steps, lanes] of a body, and whether it ended where it should."""


def encoding_lanes(model: Model, lanes: Lanes, steps: int) -> EncodingLanes:
    """Return the encoder of lanes, for blocks of at most so many steps."""
    return _compiled(model, lanes, steps) or _PlainEncoder(model, lanes, _tables(model, lanes), steps)


def decoding_lanes(model: Model, lanes: Lanes, steps: int) -> DecodingLanes:
    """Return the decoder of lanes, for blocks of at most so many steps."""
    return _compiled(model, lanes, steps) or _PlainDecoder(model, lanes, _tables(model, lanes))


def _compiled(model: Model, lanes: Lanes, steps: int):  # type: ignore[no-untyped-def]
    engine = engine_of(model, math.inf)
    if engine is None:
        return None
    from ..compiled.stream_lanes import StreamLanes

    return StreamLanes(engine, lanes, _tables(model, lanes), steps)


def _tables(model: Model, lanes: Lanes) -> RiceTables:
    return RiceTables.of(model.entropy, bool(lanes.linear.any()))


class _PlainEncoder:
    """See `EncodingLanes`; by numpy and onnxruntime."""

    def __init__(self, model: Model, lanes: Lanes, tables: RiceTables, steps: int):
        self._coder = RiceEncoder(tables, np.flatnonzero(lanes.linear), lanes.shift.astype(np.int64))
        self._predictor = BlockPredictor(model, lanes, steps)
        self.reset = self._predictor.reset

    def encode(self, samples: np.ndarray) -> bytes:
        """Return the body for samples int16 [steps, lanes]."""
        found = self._predictor.run_block(samples)
        return self._coder.encode(found.code, samples, found.location, found.scale)


class _PlainDecoder:
    """See `DecodingLanes`; by numpy and onnxruntime."""

    def __init__(self, model: Model, lanes: Lanes, tables: RiceTables):
        linear, shift = np.flatnonzero(lanes.linear), lanes.shift.astype(np.int64)
        self._source = RiceSource(tables, linear, shift)
        self._loop = DecodeLoop(model, lanes, lambda part: self._source, self._put)
        self._samples = np.empty((0, len(lanes)), np.int16)

    def reset(self) -> None:
        """Go back to the start of all lanes."""
        self._loop.reset()

    def decode(self, body: bytes, steps: int) -> tuple[np.ndarray, bool]:
        """Return the samples int16 [steps, lanes] of a body, and whether it ended where it should."""
        self._samples = np.empty((steps, self._samples.shape[1]), np.int16)
        self._source.load(RiceBody(body))
        self._loop.run(0, steps)
        self._loop.flush(steps)
        return self._samples, self._source.finish()

    def _put(self, samples: np.ndarray, first: int) -> None:
        self._samples[first : first + len(samples)] = samples
