"""What a channel hears of its peers, as inputs of the network: docs/format.md section 5.5.

Every lane says four bytes a step: its newest three residuals in sixteenths of their mean size, and the logarithm of
that size. A listener's inputs are what its peers say, the correlation with each, and products of both.
"""

from __future__ import annotations

import numpy as np

from .channel_parameters import CORRELATION_UNIT

SAID = 4
"""Bytes that a lane says: residuals at t, t-1, t-2; level."""
RESIDUALS = 3
INPUTS = 8
"""Bytes for each peer: what it says, metric, products of metric and residuals."""
ZERO = 128
SILENCE = ZERO * 0x01010101
"""What a lane says before its first step."""

_BITS = 11
_MAX_RESIDUAL = 32767
INVERSE = np.rint(2.0 ** (12 + _BITS - (np.arange(256) + 128) / 16)).astype(np.int32)
"""2^11 sixteenths of a residual's mean size, by the level of that size: docs/format.md lists them."""


def say(said: np.ndarray, residual: np.ndarray, level: np.ndarray) -> None:
    """Move what lanes say (uint32, one number each) on by a step, in place.

    Parameters
    ----------
    residual : int32, Q6 units
    level : int32, 0..255, of the middle running mean before this step
    """
    size = np.maximum(residual, -_MAX_RESIDUAL)
    np.minimum(size, _MAX_RESIDUAL, out=size)
    size *= INVERSE.take(level)
    size >>= _BITS
    size += ZERO
    np.maximum(size, 0, out=size)
    np.minimum(size, 255, out=size)
    said <<= np.uint32(8)
    said &= np.uint32(0x00FFFF00)
    said |= size.view(np.uint32)
    said |= (level << 24).view(np.uint32)


def metrics(metric: np.ndarray) -> np.ndarray:
    """Metrics of -32..31 as bytes."""
    return (metric * (128 // CORRELATION_UNIT) + ZERO).astype(np.uint8)


def hear(said: np.ndarray, metric: np.ndarray, present: np.ndarray, out: np.ndarray) -> None:
    """Fill in inputs, uint8 [..., lanes, peers, 8].

    Parameters
    ----------
    said : uint32 [..., lanes, peers]
        What each peer says.
    metric : int16 [lanes, peers]
    present : bool [lanes, peers]
        Others are heard as zeros.
    """
    out[..., :SAID] = said.astype("<u4", copy=False)[..., None].view(np.uint8)
    out[..., SAID] = metrics(metric)
    product = out[..., :RESIDUALS].astype(np.int16)
    product -= ZERO
    product *= metric[..., None]
    product >>= 5
    product += ZERO
    np.minimum(product, 255, out=product)
    out[..., SAID + 1 :] = product
    out[..., ~present, :] = ZERO
