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
    names = [found] if independent or part.shape[1] == 1 else [found, models.DEFAULT, models.DEVICES]
    if len(names) == 1 and target_bits is None:
        return found
    part = part[-max(_SAMPLES // part.shape[1], 1) :]  # recordings may begin with transients
    task = EncodeTask(part, independent=independent)
    sizes = {name: len(codings.encode([task], models.load(name))[0]) for name in dict.fromkeys(names)}
    found = min(sizes, key=sizes.__getitem__)  # of equal ones the first is taken
    if target_bits is not None and 8 * sizes[found] > target_bits * part.size:
        return usual
    return found
