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
    """Views for steps that begin at one column of the past; made once, since a view costs as much as a small sum.

    contexts, differences, log_means, seen : of the contexts: all, the first two, the last three, all but the first
    newest : int32 [lanes, steps], the residual of the step before each
    history : uint8 [lanes, steps], where these go
    windows : 16 bytes [steps, lanes], the 16 residuals before each step
    """

    contexts: np.ndarray
    differences: np.ndarray
    log_means: np.ndarray
    seen: np.ndarray
    newest: np.ndarray
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
    residual, difference, middle_log_mean : int32 [lanes]
        Of the first step: residual of the step before it, from `learn` to `fill`; last sample less prediction, to be
        written before `fill`; logarithm of the middle running mean, after `fill`.

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
        self.residual, self.difference, self.middle_log_mean = (
            self.contexts[0, i] for i in (_RESIDUAL, _DIFFERENCE, 3)
        )
        self.residual[:] = past.residual[part]
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
        contexts = self.contexts[:steps]
        return _Place(
            contexts,
            contexts[:, :2],
            contexts[:, _LOG_MEANS],
            contexts[:, 1:],
            contexts[:, _RESIDUAL].T,
            history[:, end : end + steps],
            windows,
        )

    # One step at a time.

    def fill(self) -> None:
        """Assemble the inputs of one step."""
        self._assemble(self._places[self._past.column], self._means, self._windows, self._rest)

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
        self._assemble(place, means[:size], self._windows[:size], self._rest[:size])
        self._means[...] = means[size]
        self._past.residual[self._part] = residual[-1]
        return self.inputs[:size]

    @staticmethod
    def _assemble(place: _Place, means: np.ndarray, windows: np.ndarray, rest: np.ndarray) -> None:
        """Turn contexts into inputs, by way of the history."""
        contexts, differences = place.contexts, place.differences
        input_arithmetic.to_quantised(differences, differences)
        input_arithmetic.to_log_means(means, out=place.log_means)
        np.maximum(contexts, _ZERO, out=contexts)
        np.minimum(contexts, _BYTE, out=contexts)
        place.history[...] = place.newest
        windows[...] = place.windows
        rest[...] = place.seen
