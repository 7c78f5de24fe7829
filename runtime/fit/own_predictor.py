"""Linear predictors of channels alone: first plain least squares, then one step towards the weighted solution."""

from __future__ import annotations

import numpy as np

from ..core.threads import check_stop
from ..predictor.channel_parameters import ORDER
from .least_squares import solve, to_signal
from .signals import equal_parts
from .weighted_sums import Predictors, covariances, step_from, weighted_sums

_SPACING = 8
"""One frame of so many gives the weighted covariance, which tells how far to go: all frames gain 0.00005 bit. They are
used where a step from some made residuals dearer."""
_MOST_STEPS, _MUCH = 3, 1 / 64
"""There is a further step where the one before changed the bits of a residual by so many."""
_MOST_CHANNELS = 1024
"""Channels that are fitted together, which bounds the memory for their equations."""
LEAST_ERROR = 1 / 64
"""Mean absolute residuals are taken for at least that."""
_QUIET = 0.28
"""Where the mean residual is less than so much of a step, what there is to code is which samples are not predicted
exactly, and plain least squares is better: by 4 to 10 % at errors of 20 to 40 codes."""


def own_predictors(signals: np.ndarray, bins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Order-16 coefficients of channels, and the mean absolute residuals that they leave.

    Parameters
    ----------
    signals : int16 [channels, 16 + frames]
        Of `to_signal`.
    bins : float64 [channels]
        What one step of the coded values is in units of the signal.

    Returns
    -------
    float64 [channels, 16], whole units of 2^-10, newest sample first; float64 [channels]
    """
    parts = equal_parts(len(signals), _MOST_CHANNELS)
    found = [_own_predictors(signals[some], bins[some]) for some in parts]
    coefficients, error = (np.concatenate(some) for some in zip(*found))
    return coefficients, error


def _own_predictors(signals: np.ndarray, bins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    check_stop()
    frames = float(signals.shape[1] - ORDER)
    best, variance = solve(covariances(signals), np.full(len(signals), frames))
    error = np.maximum(0.8 * np.sqrt(variance), LEAST_ERROR)
    size = error.copy()
    waiting = np.flatnonzero(error >= _QUIET * bins)
    gain = np.zeros(len(signals))
    for _ in range(_MOST_STEPS):
        for step, some in ((_SPACING, waiting[gain[waiting] >= 0]), (1, waiting[gain[waiting] < 0])):
            if not len(some):
                continue
            now = alone(some, best[some], error, bins)
            sums = weighted_sums(signals, now, step, 1)
            moved = step_from(now, sums)
            after = weighted_sums(signals, alone(some, moved, error, bins))
            gain[some] = sums.cost - after.cost
            better = gain[some] >= 0
            best[some[better]] = moved[better]
            size[some] = np.where(better, after.size, sums.size)
        waiting = waiting[np.abs(gain[waiting]) > _MUCH * frames]
    return best, np.maximum(size, LEAST_ERROR)


def alone(channels: np.ndarray, coefficients: np.ndarray, error: np.ndarray, bins: np.ndarray) -> Predictors:
    """Return predictors of some channels without references; `error` and `bins` are those of all channels."""
    none = np.empty((len(channels), 0), np.int64)
    return Predictors(channels, none, coefficients, error[channels], cost_floor(bins)[channels])


def cost_floor(bins: np.ndarray) -> np.ndarray:
    """Return what a residual of nothing costs like."""
    return bins / 4


def linear_predictor(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Order-16 coefficients of a channel, and the mean absolute residual that they leave.

    Parameters
    ----------
    values : int32 [frames]
        Signal without its mean.

    Returns
    -------
    int64 [16] in units of 2^-10, newest sample first; float in units of `values`
    """
    signals = np.zeros((1, ORDER + len(values)), np.int16)
    excess = to_signal(values, signals[0])
    (coefficients,), (error,) = own_predictors(signals, np.ones(1))
    return coefficients.astype(np.int64), error * (1 << excess)
