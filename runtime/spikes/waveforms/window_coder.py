"""Turn samples of spike windows into intervals of the entropy coder.

Network inputs do not depend on the network's outputs, so windows are handled side by side, those of like length
together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...compiled.choice import engine_of
from ...core.q6 import centres
from ...entropy.entropy_model import CODES
from ...predictor.input_arithmetic import initial_means
from ...predictor.inputs import NetworkInputs
from ...predictor.model import Model
from ...predictor.past import Past
from ..bins import Units
from ..payload.sequence import Sequence
from ..windows import Windows

if TYPE_CHECKING:
    from ...compiled.engine import Engine

INITIAL_SCALE = 140
"""Of every window, for its running means."""
_SAMPLE = 5e-7
"""Seconds that numpy and onnxruntime take for a sample."""
_ROWS = 1 << 15
"""Samples that go through the network at once."""


def first_mean() -> int:
    """Return the running means that windows begin with."""
    return int(initial_means(np.array([INITIAL_SCALE]))[0, 0])


@dataclass(frozen=True)
class WindowLayout:
    """What encoder and decoder know of the windows of a chunk before their samples.

    level : int64 [windows], Q6 units, what a window's first sample is expected near
    chained : whether a window's first sample is expected near the last one of the window that it follows
    """

    units: Units
    windows: Windows
    sequence: Sequence
    level: np.ndarray
    chained: bool


@dataclass
class Coded:
    """Intervals of all samples in windows, in order of window: start, frequency uint32 [samples].

    escapes : int64 [n], which samples are out of range and coded as they are; of linear units only
    """

    start: np.ndarray
    frequency: np.ndarray
    escapes: np.ndarray


class WindowCoder:
    """Codes the samples of windows.

    Parameters
    ----------
    model : for bins of the chunk's bound
    bins : int64 [samples], in order of window
    """

    def __init__(self, model: Model, layout: WindowLayout, bins: np.ndarray):
        self._model, self._units, self._windows = model, layout.units, layout.windows
        self.bins = bins
        self._q6 = layout.units.q6(bins)
        self.first = layout.windows.offset[:-1]
        """int64 [windows]: the first samples."""
        self._expected = np.concatenate([[0], self._q6[:-1]])
        self._expected[self.first] = layout.level
        if layout.chained:
            later = self.first[layout.sequence.follows]
            self._expected[later] = self._q6[later - 1]

    @property
    def residual(self) -> np.ndarray:
        """int64 [samples]; of a window's first sample, its deviation from its expected level."""
        return self._q6 - self._expected

    def first_frequencies(self, scale: np.ndarray, some: slice) -> np.ndarray:
        """Return the frequencies of some windows' first samples at scale indices int64 [n]: [n, windows]."""
        first = self.first[some]
        index, offset = np.tile(first, len(scale)), np.zeros(len(scale) * len(first), np.int64)
        _, frequency, _ = self._intervals(index, offset, np.repeat(scale, len(first)))
        return frequency.reshape(len(scale), -1)

    def run(self, scale: np.ndarray) -> Coded:
        """Return all intervals; the first samples' scale indices are int64 [windows]."""
        count = len(self.bins)
        coded = Coded(np.zeros(count, np.uint32), np.zeros(count, np.uint32), np.zeros(0, np.int64))
        escaped = np.zeros(count, bool)
        engine = engine_of(self._model, len(self.bins) * _SAMPLE)
        if engine is not None:
            self._run_compiled(engine, scale, (coded.start, coded.frequency, escaped))
            coded.escapes = np.flatnonzero(escaped)
            return coded
        alone = self._intervals(self.first, np.zeros(len(self.first), np.int64), scale)
        coded.start[self.first], coded.frequency[self.first], escaped[self.first] = alone
        order = np.argsort(self._windows.length, kind="stable")[::-1]
        while len(order):
            longest = int(self._windows.length[order[0]])
            count = max(1, _ROWS // longest)
            part, order = order[:count], order[count:]
            if longest > 1:
                index, output = self._network(part, longest)
                start, frequency, out = self._intervals(index, output[:, 0] << 2, output[:, 1])
                coded.start[index], coded.frequency[index], escaped[index] = start, frequency, out
        coded.escapes = np.flatnonzero(escaped)
        return coded

    def _run_compiled(self, engine: Engine, scale: np.ndarray, out: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        from ...compiled.window_kernels import encode

        windows = self._windows.length, self.first, scale, first_mean()
        settings = self._units.linear, self._units.shift
        encode(windows, (*engine.network, engine.tables), settings, self.bins, self._expected[self.first], out)

    def _intervals(
        self, index: np.ndarray, offset: np.ndarray, scale: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return start, frequency, escape of samples, for the network's offset in Q6 units and scale index."""
        units = self._units
        prediction = self._expected[index]
        location, code = prediction + offset, self.bins[index]
        escaped = np.zeros(len(index), bool)
        if units.linear:
            centre = centres(prediction)
            location = location - (centre << 6)
            code = (code >> units.shift) - centre + CODES // 2
            escaped = (code < 1) | (code > CODES - 2)
            code = np.clip(code, 0, CODES - 1)
        start, frequency = self._model.entropy.intervals(code, location, scale, np.int64(units.offset))
        return start, frequency, escaped

    def _network(self, part: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the samples of some windows but the first ones, and the network's outputs int64 [n, 2] for them."""
        place = np.arange(1, longest)
        inside = place[:, None] < self._windows.length[part][None]
        index = np.minimum(self.first[part][None] + place[:, None], len(self.bins) - 1)
        residual = np.where(inside, self.residual[index], 0).astype(np.int32)
        steps = longest - 1
        inputs = NetworkInputs(Past(np.full(len(part), INITIAL_SCALE), steps), steps=steps)
        rows = inputs.run_block(residual, np.zeros_like(residual))
        return index[inside], self._model.run(rows[inside]).astype(np.int64)
