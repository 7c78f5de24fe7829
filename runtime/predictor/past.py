"""What the predictor knows of every lane before a time step."""

from __future__ import annotations

import numpy as np

from . import input_arithmetic
from .adaptive import AdaptiveState
from .channel_parameters import ORDER

_COLUMNS = 64
"""Steps for which there is room before everything is moved back."""


class Past:
    """The state that lanes carry from step to step.

    Attributes
    ----------
    values : int32 [16 + columns, lanes]
        Q6 values without their mean; the 16 before this step are in the rows from `column` on, the newest last.
    history : uint8 [lanes, 16 + columns]
        Quantised residuals; those of the 16 steps before this one are in the columns from `column` on.
    means : int32 [3, lanes]
        Running means of the residuals' magnitude.
    residual : int32 [lanes]
        Of the last step; it is not in `history` yet.
    adaptive : AdaptiveState, None where no lane has an adaptive predictor
    column : int

    Parameters
    ----------
    initial_scale : int64 [lanes], 0..255
    steps : int
        The most steps that are taken at once.
    adaptive : bool
        Whether lanes have adaptive predictors.
    """

    def __init__(self, initial_scale: np.ndarray, steps: int = 1, adaptive: bool = False):
        self._initial_scale, self._steps = initial_scale, steps
        count, columns = len(initial_scale), max(_COLUMNS, steps)
        self.values = np.zeros((ORDER + columns, count), np.int32)
        self.history = np.full((count, input_arithmetic.WINDOW + columns), input_arithmetic.ZERO, np.uint8)
        self.means = input_arithmetic.initial_means(initial_scale)
        self.residual = np.zeros(count, np.int32)
        self.adaptive = AdaptiveState(count, columns) if adaptive else None
        self.column = 0

    @property
    def columns(self) -> int:
        """Values that `column` can have."""
        return len(self.values) - ORDER

    def reset(self) -> None:
        """Go back to the start of all lanes."""
        self.column = 0
        self.values[:ORDER] = 0
        if self.adaptive is not None:
            self.adaptive.reset()
        self.restart(slice(None), self._initial_scale)

    def restart(self, lanes: np.ndarray | slice, initial_scale: np.ndarray) -> None:
        """Forget the residuals of some lanes."""
        self.history[lanes, self.column : self.column + input_arithmetic.WINDOW] = input_arithmetic.ZERO
        self.means[:, lanes] = input_arithmetic.initial_means(initial_scale)
        self.residual[lanes] = 0

    def advance(self, steps: int = 1) -> None:
        """Go on by some steps."""
        self.column += steps
        if self.column + self._steps > self.columns:
            self.values[:ORDER] = self.values[self.column : self.column + ORDER]
            self.history[:, : input_arithmetic.WINDOW] = self.history[
                :, self.column : self.column + input_arithmetic.WINDOW
            ]
            if self.adaptive is not None:
                self.adaptive.move_back(self.column)
            self.column = 0
