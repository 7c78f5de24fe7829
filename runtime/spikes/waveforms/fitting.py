"""Choose how samples are counted, and what windows of a channel have in common. Encoder only."""

from __future__ import annotations

import numpy as np

from ...core.implant_table import codes_of
from ...entropy.entropy_model import SCALES
from ...predictor.model import Model
from ..bins import Units
from ..payload.plan import ChannelParameters
from ..windows import Windows
from .costs import bits_of
from .window_coder import WindowCoder

_LINEAR_NOISE = 4.0
"""Steps of a linear chunk; low bits are split off until the noise is below twice as many."""
_MAX_SHIFT = 8
_FEW = 4
"""Mean number of windows of a channel, below which channels share their parameters."""
_SCALE_STEP = 4
_WINDOWS = 1 << 12
"""Windows that are looked at together."""


def units_of(
    samples: np.ndarray,
    noise: np.ndarray,
    max_error: int,
    sample_bits: int,
    model: Model,
    linear: bool | None = None,
) -> Units:
    """Return the units of a chunk.

    Parameters
    ----------
    noise : [channels], deviations in samples, which decide about low bits
    linear : None for linear units where a sample is not on the implant's table
    """
    entropy = model.coarse(max_error).entropy
    if linear is None:
        linear = sample_bits != 16 or not on_implant(samples)
    if not linear:
        return Units(entropy, max_error, False, 0, sample_bits)
    steps = float(np.median(noise)) / (2 * max_error + 1)
    shift = 0
    while steps >= 2 * _LINEAR_NOISE and shift < _MAX_SHIFT:
        steps, shift = steps / 2, shift + 1
    return Units(entropy, max_error, True, shift, sample_bits)


def on_implant(samples: np.ndarray) -> bool:
    """Return whether all samples are values of the implant's table."""
    return all(int(codes_of(part).min()) >= 0 for part in np.array_split(samples, -(-samples.size // (1 << 22))))


def channel_parameters(coder: WindowCoder, windows: Windows, channels: int) -> ChannelParameters:
    """Return the parameters of every channel; channels share them where windows are few."""
    used = np.unique(windows.channel)
    alone = len(windows) >= _FEW * len(used)
    group = windows.channel if alone else np.zeros(len(windows), np.int64)
    parameters = ChannelParameters(*np.zeros((2, channels), np.int64))
    scales = _scales(coder, group, channels)
    parameters.scale[used] = scales[used] if alone else scales[0]
    return parameters


def _scales(coder: WindowCoder, group: np.ndarray, channels: int) -> np.ndarray:
    """Return the scale indices of the fewest bits for windows' first samples."""
    scales, total = np.arange(0, SCALES, _SCALE_STEP), np.zeros((SCALES // _SCALE_STEP, channels), np.int64)
    for first in range(0, len(group), _WINDOWS):
        some = slice(first, first + _WINDOWS)
        cost = bits_of(coder.first_frequencies(scales, some)).T
        np.add.at(total.T, group[some], cost)
    return scales[total.argmin(axis=0)]
