"""From coder states back to samples: one time step of all lanes after the other.

This loop decides about the speed of decoding, so it works in place on small types. What a step of 8192 lanes takes, in
nanoseconds a lane (docs/performance.md): linear predictor 4, inputs 10, network 22, symbol search 30, coder 5, the
rest 4.
"""

from __future__ import annotations

import numpy as np

from . import features, rans
from .entropy_model import CODES, PRECISION
from .lanes import Lanes
from .model import Model
from .side_information import COEFFICIENT_BITS, ORDER
from .symbol_search import SymbolSearch

_COLUMNS = 64
"""Steps for which histories have room before they are moved back."""


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
        self._model, self._lanes, self._coder, self._low = model, lanes, coder, low
        self._escapes = [iter(values.tolist()) for values in escapes]
        count = len(lanes)
        self._all_ticks = np.zeros((ORDER + _COLUMNS, count), np.int32)
        self._all_history = np.full((count, features.WINDOW + _COLUMNS), 128, np.uint8)
        self._all_means = features.initial_means(lanes.spread)
        self._all_residuals = np.zeros(count, np.int32)
        self._values, self._middle = model.entropy.samples, model.entropy.ticks
        self.samples = np.zeros((int(lanes.length.max()), count), np.int16)
        """int16 [steps, lanes], filled by `run`."""

    def run(self) -> None:
        """Decode all steps."""
        last = np.maximum.accumulate(self._lanes.length[::-1])[::-1]
        ends = np.unique(last).tolist()
        column, first = 0, 0
        for end in ends:
            self._resize(int(np.searchsorted(-last, -end, side="right")))
            for t in range(first, end):
                if column == _COLUMNS:
                    self._all_ticks[:ORDER] = self._all_ticks[-ORDER:]
                    self._all_history[:, : features.WINDOW] = self._all_history[:, -features.WINDOW :]
                    column = 0
                self._step(t, column)
                column += 1
            first = end

    def _resize(self, active: int) -> None:
        """Views and buffers for the first `active` lanes, those that have not ended."""
        self._active = active
        lanes = self._lanes
        self._coefficients = np.ascontiguousarray(lanes.coefficients[:, :active])
        self._mean, self._length, self._shift = lanes.mean[:active], lanes.length[:active], lanes.shift[:active]
        self._shortest = int(self._length.min())
        self._grid = np.flatnonzero(lanes.grid[:active])
        self._search = SymbolSearch(self._model.entropy, self._model.guesses, lanes.offset[:active])
        self._ticks, self._means = self._all_ticks[:, :active], self._all_means[:, :active]
        self._history = self._all_history[:active]
        self._residual = self._all_residuals[:active]
        self._products = np.full((ORDER + 1, active), features.ROUND, np.int32)
        self._reference = np.empty(active, np.int32)
        self._location = np.empty(active, np.int64)
        self._inputs = np.zeros((active, features.FEATURES), np.uint8)
        self._windows = [features.windows(self._history, 1, column)[0] for column in range(_COLUMNS)]
        self._window = np.ndarray(active, "V16", self._inputs.data, 0, self._inputs.strides[:1])
        self._contexts = np.empty((1 + 1 + len(features.RATES), active), np.int32)
        self._output = np.zeros((active, 2), np.int32)
        self._network = self._model.bind(self._inputs, self._output)
        self._scratch = np.empty((len(features.RATES), active), np.int32)

    def _step(self, t: int, column: int) -> None:
        self._predict(column)
        self._fill_inputs(column)
        self._network()
        location = self._location
        np.left_shift(self._output[:, 0], 2, out=location)
        location += self._reference
        location += self._mean
        centre = None
        if len(self._grid):
            centre = (self._reference[self._grid] + self._mean[self._grid] + 32) >> 6
            location[self._grid] -= centre << 6
        slot = self._coder.slots(self._active)
        code, _, frequency, inside = self._search.find(slot, location, self._output[:, 1].astype(np.int64))
        if t >= self._shortest:
            idle = self._length <= t
            inside[idle], frequency[idle] = slot[idle], 1 << PRECISION
        self._coder.advance(inside, frequency)
        self._learn(column, self._decoded(t, code, centre))

    def _predict(self, column: int) -> None:
        """Linear prediction r of this step."""
        np.multiply(self._ticks[column : column + ORDER], self._coefficients, out=self._products[:ORDER])
        np.add.reduce(self._products, axis=0, out=self._reference)
        self._reference >>= COEFFICIENT_BITS

    def _fill_inputs(self, column: int) -> None:
        """Residual of the last step, newest tick, running means: to the network's inputs, by way of the history."""
        window, contexts = features.WINDOW, self._contexts
        contexts[0] = self._residual
        np.subtract(self._ticks[column + ORDER - 1], self._reference, out=contexts[1])
        features.to_quantised(contexts[:2])
        features.to_levels(self._means, out=contexts[2:])
        np.maximum(contexts, 0, out=contexts)
        np.minimum(contexts, 255, out=contexts)
        self._history[:, column + window - 1] = contexts[0]
        self._window[...] = self._windows[column]
        self._inputs[:, window:] = contexts[1:].T

    def _decoded(self, t: int, code: np.ndarray, centre: np.ndarray | None) -> np.ndarray:
        """Keep the samples of this step; their ticks, int32 [active]."""
        self._values.take(code, out=self.samples[t, : self._active], mode="clip")
        ticks = self._middle.take(code)
        if centre is not None:
            grid, shift = self._grid, self._shift[self._grid]
            sample = ((code[grid] - CODES // 2 + centre) << shift) | self._low[t, grid]
            for index in np.flatnonzero((code[grid] == 0) | (code[grid] == CODES - 1)):
                if t < self._length[grid[index]]:
                    sample[index] = next(self._escapes[self._lanes.owner[grid[index]]], 0)
            self.samples[t, grid] = sample
            ticks[grid] = features.tick_values(sample, shift)
        return ticks

    def _learn(self, column: int, ticks: np.ndarray) -> None:
        """Move ticks, residual and running means on by the decoded step."""
        ticks -= self._mean
        self._ticks[column + ORDER] = ticks
        np.subtract(ticks, self._reference, out=self._residual)
        features.update_means(self._means, features.magnitude(self._residual), self._scratch)

    def unused_escapes(self) -> list[bool]:
        """For each owner whether escapes are left over."""
        return [next(values, None) is not None for values in self._escapes]
