"""From coder states back to samples: one time step of all lanes after the other, within it one tier after the other.

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
from .channel_parameters import PEER_TAPS, PEERS
from .lanes import Lanes, Places
from .model import Model
from .recurrent import States
from .step import Past, Step

_KEPT_STEPS = 1 << 10
"""Steps whose samples are kept as lanes, before they go to where they belong."""
_OFFSET_SHIFT = constant(2)
_HEARD = np.dtype(f"V{4 * PEER_TAPS}")


class Decoder:
    """Decodes a batch of chunks, in order of falling segment length.

    Parameters
    ----------
    coder : rans.Decoder
    lanes : Lanes
    low : int16 [steps, lanes]
        Low bits; may have no lanes where no lane is a grid lane.
    escapes : list of int16 arrays, one per owner
    """

    def __init__(self, model: Model, lanes: Lanes, coder: rans.Decoder, low: np.ndarray, escapes: list[np.ndarray]):
        self.model, self.lanes, self.coder, self.low = model, lanes, coder, low
        self.escapes = [iter(values.tolist()) for values in escapes]
        count = len(lanes)
        self.past = Past(lanes)
        self.newest = np.zeros((count, PEER_TAPS), np.int32) if lanes.has_peers else None
        """Ticks of the last steps, the newest last: what others hear."""
        said = np.full(count, messages.SILENCE, np.uint32)
        self.said = said if lanes.has_peers and model.hears else None
        """What lanes say to others, by `messages.py`."""
        self.states = States(model, count) if model.state else None
        self.samples = np.zeros((min(int(lanes.length.max()), _KEPT_STEPS), count), np.int16)
        """int16 [steps, lanes], of the last steps."""

    def run(self, chunks: list[np.ndarray]) -> None:
        """Decode all steps, into the arrays int16 [frames, channels] of chunks."""
        places = Places(self.lanes)
        bounds = np.searchsorted(self.lanes.tier, np.arange(int(self.lanes.tier[-1]) + 2))
        parts = [slice(int(a), int(b)) for a, b in zip(bounds, bounds[1:]) if a < b]
        last = [np.maximum.accumulate(self.lanes.length[part][::-1])[::-1] for part in parts]
        first = 0
        for end in sorted(set(np.concatenate(last).tolist())):
            active = [np.searchsorted(-ends, -end, side="right") for ends in last]
            tiers = [_Tier(self, part.start, part.start + int(n)) for part, n in zip(parts, active, strict=True) if n]
            for t in range(first, end):
                for tier in tiers:
                    tier.step(t)
                self.past.advance()
                if t % _KEPT_STEPS == _KEPT_STEPS - 1:
                    places.put(self.samples, chunks, t + 1 - _KEPT_STEPS)
            for tier in tiers:
                tier.own.keep()
            first = end
        places.put(self.samples, chunks, first - first % _KEPT_STEPS)

    def unused_escapes(self) -> list[bool]:
        """For each owner whether escapes are left over."""
        return [next(values, None) is not None for values in self.escapes]


class _Tier:
    """Views and buffers for the lanes of a tier that have not ended."""

    def __init__(self, all_lanes: Decoder, first: int, end: int):
        self._all = all_lanes
        part = self._part = slice(first, end)
        lanes, count = all_lanes.lanes, end - first
        own = self.own = Step(all_lanes.past, lanes, part)
        self._mean, self._length, self._shift = lanes.mean[part], lanes.length[part], lanes.shift[part]
        self._owner = lanes.owner[part]
        self._shortest = int(self._length.min())
        self._grid = np.flatnonzero(lanes.grid[part])
        self._octaves = lanes.octaves[part][self._grid]
        self._half = np.int32(1) << self._octaves - 1
        entropy, self._coder = all_lanes.model.entropy, all_lanes.coder.part(part)
        self._values, self._middle = entropy.samples, entropy.ticks
        self._search = SymbolSearch(entropy, all_lanes.model.guesses, lanes.offset[part])
        self._reference, self._location = own.reference, np.empty(count, np.int32)
        self._decoded_ticks = np.empty(count, np.int32)
        self._output = np.zeros((count, 2), np.int32)
        self._offset, self._scale = self._output.T
        self._messages = None
        if all_lanes.said is not None:
            self._messages = np.full((count, PEERS, messages.INPUTS), messages.ZERO, np.uint8)
        if all_lanes.states is not None:
            self._network = all_lanes.states.bind(own.inputs, self._output, part)
        else:
            self._network = all_lanes.model.bind(own.inputs, self._output, self._messages)
        self._peers = np.ascontiguousarray(lanes.peers[:, part].T)
        self._present = self._peers != np.arange(first, end)[:, None]
        self._metric = np.ascontiguousarray(lanes.metric[:, part].T.astype(np.int16))
        self._hears = bool(lanes.heard[..., part].any())
        if self._hears:
            heard = lanes.heard[..., part].transpose(2, 0, 1)
            self._heard_coefficients = np.ascontiguousarray(heard.reshape(count, PEERS * PEER_TAPS))
            self._heard = np.empty(self._heard_coefficients.shape, np.int32)
            self._heard_sum = np.empty(count, np.int32)

    def step(self, t: int) -> None:
        """Decode one sample of every lane."""
        self.own.predict(self._hear() if self._hears else None)
        self.own.fill()
        if self._messages is not None and self._present.any():
            messages.hear(self._all.said.take(self._peers), self._metric, self._present, self._messages)
        self._network()
        location = self._location
        np.left_shift(self._offset, _OFFSET_SHIFT, out=location)
        location += self._reference
        location += self._mean
        centre = None
        if len(self._grid):
            centre = (self._reference[self._grid] + self._mean[self._grid] + self._half) >> self._octaves
            location[self._grid] -= centre << self._octaves
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
        newest.take(self._peers, out=self._heard.view(_HEARD), mode="clip")
        return np.einsum("ij,ij->i", self._heard, self._heard_coefficients, out=self._heard_sum)

    def _decoded(self, t: int, code: np.ndarray, centre: np.ndarray | None) -> np.ndarray:
        """Keep the samples of this step; their ticks, int32 [lanes]."""
        samples = self._all.samples[t % _KEPT_STEPS, self._part]
        self._values.take(code, out=samples, mode="clip")
        ticks = self._middle.take(code, out=self._decoded_ticks, mode="clip")
        if centre is not None:
            grid, shift = self._grid, self._shift[self._grid]
            value = (code[grid] - CODES // 2 + centre) << np.maximum(shift, 0)
            sample = value | self._all.low[t, grid + self._part.start]
            for index in np.flatnonzero((code[grid] == 0) | (code[grid] == CODES - 1)):
                if t < self._length[grid[index]]:
                    sample[index] = next(self._all.escapes[self._owner[grid[index]]], 0)
            samples[grid] = sample
            ticks[grid] = features.tick_values(sample, shift)
        return ticks

    def _learn(self, ticks: np.ndarray) -> None:
        self.own.learn(ticks)
        if self._all.newest is not None:
            newest = self._all.newest[self._part]
            newest[:, :-1] = newest[:, 1:]
            newest[:, -1] = ticks
        if self._all.said is not None:
            messages.say(self._all.said[self._part], self.own.residual, self.own.middle_level)
