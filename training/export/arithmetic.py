"""Integer division as the graphs round, and the other roundings that known answers must tell from it."""

import numpy as np

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


def stage(layer: dict, x: np.ndarray, ties: str) -> np.ndarray:
    """Return one quantised layer's output 0..255 for int64 [..., in]."""
    total = x @ layer["weight"].T.astype(np.int64) + layer["bias"]
    return np.clip(divide(total, layer["output"] / (layer["step"] * layer["input"]), ties), 0, 255)
