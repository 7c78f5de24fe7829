"""Layers in integers, division as the graphs round, and other roundings that known answers must tell from it."""

import numpy as np

from runtime.predictor.metadata import Layer

from ..exactness.intervals import whole_weights

TIES = ("up", "down", "away", "zero")
"""Ways to round halves, other than to even, as Round and QuantizeLinear do."""


def divide(x: np.ndarray, divisor: float, ties: str = "even") -> np.ndarray:
    """Return round(x / divisor) for int64 x and a power of two; halves go to even, or as `ties` (one of TIES) names."""
    shift = round(np.log2(divisor))
    if shift <= 0:
        return x << -shift
    low = x & ((1 << shift) - 1)
    half = 1 << (shift - 1)
    q = x >> shift
    up = {"even": q & 1 == 1, "up": True, "down": False, "away": x > 0, "zero": x < 0}[ties]
    return q + ((low > half) | ((low == half) & up))


def quantised_layer(layer: dict) -> Layer:
    """Return a layer of `integers_of` in integers."""
    shift = round(np.log2(layer["output"] / (layer["step"] * layer["input"])))
    return Layer(layer["weight"].T.astype(np.int32), layer["bias"], shift)


def last_layer(head: dict) -> Layer:
    """Return the head of `Network.integers` in integers."""
    weight, bias, unit = whole_weights(head["weight"], head["bias"], head["input"])
    return Layer(weight.T.astype(np.int32), bias.astype(np.int32), -round(np.log2(unit)))


def quotient(layer: Layer, x: np.ndarray, ties: str) -> np.ndarray:
    """Return a layer's rounded sums, int64 [..., out], for int64 [..., in]."""
    return divide(x @ layer.weights.astype(np.int64) + layer.bias, 2.0**layer.shift, ties)


def stage(layer: dict, x: np.ndarray, ties: str) -> np.ndarray:
    """Return the output 0..255 of a layer of `integers_of` for int64 [..., in]."""
    return np.clip(quotient(quantised_layer(layer), x, ties), 0, 255)
