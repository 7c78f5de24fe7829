"""What a decoder does around the network in every time step: linear prediction, network inputs, what is learnt of the
decoded sample. For files (`decoder.py`) and streams (`live/stepper.py`).

Everything is in place, on arrays of one shape and with constants that are arrays: with few lanes it is the number and
the kind of numpy calls that takes the time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.scalars import constant
from . import features
from .channel_parameters import COEFFICIENT_BITS, ORDER
from .lanes import Lanes

_COLUMNS = 64
"""Steps for which histories have room before they are moved back."""
_SHIFT, _ZERO, _BYTE = constant(COEFFICIENT_BITS), constant(0), constant(255)


class Past:
    """What is known of the samples before this step, of all lanes.

    Q6 units : int32 [16 + columns, lanes], without the mean
    history : uint8 [lanes, 16 + columns], residuals as the network sees them
    means : int32 [3, lanes]
    residual : int32 [lanes], of the last step
    column : where this step is in the histories
    """

    def __init__(self, lanes: Lanes):
        count = len(lanes)
        self.initial_scale = lanes.initial_scale
        self.q6 = np.zeros((ORDER + _COLUMNS, count), np.int32)
        self.history = np.full((count, features.WINDOW + _COLUMNS), 128, np.uint8)
        self.means = features.initial_means(lanes.initial_scale)
        self.residual = np.zeros(count, np.int32)
        self.column = 0

    def reset(self) -> None:
        """As at the start of a lane."""
        self.q6[:ORDER] = 0
        self.history[:, : features.WINDOW] = 128
        self.means[:] = features.initial_means(self.initial_scale)
        self.residual[:] = 0
        self.column = 0

    def advance(self) -> None:
        """Go to the next step."""
        self.column += 1
        if self.column == _COLUMNS:
            self.q6[:ORDER] = self.q6[-ORDER:]
            self.history[:, : features.WINDOW] = self.history[:, -features.WINDOW :]
            self.column = 0


@dataclass
class _Column:
    """Views of the histories at one of their columns: the last 16 Q6 units, the newest of them, where the next one goes;
    where the last residual goes, and the window that it completes."""

    q6: np.ndarray
    newest: np.ndarray
    next: np.ndarray
    history: np.ndarray
    window: np.ndarray


class Step:
    """The steps of some of the lanes.

    inputs : uint8 [lanes, 20], of the network
    reference : int32 [lanes], linear prediction without the mean
    residual : int32 [lanes], of the last step, until `fill`
    middle_level : int32 [lanes], as the network sees it
    """

    def __init__(self, past: Past, lanes: Lanes, part: slice):
        self._past, self._part = past, part
        self._mean, self._means = lanes.mean[part], past.means[:, part]
        q6, history = past.q6[:, part], past.history[part]
        self._columns = [
            _Column(
                q6=q6[column : column + ORDER],
                newest=q6[column + ORDER - 1],
                next=q6[column + ORDER],
                history=history[:, column + features.WINDOW - 1],
                window=features.windows(history, 1, column)[0],
            )
            for column in range(_COLUMNS)
        ]
        count = len(self._mean)
        self._coefficients = np.ascontiguousarray(lanes.coefficients[:, part])
        self._products = np.full((ORDER + 1, count), features.ROUND, np.int32)
        self._own_products = self._products[:ORDER]
        self.prediction, self._magnitude = np.empty(count, np.int32), np.empty(count, np.int32)
        self.inputs = np.zeros((count, features.FEATURES), np.uint8)
        self._window = np.ndarray(count, "V16", self.inputs.data, 0, self.inputs.strides[:1])
        self._rest = self.inputs[:, features.WINDOW :].T
        self._contexts = np.empty((2 + len(features.RATES), count), np.int32)
        self._differences, self._levels, self._seen = self._contexts[:2], self._contexts[2:], self._contexts[1:]
        self.residual, self._deviation = self._differences
        self.residual[:] = past.residual[part]
        self.middle_log_mean = self._levels[1]
        self._change, self._shifts = np.empty((len(features.RATES), count), np.int32), features.shifts(count)

    def keep(self) -> None:
        """Leave with the past what is not there yet."""
        self._past.residual[self._part] = self.residual

    def predict(self, heard: np.ndarray | None = None) -> None:
        """Linear prediction of this step; `heard` is the sum of what is heard of peers."""
        np.multiply(self._columns[self._past.column].q6, self._coefficients, out=self._own_products)
        np.add.reduce(self._products, axis=0, out=self.prediction)
        if heard is not None:
            self.prediction += heard
        self.prediction >>= _SHIFT

    def fill(self) -> None:
        """Residual of the last step, newest tick, running means: to the network's inputs, by way of the history."""
        contexts, views = self._contexts, self._columns[self._past.column]
        np.subtract(views.newest, self.prediction, out=self._deviation)
        features.to_quantised(self._differences, self._differences)
        features.to_log_means(self._means, out=self._levels)
        np.maximum(contexts, _ZERO, out=contexts)
        np.minimum(contexts, _BYTE, out=contexts)
        views.history[:] = self.residual
        self._window[:] = views.window
        self._rest[:] = self._seen

    def learn(self, q6: np.ndarray) -> None:
        """Move Q6 units, residual and running means on by the Q6 value int32 [lanes] of the decoded samples; they are
        without the mean afterwards."""
        q6 -= self._mean
        self._columns[self._past.column].next[:] = q6
        np.subtract(q6, self.prediction, out=self.residual)
        features.to_magnitude(self.residual, out=self._magnitude)
        features.move_means(self._means, self._magnitude, self._shifts, self._change, self._means)
