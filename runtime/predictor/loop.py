"""From coder states back to samples: one time step of all lanes after the other, within it one order level after the other.

This loop decides about the speed of decoding, so it works in place on small types. What a step of 8192 lanes takes, in
nanoseconds a lane (docs/performance.md): linear predictor 4, inputs 10, network 22, symbol search 30, coder 5, the
rest 4.
"""

from __future__ import annotations

import numpy as np

from ..core.scalars import constant
from ..entropy import rans
from ..entropy.symbol_search import SymbolSearch
from ..entropy.tables import CODES, PRECISION
from . import features, messages
from .channel_parameters import REFERENCE_TAPS, REFERENCES
from .lanes import Lanes, Places
from .model import Model
from .recurrent import States
from .step import Past, Step

_KEPT_STEPS = 1 << 10
"""Steps whose samples are kept as lanes, before they go to where they belong."""
_OFFSET_SHIFT = constant(2)
_HEARD = np.dtype(f"V{4 * REFERENCE_TAPS}")


class Decoder:
    """Decodes a batch of chunks, in order of falling segment length.

    Parameters
    ----------
    coder : rans.Decoder
    lanes : Lanes
    low : int16 [steps, lanes]
        Low bits; may have no lanes where no lane is a linear lane.
    escapes : list of int16 arrays, one per owner
    """

    def __init__(self, model: Model, lanes: Lanes, coder: rans.Decoder, low: np.ndarray, escapes: list[np.ndarray]):
        self.model, self.lanes, self.coder, self.low = model, lanes, coder, low
        self.escapes = [iter(values.tolist()) for values in escapes]
        count = len(lanes)
        self.past = Past(lanes)
        self.newest = np.zeros((count, REFERENCE_TAPS), np.int32) if lanes.has_references else None
        """Q6 units of the last steps, the newest last: what others hear."""
        said = np.full(count, messages.SILENCE, np.uint32)
        self.said = said if lanes.has_references and model.has_messages else None
        """What lanes say to others, by `messages.py`."""
        self.states = States(model, count) if model.state else None
        self.samples = np.zeros((min(int(lanes.length.max()), _KEPT_STEPS), count), np.int16)
        """int16 [steps, lanes], of the last steps."""

    def run(self, chunks: list[np.ndarray]) -> None:
        """Decode all steps, into the arrays int16 [frames, channels] of chunks."""
        places = Places(self.lanes)
        bounds = np.searchsorted(self.lanes.order_level, np.arange(int(self.lanes.order_level[-1]) + 2))
        parts = [slice(int(a), int(b)) for a, b in zip(bounds, bounds[1:]) if a < b]
        last = [np.maximum.accumulate(self.lanes.length[part][::-1])[::-1] for part in parts]
        first = 0
        for end in sorted(set(np.concatenate(last).tolist())):
            active = [np.searchsorted(-ends, -end, side="right") for ends in last]
            order_levels = [
                _order_level(self, part.start, part.start + int(n)) for part, n in zip(parts, active, strict=True) if n
            ]
            for t in range(first, end):
                for order_level in order_levels:
                    order_level.step(t)
                self.past.advance()
                if t % _KEPT_STEPS == _KEPT_STEPS - 1:
                    places.put(self.samples, chunks, t + 1 - _KEPT_STEPS)
            for order_level in order_levels:
                order_level.own.keep()
            first = end
        places.put(self.samples, chunks, first - first % _KEPT_STEPS)

    def unused_escapes(self) -> list[bool]:
        """For each owner whether escapes are left over."""
        return [next(values, None) is not None for values in self.escapes]


