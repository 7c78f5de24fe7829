"""The 20 inputs of the network: docs/format.md section 5.2. Encoder, decoder, spike windows and training use this."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.scalars import constant
from . import input_arithmetic
from .past import Past

_RESIDUAL, _DIFFERENCE, _LOG_MEANS = 0, 1, slice(2, 5)
_CONTEXTS = 5
_ZERO, _BYTE = constant(0), constant(255)


@dataclass
class _Place:
    """Views for steps that begin at one column of the past.

    history : uint8 [lanes, steps], where the residuals of the steps before these go
    windows : 16 bytes [steps, lanes], the 16 residuals before each step
    """

    history: np.ndarray
    windows: np.ndarray


class NetworkInputs:
    """Assembles the inputs of some lanes.

    An input row holds the quantised residuals of the last 16 steps, oldest first; the quantised difference of the last
    sample from the prediction; and the logarithms of the three running means.

    Attributes
    ----------
    inputs : uint8 [steps, lanes, 20]
    contexts : int32 [steps, 5, lanes]
        For each step, the residual of the step before, the difference, and the logarithms. After `fill` they are
        quantised, as in `inputs`.

    Parameters
    ----------
    past : Past
    part : slice of its lanes
    steps : int
        The most steps that are taken at once.
    """

    def __init__(self, past: Past, part: slice = slice(None), steps: int = 1):
        self._past, self._part = past, part
        self._means = past.means[:, part]
        count = self._means.shape[1]
        self.inputs = np.zeros((steps, count, input_arithmetic.FEATURES), np.uint8)
        self.contexts = np.empty((steps, _CONTEXTS, count), np.int32)
        self.contexts[0, _RESIDUAL] = past.residual[part]
        self._windows = np.ndarray((steps, count), "V16", self.inputs.data, 0, self.inputs.strides[:2])
        self._rest = self.inputs[:, :, input_arithmetic.WINDOW :].transpose(0, 2, 1)
        self._scratch, self._shifts = np.empty_like(self._means), input_arithmetic.shifts(count)
        self._magnitude = np.empty(count, np.int32)
        self._all_means = np.empty((steps + 1, *self._means.shape), np.int32)
        self._places = [self._place(column, 1) for column in range(past.columns)] if steps == 1 else []

    def _place(self, column: int, steps: int) -> _Place:
        history = self._past.history[self._part]
        end = column + input_arithmetic.WINDOW - 1
        windows = np.ndarray((steps, len(history)), "V16", history.data, column, (1, history.strides[0]))
        return _Place(history[:, end : end + steps], windows)

    # One step at a time.

    @property
    def residual(self) -> np.ndarray:
        """Residual of the last step, int32 [lanes]; from `learn` to `fill`."""
        return self.contexts[0, _RESIDUAL]

    @property
    def difference(self) -> np.ndarray:
        """Where the last sample's difference from the prediction goes before `fill`, int32 [lanes]."""
        return self.contexts[0, _DIFFERENCE]

    @property
    def middle_log_mean(self) -> np.ndarray:
        """Logarithm of the middle running mean, int32 [lanes]; after `fill`."""
        return self.contexts[0, 3]

    def fill(self) -> None:
        """Assemble the inputs of one step."""
        self._assemble(self.contexts, self._means, self._places[self._past.column], self._windows, self._rest)

    def learn(self) -> None:
        """Move the running means on by `residual`."""
        input_arithmetic.to_magnitude(self.residual, out=self._magnitude)
        input_arithmetic.move_means(self._means, self._magnitude, self._shifts, self._scratch, self._means)

    def keep(self) -> None:
        """Leave the residual of the last step with the past."""
        self._past.residual[self._part] = self.residual

    # Many steps at once.

    def run_block(self, residual: np.ndarray, difference: np.ndarray) -> np.ndarray:
        """Assemble the inputs of the next steps, all of which are known: uint8 [steps, lanes, 20], until the next call.

        Parameters
        ----------
        residual : int32 [steps, lanes]
        difference : int32 [steps, lanes]
            Last sample less prediction.
        """
        size = len(residual)
        contexts, means = self.contexts[:size], self._all_means
        contexts[0, _RESIDUAL] = self._past.residual[self._part]
        contexts[1:, _RESIDUAL] = residual[:-1]
        contexts[:, _DIFFERENCE] = difference
        means[0] = self._means
        input_arithmetic.run_means(means, input_arithmetic.magnitude(residual), self._shifts, self._scratch)
        place = self._place(self._past.column, size)
        self._assemble(contexts, means[:size], place, self._windows[:size], self._rest[:size])
        self._means[...] = means[size]
        self._past.residual[self._part] = residual[-1]
        return self.inputs[:size]

    @staticmethod
    def _assemble(
        contexts: np.ndarray, means: np.ndarray, place: _Place, windows: np.ndarray, rest: np.ndarray
    ) -> None:
        """Turn contexts into inputs, by way of the history."""
        differences = contexts[:, :2]
        input_arithmetic.to_quantised(differences, differences)
        input_arithmetic.to_log_means(means, out=contexts[:, _LOG_MEANS])
        np.maximum(contexts, _ZERO, out=contexts)
        np.minimum(contexts, _BYTE, out=contexts)
        place.history[...] = contexts[:, _RESIDUAL].T
        windows[...] = place.windows
        rest[...] = contexts[:, 1:]
