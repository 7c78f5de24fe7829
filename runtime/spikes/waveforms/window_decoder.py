"""Turn coder states back into samples of spike windows, one sample of every lane at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...compiled.choice import engine_of
from ...core.errors import CorruptError
from ...core.q6 import centres
from ...entropy import rans
from ...entropy.entropy_model import CODES
from ...entropy.rans_source import RansSource
from ...predictor.inputs import NetworkInputs
from ...predictor.model import Model
from ...predictor.past import Past
from .window_coder import INITIAL_SCALE, WindowLayout, first_mean

if TYPE_CHECKING:
    from ...compiled.engine import Engine

_STEP, _SAMPLE = 1e-4, 1e-7
"""Seconds that numpy and onnxruntime take for a step of any number of lanes, and for a sample."""


class WindowDecoder:
    """Decodes the windows of a chunk.

    Parameters
    ----------
    model : for bins of the chunk's bound
    scale : int64 [windows], of first samples
    low : int64 [samples], low bits in order of window; all zero if there are none
    escapes : int64, bins

    Attributes
    ----------
    bins : int64 [samples], in order of window; filled by `run`
    """

    def __init__(
        self,
        model: Model,
        layout: WindowLayout,
        scale: np.ndarray,
        low: np.ndarray,
        escapes: np.ndarray,
    ):
        self._model, self._layout = model, layout
        self._scale = scale
        self._low, self._escapes, self._used = low, escapes, 0
        lanes = layout.sequence.lanes
        self._past = Past(np.full(lanes, INITIAL_SCALE))
        self._inputs = NetworkInputs(self._past)
        self._output = np.zeros((lanes, 2), np.int32)
        self._network = model.bind(self._inputs.inputs[0], self._output)
        self._expected = np.zeros(lanes, np.int64)
        self.bins = np.zeros(int(layout.windows.length.sum()), np.int64)

    def run(self, states: np.ndarray, words: np.ndarray) -> None:
        """Decode everything. Raises `CorruptError` where words or escapes do not end where they should."""
        lanes, steps = self._layout.sequence.lanes, self._layout.sequence.steps
        engine = engine_of(self._model, steps * _STEP + len(self.bins) * _SAMPLE)
        if engine is not None:
            self._run_compiled(engine, states, words)
            return
        coder = rans.Decoder(states, words)
        offset = np.full(lanes, self._layout.units.offset, np.int64)
        source = RansSource(coder, self._model.entropy, self._model.guesses, offset)
        for window, place, index in zip(*self._schedule(), strict=True):
            self._step(source, window, place, index)
        if not coder.used_up() or self._used != len(self._escapes):
            raise CorruptError(rans.RAN_OUT)

    def _run_compiled(self, engine: Engine, states: np.ndarray, words: np.ndarray) -> None:
        from ...compiled.window_kernels import WindowTable, decode

        windows, sequence, units = self._layout.windows, self._layout.sequence, self._layout.units
        table = WindowTable(
            first=np.searchsorted(sequence.lane, np.arange(sequence.lanes + 1)),
            length=windows.length,
            offset=windows.offset,
            level=self._layout.level,
            follows=sequence.follows & self._layout.chained,
            initial_mean=first_mean(),
            scale=self._scale,
        )
        settings = units.linear, units.shift
        parts = states.copy(), words, self._low, self._escapes.astype(np.int64), self.bins
        if not decode(table, (*engine.network, engine.tables), settings, *parts):
            raise CorruptError(rans.RAN_OUT)

    def _schedule(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return window, place within it (-1 where a lane has ended) and number of the sample, [steps, lanes]."""
        windows, sequence = self._layout.windows, self._layout.sequence
        shape = (sequence.steps, sequence.lanes)
        window, index = np.zeros(shape, np.int32), np.zeros(shape, np.int64)
        place = np.full(shape, -1, np.int32)
        number = np.repeat(np.arange(len(windows)), windows.length)
        inside = np.arange(len(number)) - windows.offset[number]
        at = sequence.begin[number] + inside, sequence.lane[number]
        window[at], place[at], index[at] = number, inside, np.arange(len(number))
        return window, place, index

    def _step(self, source: RansSource, window: np.ndarray, place: np.ndarray, index: np.ndarray) -> None:
        units, inputs = self._layout.units, self._inputs
        first, active = np.flatnonzero(place == 0), place >= 0
        self._expect(first, window[first])
        prediction = self._expected.copy()
        inputs.difference[:] = 0
        inputs.fill()
        self._network()
        offset, scale = self._output[:, 0].astype(np.int64) << 2, self._output[:, 1].astype(np.int64)
        offset[first], scale[first] = 0, self._scale[window[first]]
        centre = centres(prediction) if units.linear else np.int64(0)
        code = source.next(prediction + offset - (centre << 6), scale, None if active.all() else active)
        bins = self._linear_bins(code, centre, active, index) if units.linear else code.copy()
        q6 = units.q6(bins)
        self.bins[index[active]] = bins[active]
        np.subtract(q6, prediction, out=inputs.residual, casting="unsafe")
        inputs.learn()
        self._past.advance()
        inputs.residual[first] = 0
        self._past.restart(first, np.full(len(first), INITIAL_SCALE))
        self._expected = q6

    def _expect(self, lanes: np.ndarray, window: np.ndarray) -> None:
        """Start windows in some lanes: what their first samples are expected near."""
        known = ~self._layout.sequence.follows[window] if self._layout.chained else slice(None)
        self._expected[lanes[known]] = self._layout.level[window[known]]

    def _linear_bins(
        self, code: np.ndarray, centre: np.ndarray | np.integer, active: np.ndarray, index: np.ndarray
    ) -> np.ndarray:
        bins = ((code + centre - CODES // 2) << self._layout.units.shift) | self._low[index]
        for lane in np.flatnonzero(((code == 0) | (code == CODES - 1)) & active):
            if self._used == len(self._escapes):
                raise CorruptError("a chunk has too few escapes")
            bins[lane] = self._escapes[self._used]
            self._used += 1
        return bins
