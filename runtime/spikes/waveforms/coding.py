"""From samples of windows to intervals of the entropy coder. What the network hears does not depend on what it says, so
windows are handled side by side, those of like length together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...entropy.tables import CODES
from ...predictor import features
from ...predictor.model import Model
from ..layout.sequence import TEMPLATE, Sequence, expected_steps
from ..layout.units import Units
from ..windows import Windows

_ROWS = 1 << 15
"""Samples that go through the network at once."""


@dataclass
class Coded:
    """Intervals of all samples in windows, in order of window: start, frequency uint32 [samples].

    escapes : int64 [n], which samples are out of reach and coded as they are; grid only
    """

    start: np.ndarray
    frequency: np.ndarray
    escapes: np.ndarray


class WindowCoder:
    """What is known of a chunk's windows before they are coded.

    Parameters
    ----------
    model : for bins of the chunk's bound
    bins : int64 [samples], in order of window
    level : int64 [windows], Q6 units: what is expected of a window's first sample, where the lane does not know better
    chained : whether lanes know better: the last sample of the channel's window before
    """

    def __init__(
        self,
        model: Model,
        units: Units,
        windows: Windows,
        sequence: Sequence,
        bins: np.ndarray,
        level: np.ndarray,
        chained: bool,
    ):
        self._model, self._units, self._windows, self._sequence = model, units, windows, sequence
        self.bins = bins
        self._q6 = units.q6(bins)
        offset = windows.offset
        self._first = offset[:-1]
        self._expected = np.concatenate([[0], self._q6[:-1]])
        self._expected[self._first] = level
        if chained:
            later = sequence.rank > 0
            self._expected[self._first[later]] = self._q6[self._first[later] - 1]
        self._bias = self._templates()

    def _templates(self) -> np.ndarray:
        """Running templates as they are at every sample, int64 [samples]."""
        place = np.arange(TEMPLATE)
        inside = (place[None] < self._windows.length[:, None]) & (place[None] > 0)
        index = np.minimum(self._first[:, None] + place[None], max(len(self.bins) - 1, 0))
        difference = (self._q6 - self._expected)[index]
        bias = np.zeros(len(self.bins), np.int64)
        bias[index[inside]] = expected_steps(difference, inside, self._sequence)[inside]
        return bias

    @property
    def residual(self) -> np.ndarray:
        """int64 [samples]; of a window's first sample, what it deviates from its expected level by."""
        return self._q6 - self._expected - self._bias

    @property
    def first(self) -> np.ndarray:
        """Which samples are first ones."""
        return self._first

    def first_intervals(self, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Start, frequency and whether it is an escape, of windows' first samples at scale indices [windows]."""
        return self._intervals(self._first, np.zeros(len(self._first), np.int64), scale)

    def run(self, initial_scale: np.ndarray, scale: np.ndarray) -> Coded:
        """All intervals; spread and the first samples' scale index are int64 [windows]."""
        coded = Coded(*(np.zeros(len(self.bins), np.uint32) for _ in range(2)), np.zeros(0, np.int64))
        escaped = np.zeros(len(self.bins), bool)
        coded.start[self._first], coded.frequency[self._first], escaped[self._first] = self.first_intervals(scale)
        order = np.argsort(self._windows.length, kind="stable")[::-1]
        while len(order):
            longest = int(self._windows.length[order[0]])
            count = max(1, _ROWS // longest)
            part, order = order[:count], order[count:]
            if longest > 1:
                index, output = self._network(part, longest, initial_scale[part])
                start, frequency, out = self._intervals(index, output[:, 0] << 2, output[:, 1])
                coded.start[index], coded.frequency[index], escaped[index] = start, frequency, out
        coded.escapes = np.flatnonzero(escaped)
        return coded

    def _intervals(self, index: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, ...]:
        """Start, frequency, escape of samples, for the network's offset in Q6 units and scale index."""
        units = self._units
        prediction = self._expected[index] + self._bias[index]
        location, code = prediction + offset, self.bins[index]
        escaped = np.zeros(len(index), bool)
        if units.linear:
            centre = (prediction + 32) >> 6
            location = location - (centre << 6)
            code = (code >> units.shift) - centre + CODES // 2
            escaped = (code < 1) | (code > CODES - 2)
            code = np.clip(code, 0, CODES - 1)
        start, frequency = self._model.entropy.intervals(code, location, scale, np.int64(units.offset))
        return start, frequency, escaped

    def _network(self, part: np.ndarray, longest: int, initial_scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The network's outputs int64 [n, 2] for all samples of some windows but the first ones, and which they are."""
        place = np.arange(1, longest)
        inside = place[:, None] < self._windows.length[part][None]
        index = np.minimum(self._first[part][None] + place[:, None], len(self.bins) - 1)
        residual = np.where(inside, self.residual[index], 0).astype(np.int32)
        steps, window = longest - 1, features.WINDOW
        history = np.full((len(part), window + steps), 128, np.uint8)
        history[:, window:] = features.quantise(residual).T
        inputs = np.empty((steps, len(part), features.FEATURES), np.uint8)
        packed = np.ndarray((steps, len(part)), "V16", inputs.data, 0, inputs.strides[:2])
        packed[...] = features.windows(history, steps)
        inputs[:, :, window] = features.quantise(-self._bias[index].astype(np.int32))
        means = features.initial_means(initial_scale)
        scratch, shifts = np.empty_like(means), features.shifts(means.shape[1])
        for t, magnitude in enumerate(features.magnitude(residual)):
            inputs[t, :, window + 1 :] = features.log_means(means).T
            features.move_means(means, magnitude, shifts, scratch, means)
        return index[inside], self._model.run(inputs[inside]).astype(np.int64)
