"""Encode a chunk of a file in spike mode."""

from __future__ import annotations

import numpy as np

from ..predictor.model import Model
from .candidates import Candidates
from .options import SpikeOptions
from .rate_control import encode_within


def encode(samples: np.ndarray, sample_bits: int, options: SpikeOptions, budget: int | None, model: Model) -> bytes:
    """Return the payload of a chunk.

    Parameters
    ----------
    samples : int16 [frames, channels]
    sample_bits : of the original
    options : SpikeOptions, with a sample rate
    budget : bytes that it may have, None for any; a chunk that can't be made to fit is as small as can be
    """
    candidates = Candidates(samples, sample_bits, options, model.stateless())
    if budget is None:
        return candidates.encode(candidates.detect(), options.max_error)
    return encode_within(candidates, budget)
