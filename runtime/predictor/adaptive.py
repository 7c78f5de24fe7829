"""The adaptive predictor: weights that follow what the linear predictor leaves (docs/format.md section 5.7).

A normalised least mean squares filter in integers: where level steps, artefacts or drifts make one linear predictor for
a whole chunk a compromise, its weights move along. They depend on samples of the past only.
"""

from __future__ import annotations

import numpy as np

from ..core.scalars import constant
from .lanes import Lanes

TAPS = 32
"""Weights, and residuals of the linear predictor that they are applied to."""
LOST_BITS, MOST = 2, 511
"""Residuals enter without their last bits, clipped."""
WEIGHT_BITS, MOST_WEIGHT = 14, 32767
"""Weights are in units of 2^-14, and at most two."""
POWER_OFFSET, POWER_BITS, RATE_BITS = 512, 3, 10
"""A weight moves by residual * error * 2^(14 + 3 - 10) / (sum of squares + 512)."""
_SUM_BITS = WEIGHT_BITS - LOST_BITS
_ROUND, _HALF = constant(1 << (_SUM_BITS - 1)), constant(1 << (RATE_BITS - 1))
_LEAST, _MOST = constant(-MOST), constant(MOST)
_LEAST_WEIGHT, _MOST_WEIGHT = constant(-MOST_WEIGHT - 1), constant(MOST_WEIGHT)


def _clip(residual: np.ndarray, out: np.ndarray) -> None:
    """Write residuals int32 in the units of the filter into `out`."""
    np.right_shift(residual, LOST_BITS, out=out)
    np.minimum(out, _MOST, out=out)
    np.maximum(out, _LEAST, out=out)


class AdaptiveState:
    """What the adaptive predictors of lanes carry from step to step.

    weights : int32 [32, lanes], for the oldest residual first
    recent : int32 [32 + columns, lanes]
        Clipped residuals of the linear predictor; those of the 32 steps before a step are in the rows from `column` on.
    power : int32 [lanes], sum of the squares of these

    Parameters
    ----------
    count : int
        Lanes.
    columns : int
        Steps for which there is room, as in `Past`.
    """

    def __init__(self, count: int, columns: int):
        self.weights = np.zeros((TAPS, count), np.int32)
        self.recent = np.zeros((TAPS + columns, count), np.int32)
        self.power = np.zeros(count, np.int32)

    def reset(self) -> None:
        """Forget everything."""
        self.weights[:], self.recent[:], self.power[:] = 0, 0, 0

    def move_back(self, column: int) -> None:
        """Make `column` the first one."""
        self.recent[:TAPS] = self.recent[column : column + TAPS]


class Adaptive:
    """The adaptive predictors of some lanes; of those that have none, the weights stay zero."""

    def __init__(self, state: AdaptiveState, lanes: Lanes, part: slice = slice(None)):
        self._weights, self._recent, self._power = state.weights[:, part], state.recent[:, part], state.power[part]
        self._chosen = np.ascontiguousarray(lanes.adaptive[part])
        count = len(self._chosen)
        self._products, self._part = np.empty((TAPS, count), np.int32), np.zeros(count, np.int32)
        self._rate, self._lost = np.empty(count, np.int32), np.empty(count, np.int32)
        self._quotient, self._divisor = np.empty(count, np.float32), np.empty(count, np.float32)

    def predict(self, column: int) -> np.ndarray:
        """Return what is to be added to the linear prediction, int32 [lanes]; it is kept until `learn`."""
        np.multiply(self._weights, self._recent[column : column + TAPS], out=self._products)
        np.add.reduce(self._products, axis=0, out=self._part)
        self._part += _ROUND
        self._part >>= _SUM_BITS
        return self._part

    def learn(self, column: int, residual: np.ndarray) -> None:
        """Take in what is left, int32 [lanes]."""
        recent, products, power, rate = self._recent[column : column + TAPS], self._products, self._power, self._rate
        np.add(power, POWER_OFFSET, out=rate)
        rate >>= POWER_BITS
        self._divisor[:] = rate
        _clip(residual, rate)
        rate <<= WEIGHT_BITS
        self._quotient[:] = rate
        self._quotient /= self._divisor
        rate[:] = self._quotient  # towards zero
        rate *= self._chosen
        np.multiply(recent, rate, out=products)
        products += _HALF
        products >>= RATE_BITS
        self._weights += products
        np.minimum(self._weights, _MOST_WEIGHT, out=self._weights)
        np.maximum(self._weights, _LEAST_WEIGHT, out=self._weights)
        newest, lost = self._recent[column + TAPS], self._lost
        np.multiply(recent[0], recent[0], out=lost)
        power -= lost
        np.add(residual, self._part, out=lost)
        _clip(lost, newest)
        np.multiply(newest, newest, out=lost)
        power += lost
