"""Whole numbers for inner loops."""

from __future__ import annotations

import numpy as np


def constant(value: int, kind: type = np.int32) -> np.ndarray:
    """A number as an array without dimensions: numpy takes half as long for a call with one as with a plain number."""
    made: np.ndarray = np.array(value, kind)
    made.setflags(write=False)
    return made
