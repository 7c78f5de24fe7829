"""From coder states back to samples: one time step of all lanes after the other."""

from __future__ import annotations

import numpy as np

from . import features, rans
from .entropy_model import CODES
from .lanes import Lanes
from .lattice import CODE_TO_SAMPLE
from .model import Model
from .side_information import ORDER

_COLUMNS = 64
"""Steps for which histories have room before they are moved back."""


class Decoder:
    """Decodes a batch of chunks, whose lanes are in order of falling length.

    Parameters
    ----------
    coder : rans.Decoder
    lanes : Lanes
    low : int32 [steps, lanes]
        Low bits; may have no lanes where no lane is a grid lane.
    escapes : list of int16 arrays, one per owner
    """

    def __init__(self, model: Model, lanes: Lanes, coder: rans.Decoder, low: np.ndarray, escapes: list[np.ndarray]):
        self._model, self._lanes, self._coder, self._low = model, lanes, coder, low
        self._escapes = [iter(values.tolist()) for values in escapes]
        count = len(lanes)
        self._ticks = np.zeros((ORDER + _COLUMNS, count), np.int32)
        self._history = np.full((count, features.WINDOW + _COLUMNS), 128, np.uint8)
        self._means = features.initial_means(lanes.spread)
        self._middle = model.entropy.middle
        self._grid = np.flatnonzero(lanes.grid)
        self.samples = np.zeros((int(lanes.length.max()), count), np.int16)
        """int16 [steps, lanes], filled by `run`."""

    def run(self) -> None:
        """Decode all steps."""
        last = np.maximum.accumulate(self._lanes.length[::-1])[::-1]
        column = 0
        for t in range(len(self.samples)):
            active = int(np.searchsorted(-last, -t))
            if t == 0 or active != self._active:
                self._resize(active)
            if column == _COLUMNS:
                self._ticks[:ORDER] = self._ticks[-ORDER:]
                self._history[:, : features.WINDOW] = self._history[:, -features.WINDOW :]
                column = 0
            self._step(t, column)
            column += 1

    def _resize(self, active: int) -> None:
        """Views and buffers for the first `active` lanes."""
        self._active = active
        self._coefficients = np.ascontiguousarray(self._lanes.coefficients[:, :active])
        self._mean, self._offset = self._lanes.mean[:active], self._lanes.offset[:active]
        self._length = self._lanes.length[:active]
        self._shortest = int(self._length.min())
        self._grid = self._grid[self._grid < active]
        self._products = np.empty((ORDER, active), np.int32)
        self._inputs = np.zeros((active, features.FEATURES), np.uint8)
        self._windows = [features.windows(self._history[:active], 1, column)[0] for column in range(_COLUMNS)]
        self._window = np.ndarray(active, "V16", self._inputs.data, 0, self._inputs.strides[:1])
        self._output = np.zeros((active, 2), np.int32)
        self._network = self._model.bind(self._inputs, self._output)
        self._scratch = np.empty((len(features.RATES), active), np.int32)

    def _step(self, t: int, column: int) -> None:
        n = self._active
        reference = self._reference(column)
        self._fill_inputs(column, reference)
        self._network()
        location = (self._output[:, 0] << 2) + reference
        location += self._mean
        location = location.astype(np.int64)
        centre = None
        if len(self._grid):
            centre = (reference[self._grid] + self._mean[self._grid] + 32) >> 6
            location[self._grid] -= centre << 6
        slot = self._coder.slots(n)
        code, start, frequency = self._model.entropy.find(
            slot, location, self._output[:, 1].astype(np.int64), self._offset
        )
        if t >= self._shortest:
            idle = self._length <= t
            start[idle], frequency[idle] = 0, 1 << 20
        self._coder.advance(slot, start, frequency)
        self._learn(t, column, reference, self._ticks_of(t, code, centre))

    def _reference(self, column: int) -> np.ndarray:
        """Linear prediction r, int32 [active]."""
        np.multiply(self._ticks[column : column + ORDER, : self._active], self._coefficients, out=self._products)
        total = np.add.reduce(self._products, axis=0)
        total += features.ROUND
        total >>= 10
        return total

    def _fill_inputs(self, column: int, reference: np.ndarray) -> None:
        n, window = self._active, features.WINDOW
        self._window[...] = self._windows[column]
        features.quantise(self._ticks[column + ORDER - 1, :n] - reference, out=self._inputs[:, window])
        self._inputs[:, window + 1 :] = features.level(self._means[:, :n]).T

    def _ticks_of(self, t: int, code: np.ndarray, centre: np.ndarray | None) -> np.ndarray:
        """Keep the samples of this step; their ticks without the mean, int32 [active]."""
        self.samples[t, : self._active] = CODE_TO_SAMPLE.take(code)
        ticks = self._middle.take(code)
        if centre is not None:
            grid, shift = self._grid, self._lanes.shift[self._grid]
            sample = ((code[grid] - CODES // 2 + centre) << shift) | self._low[t, grid]
            for index in np.flatnonzero((code[grid] == 0) | (code[grid] == CODES - 1)):
                if t < self._length[grid[index]]:
                    sample[index] = next(self._escapes[self._lanes.owner[grid[index]]], 0)
            self.samples[t, grid] = sample
            ticks[grid] = ((2 * sample + 1) << 5) >> shift
        ticks -= self._mean
        return ticks

    def _learn(self, t: int, column: int, reference: np.ndarray, ticks: np.ndarray) -> None:
        """Move histories and running means on by the decoded step."""
        n = self._active
        self._ticks[column + ORDER, :n] = ticks
        residual = ticks - reference
        features.quantise(residual, out=self._history[:n, column + features.WINDOW])
        features.update_means(self._means[:, :n], features.magnitude(residual), self._scratch)

    def unused_escapes(self) -> list[bool]:
        """For each owner whether escapes are left over."""
        return [next(values, None) is not None for values in self._escapes]
