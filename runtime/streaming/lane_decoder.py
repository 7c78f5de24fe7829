"""From Rice-coded bodies back to samples."""

from __future__ import annotations

import numpy as np

from ..codec.decode_loop import DecodeLoop
from ..entropy.rice import RiceTables
from ..entropy.rice_body import RiceBody
from ..entropy.rice_decoder import RiceSource
from ..predictor.lanes import Lanes
from ..predictor.model import Model


class LaneDecoder:
    """Decodes the lanes of a stream, packet by packet."""

    def __init__(self, model: Model, lanes: Lanes):
        linear, shift = np.flatnonzero(lanes.linear), lanes.shift.astype(np.int64)
        self._source = RiceSource(RiceTables.of(model.entropy, bool(len(linear))), linear, shift)
        self._loop = DecodeLoop(model, lanes, lambda part: self._source, self._put)
        self._samples = np.empty((0, len(lanes)), np.int16)

    def reset(self) -> None:
        """Go back to the start of all lanes."""
        self._loop.reset()

    def run(self, body: RiceBody, steps: int) -> tuple[np.ndarray, bool]:
        """Return the samples int16 [steps, lanes] of a body, and whether it ended where it should."""
        self._samples = np.empty((steps, self._samples.shape[1]), np.int16)
        self._source.load(body)
        self._loop.run(0, steps)
        self._loop.flush(steps)
        return self._samples, self._source.finish()

    def _put(self, samples: np.ndarray, first: int) -> None:
        self._samples[first : first + len(samples)] = samples
