"""Linear predictors that channels share: where chunks are short, coefficients of each take more than they save."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.bits import bit_length
from ..predictor.channel_parameters import ORDER
from .least_squares import solve
from .own_predictor import LEAST_ERROR, alone
from .signals import Signals, equal_parts
from .weighted_sums import covariances, weighted_sums

_MOST_FRAMES = 1 << 13
"""In longer chunks coefficients take less than 0.03 bits of a sample."""
_WIDTH_BITS = 16
_VARIANCE = 1000.0
"""That signals are scaled to, so that all channels count alike."""
_TOGETHER = 1024
"""Channels whose equations are held at once."""


@dataclass(frozen=True)
class SharedPredictor:
    """A predictor for channels to share.

    coefficients : float64 [16], whole units of 2^-10
    error : float64 [channels], mean absolute residuals that it leaves
    saved : float64 [channels], bits that a channel saves by it; 0 for channels that have their own
    """

    coefficients: np.ndarray
    error: np.ndarray
    saved: np.ndarray

    def give(self, channels: np.ndarray, coefficients: np.ndarray, error: np.ndarray) -> None:
        """Put it in place of the coefficients and errors of those of some channels, bool [channels], that share it."""
        some = channels & (self.saved > 0)
        if self.saved[some].sum() > coefficient_bits(self.coefficients[None])[0]:
            coefficients[some], error[some] = self.coefficients, self.error[some]


def shared_predictor(signals: Signals, coefficients: np.ndarray, error: np.ndarray) -> SharedPredictor:
    """Find one predictor to put in place of those that save less than they take.

    Parameters
    ----------
    signals : Signals
    coefficients : float64 [channels, 16], of the channels' own predictors
    error : float64 [channels], mean absolute residuals
    """
    if len(signals) < 2 or signals.frames > _MOST_FRAMES:
        return SharedPredictor(np.zeros(ORDER), error, np.zeros(len(signals)))
    common = _common_predictor(signals)
    own, shared = _passes(signals, coefficients, error), _passes(signals, common, error)
    saved = own[0] + coefficient_bits(coefficients) - shared[0]
    return SharedPredictor(common[0], shared[1], np.maximum(saved, 0))


def coefficient_bits(coefficients: np.ndarray) -> np.ndarray:
    """Return the bits of side information that coefficients [channels, 16] take, int64 [channels]."""
    largest = np.abs(coefficients).reshape(len(coefficients), -1, 4).max(axis=2).astype(np.int64)
    return _WIDTH_BITS + 4 * (bit_length(largest) + 1).sum(axis=1)


def _common_predictor(signals: Signals) -> np.ndarray:
    """Return coefficients float64 [channels, 16] that are the same for all, by least squares in units of deviations."""
    total = np.zeros((1, 1 + ORDER, 1 + ORDER))
    for part in equal_parts(len(signals), _TOGETHER):
        sums = covariances(signals.signals[part])
        scale = _VARIANCE * signals.frames / np.maximum(sums[:, 0, 0], signals.frames)
        total += np.rint(sums * scale[:, None, None]).sum(axis=0)  # whole numbers: exact in any order
    found, _ = solve(total, np.array([float(signals.frames * len(signals))]))
    return np.tile(found, (len(signals), 1))


def _passes(signals: Signals, coefficients: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return costs in bits and mean absolute residuals."""
    sums = weighted_sums(signals.signals, alone(np.arange(len(signals)), coefficients, error, signals.bins))
    return sums.cost, np.maximum(sums.size, LEAST_ERROR)
