"""From coder states back to samples: one time step of all lanes after the other, within it one tier after the other.

This loop decides about the speed of decoding, so it works in place on small types. What a step of 8192 lanes takes, in
nanoseconds a lane (docs/performance.md): linear predictor 4, inputs 10, network 22, symbol search 30, coder 5, the
rest 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import features, messages, rans
from .constants import constant
from .entropy_model import CODES, PRECISION
from .lanes import Lanes, Places
from .model import Model
from .recurrent import States
from .side_information import COEFFICIENT_BITS, ORDER, PEER_TAPS, PEERS
from .symbol_search import SymbolSearch

_KEPT_STEPS = 1 << 10
"""Steps whose samples are kept as lanes, before they go to where they belong."""
_COLUMNS = 64
"""Steps for which histories have room before they are moved back."""
_OFFSET_SHIFT, _COEFFICIENT_SHIFT = constant(2), constant(COEFFICIENT_BITS)
_ZERO, _BYTE = constant(0), constant(255)
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
        self.ticks = np.zeros((ORDER + _COLUMNS, count), np.int32)
        self.history = np.full((count, features.WINDOW + _COLUMNS), 128, np.uint8)
        self.means = features.initial_means(lanes.spread)
        self.residuals = np.zeros(count, np.int32)
        self.newest = np.zeros((count, PEER_TAPS), np.int32) if lanes.has_peers else None
        """Ticks of the last steps, the newest last: what others hear."""
        said = np.full(count, messages.SILENCE, np.uint32)
        self.said = said if lanes.has_peers and model.hears else None
        """What lanes say to others, by `messages.py`."""
        self.states = States(model, count) if model.state else None
        self.samples = np.zeros((min(int(lanes.length.max()), _KEPT_STEPS), count), np.int16)
        """int16 [steps, lanes], of the last steps."""

    def run(self, chunks: list[np.ndarray]) -> None:
        """Decode all steps, into the arrays int16 [frames, leads] of chunks."""
        places = Places(self.lanes)
        bounds = np.searchsorted(self.lanes.tier, np.arange(int(self.lanes.tier[-1]) + 2))
        parts = [slice(int(a), int(b)) for a, b in zip(bounds, bounds[1:]) if a < b]
        last = [np.maximum.accumulate(self.lanes.length[part][::-1])[::-1] for part in parts]
        column, first = 0, 0
        for end in sorted(set(np.concatenate(last).tolist())):
            active = [np.searchsorted(-ends, -end, side="right") for ends in last]
            tiers = [_Tier(self, part.start, part.start + int(n)) for part, n in zip(parts, active, strict=True) if n]
            for t in range(first, end):
                if column == _COLUMNS:
                    self.ticks[:ORDER] = self.ticks[-ORDER:]
                    self.history[:, : features.WINDOW] = self.history[:, -features.WINDOW :]
                    column = 0
                for tier in tiers:
                    tier.step(t, column)
                column += 1
                if t % _KEPT_STEPS == _KEPT_STEPS - 1:
                    places.put(self.samples, chunks, t + 1 - _KEPT_STEPS)
            for tier in tiers:
                tier.keep()
            first = end
        places.put(self.samples, chunks, first - first % _KEPT_STEPS)

    def unused_escapes(self) -> list[bool]:
        """For each owner whether escapes are left over."""
        return [next(values, None) is not None for values in self.escapes]


@dataclass
class _Column:
    """Views of the histories at one of their columns: the last 16 ticks, the newest of them, where the next one goes;
    where the last residual goes, and the window that it completes."""

    ticks: np.ndarray
    newest: np.ndarray
    next: np.ndarray
    history: np.ndarray
    window: np.ndarray


class _Tier:
    """Views and buffers for the lanes of a tier that have not ended."""

    def __init__(self, all_lanes: Decoder, first: int, end: int):
        self._all = all_lanes
        part = self._part = slice(first, end)
        lanes, count = all_lanes.lanes, end - first
        self._coefficients = np.ascontiguousarray(lanes.coefficients[:, part])
        self._mean, self._length, self._shift = lanes.mean[part], lanes.length[part], lanes.shift[part]
        self._owner = lanes.owner[part]
        self._shortest = int(self._length.min())
        self._grid = np.flatnonzero(lanes.grid[part])
        self._octaves = lanes.octaves[part][self._grid]
        self._half = np.int32(1) << self._octaves - 1
        entropy, self._coder = all_lanes.model.entropy, all_lanes.coder.part(part)
        self._values, self._middle = entropy.samples, entropy.ticks
        self._search = SymbolSearch(entropy, all_lanes.model.guesses, lanes.offset[part])
        self._ticks, self._means = all_lanes.ticks[:, part], all_lanes.means[:, part]
        self._history = all_lanes.history[part]
        self._products = np.full((ORDER + 1, count), features.ROUND, np.int32)
        self._own_products = self._products[:ORDER]
        self._reference = np.empty(count, np.int32)
        self._location = np.empty(count, np.int32)
        self._inputs = np.zeros((count, features.FEATURES), np.uint8)
        self._rest = self._inputs[:, features.WINDOW :].T
        self._columns = [
            _Column(
                ticks=self._ticks[column : column + ORDER],
                newest=self._ticks[column + ORDER - 1],
                next=self._ticks[column + ORDER],
                history=self._history[:, column + features.WINDOW - 1],
                window=features.windows(self._history, 1, column)[0],
            )
            for column in range(_COLUMNS)
        ]
        self._window = np.ndarray(count, "V16", self._inputs.data, 0, self._inputs.strides[:1])
        self._contexts = np.empty((2 + len(features.RATES), count), np.int32)
        self._differences, self._levels, self._seen = self._contexts[:2], self._contexts[2:], self._contexts[1:]
        self._residual, self._deviation = self._differences
        self._residual[:] = all_lanes.residuals[part]
        self._output = np.zeros((count, 2), np.int32)
        self._offset, self._scale = self._output.T
        self._messages = None
        if all_lanes.said is not None:
            self._messages = np.full((count, PEERS, messages.INPUTS), messages.ZERO, np.uint8)
        if all_lanes.states is not None:
            self._network = all_lanes.states.bind(self._inputs, self._output, part)
        else:
            self._network = all_lanes.model.bind(self._inputs, self._output, self._messages)
        self._change, self._shifts = np.empty((len(features.RATES), count), np.int32), features.shifts(count)
        self._magnitude, self._decoded_ticks = np.empty(count, np.int32), np.empty(count, np.int32)
        self._peers = np.ascontiguousarray(lanes.peers[:, part].T)
        self._present = self._peers != np.arange(first, end)[:, None]
        self._metric = np.ascontiguousarray(lanes.metric[:, part].T.astype(np.int16))
        self._hears = bool(lanes.heard[..., part].any())
        if self._hears:
            heard = lanes.heard[..., part].transpose(2, 0, 1)
            self._heard_coefficients = np.ascontiguousarray(heard.reshape(count, PEERS * PEER_TAPS))
            self._heard = np.empty(self._heard_coefficients.shape, np.int32)
            self._heard_sum = np.empty(count, np.int32)

    def step(self, t: int, column: int) -> None:
        """Decode one sample of every lane."""
        views = self._columns[column]
        self._predict(views)
        self._fill_inputs(views)
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
        self._learn(views, self._decoded(t, code, centre))

    def keep(self) -> None:
        """Leave all that the next steps need with the other lanes."""
        self._all.residuals[self._part] = self._residual

    def _predict(self, views: _Column) -> None:
        """Linear prediction r of this step."""
        np.multiply(views.ticks, self._coefficients, out=self._own_products)
        np.add.reduce(self._products, axis=0, out=self._reference)
        if self._hears:
            newest = self._all.newest.view(_HEARD)[:, 0]
            newest.take(self._peers, out=self._heard.view(_HEARD), mode="clip")
            np.einsum("ij,ij->i", self._heard, self._heard_coefficients, out=self._heard_sum)
            self._reference += self._heard_sum
        self._reference >>= _COEFFICIENT_SHIFT

    def _fill_inputs(self, views: _Column) -> None:
        """Residual of the last step, newest tick, running means: to the network's inputs, by way of the history."""
        contexts = self._contexts
        np.subtract(views.newest, self._reference, out=self._deviation)
        features.to_quantised(self._differences)
        features.to_levels(self._means, out=self._levels)
        np.maximum(contexts, _ZERO, out=contexts)
        np.minimum(contexts, _BYTE, out=contexts)
        views.history[:] = self._residual
        self._window[:] = views.window
        self._rest[:] = self._seen
        if self._messages is not None and self._present.any():
            messages.hear(self._all.said.take(self._peers), self._metric, self._present, self._messages)

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

    def _learn(self, views: _Column, ticks: np.ndarray) -> None:
        """Move ticks, residual and running means on by the decoded step."""
        ticks -= self._mean
        views.next[:] = ticks
        if self._all.newest is not None:
            newest = self._all.newest[self._part]
            newest[:, :-1] = newest[:, 1:]
            newest[:, -1] = ticks
        np.subtract(ticks, self._reference, out=self._residual)
        if self._all.said is not None:
            messages.say(self._all.said[self._part], self._residual, self._contexts[features.MIDDLE_LEVEL - 15])
        features.to_magnitude(self._residual, out=self._magnitude)
        features.move_means(self._means, self._magnitude, self._shifts, self._change, self._means)
