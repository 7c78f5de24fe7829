"""From coder states back to samples of windows: one sample of every lane at a time."""

from __future__ import annotations

import numpy as np

from ...core.errors import CorruptError
from ...entropy import rans
from ...entropy.symbol_search import SymbolSearch
from ...entropy.tables import CODES, PRECISION
from ...predictor import features
from ...predictor.model import Model
from ..layout.sequence import TEMPLATE, TEMPLATE_BITS, Sequence, template_shift
from ..layout.units import Units
from ..windows import Windows

_COLUMNS = 64
"""Steps for which histories have room before they are moved back."""


class WindowDecoder:
    """Decodes the windows of a chunk; parameters as for `coding.WindowCoder`, and

    spread, scale : int64 [windows]
    low : int64 [samples], low bits in order of window; all zero if there are none
    escapes : int64, bins
    """

    def __init__(
        self,
        model: Model,
        units: Units,
        windows: Windows,
        sequence: Sequence,
        level: np.ndarray,
        chained: bool,
        initial_scale: np.ndarray,
        scale: np.ndarray,
        low: np.ndarray,
        escapes: np.ndarray,
    ):
        self._model, self._units, self._windows, self._sequence = model, units, windows, sequence
        self._level, self._chained, self._initial_scale, self._scale = level, chained, initial_scale, scale
        self._low, self._escapes, self._used = low, escapes, 0
        lanes = sequence.lanes
        self._search = SymbolSearch(model.entropy, model.guesses, np.full(lanes, units.offset, np.int64))
        self._expected = np.zeros(lanes, np.int64)
        self._means, self._scratch = np.zeros((2, len(features.RATES), lanes), np.int32)
        self._shifts = features.shifts(lanes)
        self._history = np.full((lanes, features.WINDOW + _COLUMNS), 128, np.uint8)
        self._templates = np.zeros((lanes, TEMPLATE), np.int64)
        self._inputs = np.zeros((lanes, features.FEATURES), np.uint8)
        self._output = np.zeros((lanes, 2), np.int32)
        self._network = model.bind(self._inputs, self._output)
        self.bins = np.zeros(int(windows.length.sum()), np.int64)
        """int64 [samples] in order of window, filled by `run`."""

    def run(self, states: np.ndarray, words: np.ndarray) -> None:
        """Decode everything. Raises `CorruptError` where words or escapes do not end where they should."""
        coder = rans.Decoder(states, [words], np.zeros(len(states), np.int64))
        window, place, index = self._schedule(self._sequence.steps)
        column = 0
        for t in range(self._sequence.steps):
            if column == _COLUMNS:
                self._history[:, : features.WINDOW] = self._history[:, -features.WINDOW :]
                column = 0
            self._step(coder, window[t], place[t], index[t], column)
            column += 1
        if not coder.finish().all() or self._used != len(self._escapes):
            raise CorruptError("a chunk's coded words do not end where they should")

    def _schedule(self, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Window, place within it and number of the sample for every step of every lane [steps, lanes]; a place of -1
        where a lane has ended."""
        windows, sequence = self._windows, self._sequence
        shape = (steps, sequence.lanes)
        window, index = np.zeros(shape, np.int32), np.zeros(shape, np.int64)
        place = np.full(shape, -1, np.int32)
        number = np.repeat(np.arange(len(windows)), windows.length)
        inside = np.arange(len(number)) - windows.offset[number]
        at = sequence.begin[number] + inside, sequence.lane[number]
        window[at], place[at], index[at] = number, inside, np.arange(len(number))
        return window, place, index

    def _step(self, coder: rans.Decoder, window: np.ndarray, place: np.ndarray, index: np.ndarray, column: int) -> None:
        units = self._units
        first = np.flatnonzero(place == 0)
        if len(first):
            self._begin(first, window[first])
        covered = np.flatnonzero((place > 0) & (place < TEMPLATE))
        cell = place[covered]
        prediction = self._expected.copy()
        prediction[covered] += self._templates[covered, cell] >> TEMPLATE_BITS
        self._ask_network(self._expected - prediction, column)
        offset, scale = self._output[:, 0].astype(np.int64) << 2, self._output[:, 1].astype(np.int64)
        offset[first], scale[first] = 0, self._scale[window[first]]
        centre = ((prediction + 32) >> 6) if units.linear else 0
        states = coder.part(slice(0, len(place)))
        slot = states.slots()
        code, _, frequency, inside = self._search.find(slot, prediction + offset - (centre << 6), scale)
        idle = np.flatnonzero(place < 0)
        inside[idle], frequency[idle] = slot[idle], 1 << PRECISION
        states.advance(inside, frequency)
        bins = code.copy()
        if units.linear:
            bins = self._linear_bins(code, centre, place, index)
        q6, busy = units.q6(bins), place >= 0
        self.bins[index[busy]] = bins[busy]
        self._learn_template(q6 - self._expected, window, covered, cell)
        self._learn(q6, prediction, first, column)

    def _begin(self, lanes: np.ndarray, window: np.ndarray) -> None:
        """Start windows in some lanes."""
        opens = self._sequence.rank[window] == 0
        self._templates[lanes[opens]] = 0
        known = opens if self._chained else slice(None)
        self._expected[lanes[known]] = self._level[window[known]]
        self._means[:, lanes] = features.initial_means(self._initial_scale[window])

    def _ask_network(self, bias: np.ndarray, column: int) -> None:
        window = features.WINDOW
        self._inputs[:, :window] = self._history[:, column : column + window]
        self._inputs[:, window] = features.quantise(bias)
        self._inputs[:, window + 1 :] = features.log_means(self._means).T
        self._network()

    def _linear_bins(self, code: np.ndarray, centre: np.ndarray, place: np.ndarray, index: np.ndarray) -> np.ndarray:
        bins = ((code + centre - CODES // 2) << self._units.shift) | self._low[index]
        for lane in np.flatnonzero(((code == 0) | (code == CODES - 1)) & (place >= 0)):
            if self._used == len(self._escapes):
                raise CorruptError("a chunk has too few escapes")
            bins[lane] = self._escapes[self._used]
            self._used += 1
        return bins

    def _learn_template(self, step: np.ndarray, window: np.ndarray, covered: np.ndarray, cell: np.ndarray) -> None:
        """Move templates on, in lanes that are at a place of theirs."""
        before = self._templates[covered, cell]
        moved = (step[covered] << TEMPLATE_BITS) - before
        self._templates[covered, cell] = before + (moved >> template_shift(self._sequence.rank[window[covered]]))

    def _learn(self, q6: np.ndarray, prediction: np.ndarray, first: np.ndarray, column: int) -> None:
        """Move histories and running means on; windows that have begun have no history yet."""
        residual = (q6 - prediction).astype(np.int32)
        residual[first] = 0
        means = self._means[:, first]
        features.move_means(self._means, features.magnitude(residual), self._shifts, self._scratch, self._means)
        self._means[:, first] = means
        self._history[:, column + features.WINDOW] = features.quantise(residual)
        if len(first):
            self._history[first, column + 1 : column + features.WINDOW + 1] = 128
        self._expected = q6
