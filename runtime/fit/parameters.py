"""The encoder's choices for each channel of a chunk: kind, mean, grid, linear predictor and the channels that it hears.

Reproducible on every machine (see `least_squares.py` and `correlation.py`). A decoder needs none of this.
"""

from __future__ import annotations

import zlib

import numpy as np

from ..core.implant_table import codes_of
from ..predictor import features
from ..predictor.channel_parameters import (
    CONSTANT,
    COPY,
    IMPLANT,
    IMPLANT_MAGNITUDE_BITS,
    LINEAR,
    MAX_MAGNITUDE_BITS,
    ORDER,
    SideInformation,
)
from ..core.q6 import q6_values
from ..predictor.lanes import columns
from .least_squares import to_signal
from .own_predictor import own_predictors
from .prediction_order import Arrangement
from .references import Channels, found, hear_references, restricted, settle_order_levels

_MAX_SHIFT = 8
_LINEAR_NOISE_CODES = 4
"""Low bits are split off until the mean residual is below twice this many grid steps."""
_MAX_FINENESS, _LOUDEST_CODES = 8, 32
"""Q6 units of bounded errors are up to 2^8 times finer, as long as the loudest channel's residual stays below 32 codes."""


def fit(
    samples: np.ndarray,
    reconstruction: np.ndarray,
    linear: np.ndarray | None = None,
    hear: bool = False,
    topology: Arrangement | None = None,
    fine: bool = False,
    max_error: int = 0,
) -> SideInformation:
    """Side information for one chunk.

    Parameters
    ----------
    samples : int16 [frames, channels]
    middle : int32 [1024]
        The model's Q6 value of each lattice code.
    grid : bool [channels], optional
        Channels that are linear channels even if all their values are on the implant's table.
    hear : bool
        Whether channels may hear each other.
    topology : Arrangement, optional
        Which channels may hear which; without it the samples tell.
    fine : bool
        Whether Q6 units of linear channels may be finer than samples: what a bounded error leaves may be quieter than its bins.
    max_error : int
        What implant channels are quantised for already, in codes.
    """
    linear = np.zeros(samples.shape[1], bool) if linear is None else linear
    side = SideInformation.empty(samples.shape[1])
    channels = _describe(samples, reconstruction, side, linear, hear, max_error)
    if not len(channels.numbers):
        return side
    coefficients, error = own_predictors(channels.signals, channels.bins)
    side.coefficients[channels.numbers] = coefficients
    if hear and len(channels.numbers) > 1 and len(samples) > ORDER:
        arrangement = restricted(topology, channels.numbers) if topology else found(channels, coefficients)
        error = hear_references(side, channels, arrangement, coefficients, error)
    _scale(side, channels, samples, coefficients.astype(np.int64), error, fine)
    settle_order_levels(side)
    return side


def _describe(
    samples: np.ndarray,
    reconstruction: np.ndarray,
    side: SideInformation,
    linear: np.ndarray,
    copies: bool,
    max_error: int,
) -> Channels:
    """Fill in kinds and means."""
    numbers, signals, q6, bins, seen = [], [], [], [], {}
    for channel, column in enumerate(columns(samples)):
        if column.min() == column.max():
            side.kind[channel], side.mean[channel] = CONSTANT, column[0]
            continue
        same = seen.setdefault(zlib.crc32(column.data, int(linear[channel])), channel) if copies else channel
        if same != channel and linear[same] == linear[channel] and np.array_equal(column, samples[:, same]):
            side.kind[channel], side.mean[channel] = COPY, same
            continue
        codes = codes_of(column)
        on_implant = codes.min() >= 0 and not linear[channel]
        side.kind[channel] = IMPLANT if on_implant else LINEAR
        side.mean[channel] = _rounded_mean(codes if on_implant else column)
        if on_implant:
            values = reconstruction[codes] - reconstruction[side.mean[channel]]
        else:
            values = column.astype(np.int32) - np.int32(side.mean[channel])
        signal, excess = to_signal(values)
        numbers.append(channel)
        signals.append(signal)
        q6.append((1.0 if on_implant else 64.0) * (1 << excess))
        bins.append((64.0 * (2 * max_error + 1) if on_implant else 1.0) / (1 << excess))
    return Channels(np.array(numbers, np.int64), signals, np.array(q6), np.array(bins))


