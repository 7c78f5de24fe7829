"""Q6: fixed-point numbers in units of 1/64 ADC code, or 1/64 of a linear channel's coded step."""

from __future__ import annotations

import numpy as np


def q6_values(samples: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """Return Q6 values int32 of the samples of linear channels (docs/format.md section 4.2).

    Parameters
    ----------
    samples : integers, any shape
    shift : low bits of each; below 0, octaves by which a unit is finer than 1/64 sample
    """
    values = (2 * samples.astype(np.int32) + 1) << 5
    if np.min(shift, initial=0) < 0:
        values <<= np.maximum(-shift, 0)
        shift = np.maximum(shift, 0)
    return values >> shift


def centres(prediction: np.ndarray, octaves: np.ndarray | int = 6) -> np.ndarray:
    """Return the coded step of a linear channel that is nearest to a prediction, mean included.

    Parameters
    ----------
    prediction : integers [..., lanes], Q6 units
    octaves : of one coded step in Q6 units
    """
    return (prediction + (np.int32(1) << octaves - 1)) >> octaves
