"""From Rice-coded bodies back to samples, one time step of all lanes after the other.

A step makes some fifty numpy calls on buffers made once: at the sampling rate of an implant there are 50 microseconds
for each.
"""

from __future__ import annotations

import numpy as np

from ..core.scalars import constant
from ..entropy.rice import RiceTables
from ..entropy.rice_decoder import PLACE_OFFSET, RiceBody, RiceSource
from ..entropy.tables import CODES
from . import features
from .lanes import Lanes
from .model import Model
from .step import Past, Step

_KEPT_STEPS = 64
"""Steps whose samples are looked up at once."""
_OFFSET_SHIFT = constant(2)


class Stepper:
    """Decodes lanes whose owners are in order.

    Parameters
    ----------
    model : Model
    lanes : Lanes
    """

    def __init__(self, model: Model, lanes: Lanes):
        self._lanes, self._entropy = lanes, model.entropy
        count, self._mean = len(lanes), lanes.mean
        self._linear = np.flatnonzero(lanes.linear)
        self._shift = lanes.shift[self._linear]
        tables = self._tables = RiceTables.of(model.entropy, bool(len(self._linear)))
        self._source = RiceSource(tables, self._linear, lanes.shift.astype(np.int64), lanes.owner)
        self._longest, self._shortest = int(lanes.length.max()), int(lanes.length.min())
        self._past = Past(lanes)
        self._own = Step(self._past, lanes, slice(0, count))
        self._location = np.empty(count, np.int32)
        self._placed_mean = lanes.mean + np.int32(PLACE_OFFSET)
        self._output = np.zeros((count, 2), np.int32)
        self._offset, self._scale = self._output.T
        self._network = model.bind(self._own.inputs, self._output)
        self._index = np.empty((_KEPT_STEPS, count), np.int64)
        self._order_q6 = tables.q6(model.entropy)
        self._q6 = np.empty(count, np.int32)

    def reset(self) -> None:
        """As at the start of a lane."""
        self._past.reset()
        self._own.residual[:] = 0

    def run(self, bodies: list[RiceBody], steps: int) -> tuple[np.ndarray, bool]:
        """The samples int16 [steps, lanes] of the bodies of all owners, and whether these ended where they should."""
        samples = np.empty((steps, len(self._lanes)), np.int16)
        self._source.load(bodies)
        self._patches: list[tuple[int, np.ndarray, np.ndarray]] = []
        for first in range(0, steps, _KEPT_STEPS):
            block = samples[first : first + _KEPT_STEPS]
            for t in range(first, first + len(block)):
                self._step(t, self._index[t - first], self._lanes.length > t if t >= self._shortest else None)
            codes = self._tables.order.take(self._index[: len(block)], mode="clip")
            self._entropy.samples.take(codes, out=block, mode="clip")
        for t, lanes, values in self._patches:
            samples[t, lanes] = values
        return samples, self._source.finish()

    def _step(self, t: int, index: np.ndarray, active: np.ndarray | None) -> None:
        own, linear = self._own, self._linear
        own.predict()
        own.fill()
        self._network()
        location = np.left_shift(self._offset, _OFFSET_SHIFT, out=self._location)
        location += own.prediction
        location += self._placed_mean
        centre = None
        if len(linear):
            centre = (own.prediction[linear] + self._mean[linear] + 32) >> 6
            location[linear] -= centre << 6
        escaped, field = self._source.next(location, self._scale, index, active)
        q6 = self._order_q6.take(index, out=self._q6, mode="clip")
        if centre is not None:
            code = self._tables.order.take(index[linear], mode="clip")
            self._linear_q6(t, code, field, centre, q6)
        if escaped is not None:
            self._escaped_q6(t, escaped, field, q6)
        own.learn(q6)
        self._past.advance()

    def _linear_q6(self, t: int, code: np.ndarray, field: np.ndarray, centre: np.ndarray, q6: np.ndarray) -> None:
        """Samples and Q6 units of the linear lanes, which are relative to `centre`."""
        linear, shift = self._linear, self._shift
        low = field[linear].astype(np.int64) & ((1 << shift) - 1)
        sample = (((code - CODES // 2 + centre) << shift) | low).astype(np.int16)
        self._patches.append((t, linear, sample))
        q6[linear] = features.q6_values(sample, shift)

    def _escaped_q6(self, t: int, escaped: np.ndarray, field: np.ndarray, q6: np.ndarray) -> None:
        sample = field[escaped].astype(np.uint16).view(np.int16)
        self._patches.append((t, escaped, sample))
        code = (sample >> 6) + CODES // 2
        on_linear = features.q6_values(sample, self._lanes.shift[escaped])
        q6[escaped] = np.where(self._lanes.linear[escaped] != 0, on_linear, self._entropy.reconstruction[code])
