"""Which model to encode a recording with, where none is asked for: by its first samples."""

from __future__ import annotations

import numpy as np

from ..codec.coding import EncodeTask
from ..core.implant_table import mostly_in_table
from ..predictor import model as models
from . import codings

CHOICE_FRAMES = 1 << 14
"""Frames at a recording's beginning that are looked at, at most."""
_CHANNELS, _SAMPLES = 64, 1 << 16
"""Channels and samples that are coded with each model."""


def choose(
    samples: np.ndarray,
    independent: bool = False,
    max_error: int = 0,
    target_bits: float | None = None,
    kept: bool = False,
) -> str:
    """Choose a shipped model by the first samples of a recording. Returns its name.

    Single channels get their model by whether their values are in the implant's table. Channels that may be predicted
    from each other are encoded with both models: which one is smaller depends on what they have in common. Spike mode
    (`kept`) has a model of its own.

    Parameters
    ----------
    samples : int16 [time, channels], of the recording's beginning or of all of it
    target_bits : that a sample may take in the mean; where it is enough for that, nothing is to be lost
    """
    if kept:
        return models.SPIKES
    usual = models.default(max_error, target_bits)
    if not samples.size or (usual != models.DEFAULT and target_bits is None):
        return usual
    part = np.ascontiguousarray(samples[:CHOICE_FRAMES, :_CHANNELS])
    found = models.DEFAULT if mostly_in_table(part) else models.DEVICES
    part = part[-max(_SAMPLES // part.shape[1], 1) :]  # recordings may begin with transients
    if not independent and part.shape[1] > 1:
        names = dict.fromkeys((found, models.DEFAULT, models.DEVICES))  # of equal ones the first is taken
        found = min(names, key=lambda name: _size(part, name))
    if target_bits is not None and 8 * _size(part, found, independent) > target_bits * part.size:
        return usual
    return found


def _size(samples: np.ndarray, name: str, independent: bool = False) -> int:
    """Return the bytes of samples without loss, encoded with a shipped model."""
    return len(codings.encode([EncodeTask(samples, independent=independent)], models.load(name))[0])