def _rounded_mean(values: np.ndarray) -> int:
    total, count = int(values.sum(dtype=np.int64)), len(values)
    return (2 * total + count) // (2 * count)


def _scale(
    side: SideInformation, channels: Channels, samples: np.ndarray, own: np.ndarray, error: np.ndarray, fine_q6: bool
) -> None:
    """Fill in grids and spreads, and see to it that sums of linear predictors stay within 32 bits."""
    size = np.zeros(len(side.kind))
    size[channels.numbers] = error * channels.q6
    linear, most = side.kind == LINEAR, _MAX_SHIFT - fine_q6
    for channel in np.flatnonzero(linear):
        while size[channel] >= 2 * _LINEAR_NOISE_CODES * 64 << side.shift[channel] and side.shift[channel] < most:
            side.shift[channel] += 1
    side.magnitude_bits[:] = np.where(side.kind == IMPLANT, IMPLANT_MAGNITUDE_BITS, 0)
    _fill_magnitude_bits(side, samples)
    if fine_q6 and linear.any() and not side.shift.any():
        _refine(side, samples, size[linear])
    unit = np.where(linear, np.ldexp(1.0, side.shift), 1)
    heard = np.rint(side.reference_taps * (unit[side.references] / unit[:, None])[:, :, None])
    side.reference_taps = np.clip(heard, -16384, 16383).astype(np.int64)
    if not (fine := side.fits()).all():  # without peers then
        side.reference_taps[~fine], side.references[~fine], side.correlation[~fine] = 0, -1, 0
        alone = np.flatnonzero(~fine[channels.numbers])
        side.coefficients[channels.numbers[alone]] = own[alone]
    while not (fine := side.fits()).all():
        grown = ~fine & linear & (side.shift < most) & (side.shift >= 0)
        side.shift[grown] += 1
        side.coefficients[~fine & ~grown] = 0
        side.reference_taps[grown[side.references] & (side.references >= 0)] *= 2
        _fill_magnitude_bits(side, samples)
    size = np.minimum(size / np.where(linear, np.ldexp(1.0, side.shift), 1), features.MAX_MAGNITUDE)
    means = np.maximum(size.astype(np.int32), 1) << features.MEAN_BITS
    side.initial_scale[channels.numbers] = features.log_means(means)[channels.numbers]


def _refine(side: SideInformation, samples: np.ndarray, size: np.ndarray) -> None:
    """Make the Q6 units of linear channels, whose mean residuals are `size`, as fine as the noise of most of them asks for, if
    that is not too fine for the loudest and for sums of linear predictors."""
    linear, fineness = side.kind == LINEAR, 0
    while (
        fineness < _MAX_FINENESS
        and np.median(size) * 2**fineness < _LINEAR_NOISE_CODES * 64
        and size.max() * 2**fineness < _LOUDEST_CODES * 64
    ):
        fineness += 1
    for octaves in range(fineness, -1, -1):
        side.shift[linear] = -octaves
        _fill_magnitude_bits(side, samples)
        sums = np.abs(side.coefficients).sum(axis=1) << side.magnitude_bits
        if (sums[linear] < 1 << 30).all() and side.magnitude_bits.max() <= MAX_MAGNITUDE_BITS:
            return


def _fill_magnitude_bits(side: SideInformation, samples: np.ndarray) -> None:
    for channel in np.flatnonzero(side.kind == LINEAR):
        ends = np.array([samples[:, channel].min(), samples[:, channel].max(), side.mean[channel]])
        low, high, mean = q6_values(ends, side.shift[channel]).tolist()
        side.magnitude_bits[channel] = max(mean - low, high - mean).bit_length()
