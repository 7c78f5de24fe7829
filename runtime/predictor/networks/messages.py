"""MiddleOut's messages: what the network is told of reference lanes (docs/format.md section 5.5).

A lane's message has four bytes: its newest three residuals in sixteenths of their mean size, and the logarithm of that
size. The network gets, for each reference lane, its message, the correlation with it, and products of both.
"""

from __future__ import annotations

import numpy as np

from ..channel_parameters import CORRELATION_UNIT, REFERENCES
from ..lanes import Lanes

MESSAGE = 4
"""Bytes of a message: residuals at t, t-1, t-2; logarithm of their mean size."""
RESIDUALS = 3
INPUTS = 8
"""Bytes for each reference lane: message, correlation, products of correlation and residuals."""
ZERO = 128
EMPTY = ZERO * 0x01010101
"""The message of a lane before its first step."""

_BITS = 11
_MAX_RESIDUAL = 32767
INVERSE = np.rint(2.0 ** (12 + _BITS - (np.arange(256) + 128) / 16)).astype(np.int32)
"""2^11 sixteenths of a residual's mean size, by the logarithm of that size: docs/format.md lists them."""


def update(messages: np.ndarray, residual: np.ndarray, log_mean: np.ndarray) -> None:
    """Move the messages uint32 [lanes] on by a step, in place.

    Parameters
    ----------
    residual : int32 [lanes], Q6 units
    log_mean : int32 [lanes], 0..255, of the middle running mean before this step
    """
    size = np.maximum(residual, -_MAX_RESIDUAL)
    np.minimum(size, _MAX_RESIDUAL, out=size)
    size *= INVERSE.take(log_mean)
    size >>= _BITS
    size += ZERO
    np.maximum(size, 0, out=size)
    np.minimum(size, 255, out=size)
    messages <<= np.uint32(8)
    messages &= np.uint32(0x00FFFF00)
    messages |= size.view(np.uint32)
    messages |= (log_mean << 24).view(np.uint32)


def correlation_bytes(correlation: np.ndarray) -> np.ndarray:
    """Return correlations of -32..31 as bytes."""
    return (correlation * (128 // CORRELATION_UNIT) + ZERO).astype(np.uint8)


def fill(messages: np.ndarray, correlation: np.ndarray, present: np.ndarray, out: np.ndarray) -> None:
    """Fill in the network's inputs uint8 [..., lanes, references, 8].

    Parameters
    ----------
    messages : uint32 [..., lanes, references]
    correlation : int16 [lanes, references]
    present : bool [lanes, references]
        The inputs of others are zeros.
    """
    out[..., :MESSAGE] = messages.astype("<u4", copy=False)[..., None].view(np.uint8)
    out[..., MESSAGE] = correlation_bytes(correlation)
    product = out[..., :RESIDUALS].astype(np.int16)
    product -= ZERO
    product *= correlation[..., None]
    product >>= 5
    product += ZERO
    np.minimum(product, 255, out=product)
    out[..., MESSAGE + 1 :] = product
    out[..., ~present, :] = ZERO


class _Listed:
    """Reference lanes of some lanes: their numbers, which there are, and the correlations, [lanes, references]."""

    def __init__(self, lanes: Lanes, part: slice):
        self.chosen = np.ascontiguousarray(lanes.references[:, part].T)
        self.present = self.chosen != np.arange(len(lanes))[part, None]
        self.correlation = np.ascontiguousarray(lanes.correlation[:, part].T.astype(np.int16))


class BlockMessages:
    """The messages of all lanes, for many steps at once."""

    def __init__(self, lanes: Lanes):
        self._listed = _Listed(lanes, slice(None))
        self._last = np.full(len(lanes), EMPTY, np.uint32)

    def run_block(self, residual: np.ndarray, log_mean: np.ndarray) -> np.ndarray:
        """Return the network's inputs uint8 [steps, lanes, 4, 8].

        Parameters
        ----------
        residual, log_mean : int32 [steps, lanes], see `update`
        """
        size, count = residual.shape
        messages = np.empty((size + 1, count), np.uint32)
        messages[0] = self._last
        for t in range(size):
            messages[t + 1] = messages[t]
            update(messages[t + 1], residual[t], log_mean[t])
        out = np.empty((size, count, REFERENCES, INPUTS), np.uint8)
        fill(messages[1:].take(self._listed.chosen, axis=1), self._listed.correlation, self._listed.present, out)
        self._last = messages[size]
        return out


class StepMessages:
    """The messages to some lanes, for one step.

    Parameters
    ----------
    messages : uint32 [all lanes]
    """

    def __init__(self, messages: np.ndarray, lanes: Lanes, part: slice):
        self._messages, self._own = messages, messages[part]
        self._listed = _Listed(lanes, part)
        self.inputs = np.full((len(self._own), REFERENCES, INPUTS), ZERO, np.uint8)

    def fill(self) -> None:
        """Assemble the network's inputs."""
        if self._listed.present.any():
            messages = self._messages.take(self._listed.chosen)
            fill(messages, self._listed.correlation, self._listed.present, self.inputs)

    def learn(self, residual: np.ndarray, log_mean: np.ndarray) -> None:
        """Move the lanes' own messages on."""
        update(self._own, residual, log_mean)