class _order_level:
    """Views and buffers for the lanes of a order level that have not ended."""

    def __init__(self, all_lanes: Decoder, first: int, end: int):
        self._all = all_lanes
        part = self._part = slice(first, end)
        lanes, count = all_lanes.lanes, end - first
        own = self.own = Step(all_lanes.past, lanes, part)
        self._mean, self._length, self._shift = lanes.mean[part], lanes.length[part], lanes.shift[part]
        self._owner = lanes.owner[part]
        self._shortest = int(self._length.min())
        self._linear = np.flatnonzero(lanes.linear[part])
        self._octaves = lanes.octaves[part][self._linear]
        self._half = np.int32(1) << self._octaves - 1
        entropy, self._coder = all_lanes.model.entropy, all_lanes.coder.part(part)
        self._values, self._reconstruction = entropy.samples, entropy.q6
        self._search = SymbolSearch(entropy, all_lanes.model.guesses, lanes.offset[part])
        self._prediction, self._location = own.prediction, np.empty(count, np.int32)
        self._decoded_q6 = np.empty(count, np.int32)
        self._output = np.zeros((count, 2), np.int32)
        self._offset, self._scale = self._output.T
        self._messages = None
        if all_lanes.said is not None:
            self._messages = np.full((count, REFERENCES, messages.INPUTS), messages.ZERO, np.uint8)
        if all_lanes.states is not None:
            self._network = all_lanes.states.bind(own.inputs, self._output, part)
        else:
            self._network = all_lanes.model.bind(own.inputs, self._output, self._messages)
        self._references = np.ascontiguousarray(lanes.references[:, part].T)
        self._present = self._references != np.arange(first, end)[:, None]
        self._metric = np.ascontiguousarray(lanes.correlation[:, part].T.astype(np.int16))
        self._hears = bool(lanes.reference_taps[..., part].any())
        if self._hears:
            heard = lanes.reference_taps[..., part].transpose(2, 0, 1)
            self._heard_coefficients = np.ascontiguousarray(heard.reshape(count, REFERENCES * REFERENCE_TAPS))
            self._heard = np.empty(self._heard_coefficients.shape, np.int32)
            self._heard_sum = np.empty(count, np.int32)

    def step(self, t: int) -> None:
        """Decode one sample of every lane."""
        self.own.predict(self._hear() if self._hears else None)
        self.own.fill()
        if self._messages is not None and self._present.any():
            messages.hear(self._all.said.take(self._references), self._metric, self._present, self._messages)
        self._network()
        location = self._location
        np.left_shift(self._offset, _OFFSET_SHIFT, out=location)
        location += self._prediction
        location += self._mean
        centre = None
        if len(self._linear):
            centre = (self._prediction[self._linear] + self._mean[self._linear] + self._half) >> self._octaves
            location[self._linear] -= centre << self._octaves
        slot = self._coder.slots()
        code, _, frequency, inside = self._search.find(slot, location, self._scale.astype(np.int64))
        if t >= self._shortest:
            idle = self._length <= t
            inside[idle], frequency[idle] = slot[idle], 1 << PRECISION
        self._coder.advance(inside, frequency)
        self._learn(self._decoded(t, code, centre))

    def _hear(self) -> np.ndarray:
        """What the linear predictors hear of peers, int32 [lanes]."""
        newest = self._all.newest.view(_HEARD)[:, 0]
        newest.take(self._references, out=self._heard.view(_HEARD), mode="clip")
        return np.einsum("ij,ij->i", self._heard, self._heard_coefficients, out=self._heard_sum)

    def _decoded(self, t: int, code: np.ndarray, centre: np.ndarray | None) -> np.ndarray:
        """Keep the samples of this step; their Q6 units, int32 [lanes]."""
        samples = self._all.samples[t % _KEPT_STEPS, self._part]
        self._values.take(code, out=samples, mode="clip")
        q6 = self._reconstruction.take(code, out=self._decoded_q6, mode="clip")
        if centre is not None:
            linear, shift = self._linear, self._shift[self._linear]
            value = (code[linear] - CODES // 2 + centre) << np.maximum(shift, 0)
            sample = value | self._all.low[t, linear + self._part.start]
            for index in np.flatnonzero((code[linear] == 0) | (code[linear] == CODES - 1)):
                if t < self._length[linear[index]]:
                    sample[index] = next(self._all.escapes[self._owner[linear[index]]], 0)
            samples[linear] = sample
            q6[linear] = features.q6_values(sample, shift)
        return q6

    def _learn(self, q6: np.ndarray) -> None:
        self.own.learn(q6)
        if self._all.newest is not None:
            newest = self._all.newest[self._part]
            newest[:, :-1] = newest[:, 1:]
            newest[:, -1] = q6
        if self._all.said is not None:
            messages.say(self._all.said[self._part], self.own.residual, self.own.middle_log_mean)
