"""The encoder's choices for each channel of a chunk: value map, mean, linear predictor, references, initial scale.

Reproducible on every machine (see `least_squares.py` and `correlation.py`).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..core.bits import bit_length
from ..core.implant_table import table_codes
from ..core.q6 import q6_values
from ..predictor import input_arithmetic
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
from ..predictor.lanes import columns
from .engine import prepare
from .least_squares import to_signal
from .own_predictor import own_predictors
from .palette_search import palette_candidates, take_sure, take_tried
from .prediction_order import PredictionOrder
from .reference_taps import fit_references, order_of
from .shared_predictor import shared_predictor
from .signals import Signals, rounded_mean

_MAX_SHIFT = 8
_LINEAR_NOISE_CODES = 4
"""Low bits are split off until the mean residual is below twice this many coded steps."""
_MAX_FINENESS, _LOUDEST_CODES = 8, 32
"""Q6 units are up to 2^8 times finer, as long as the loudest channel's residual stays below 32 codes."""
_LARGEST_TAP = 16384
_SECONDS, _JOINT_SECONDS, _JOINT_CHANNEL_SECONDS = 5e-8, 5e-7, 2e-3
"""What a sample takes without compiled loops, and a channel, however short it is."""


@dataclass(frozen=True)
class FitOptions:
    """What the fit may choose.

    references : whether channels may be predicted from others
    order : the prediction order; found from the samples if there is none
    fine : whether Q6 units of linear channels may be finer than samples: residuals of near-lossless channels may be
        smaller than a bin
    max_error : what the samples of implant channels are quantised for already, in codes
    palettes : whether linear channels may have palettes
    """

    references: bool = False
    order: PredictionOrder | None = None
    fine: bool = False
    max_error: int = 0
    palettes: bool = False


def fit(
    samples: np.ndarray,
    reconstruction: np.ndarray,
    linear: np.ndarray | None = None,
    options: FitOptions = FitOptions(),  # noqa: B008 (it is frozen)
) -> SideInformation:
    """Choose the side information of a chunk without palettes; parameters are those of `fit_with_palettes`."""
    prepare_fits([(samples, options.references)])
    return fit_with_palettes(samples, reconstruction, linear, options)[0]


def prepare_fits(chunks: Iterable[tuple[np.ndarray, bool]]) -> None:
    """Load compiled loops where they are worth it for all chunks [frames, channels], with references or without."""
    seconds = 0.0
    for samples, references in chunks:
        joint = references and samples.shape[1] > 1
        seconds += samples.size * (_JOINT_SECONDS if joint else _SECONDS)
        seconds += samples.shape[1] * _JOINT_CHANNEL_SECONDS * joint
    prepare(seconds)


def fit_with_palettes(
    samples: np.ndarray,
    reconstruction: np.ndarray,
    linear: np.ndarray | None = None,
    options: FitOptions = FitOptions(),  # noqa: B008 (it is frozen)
) -> tuple[SideInformation, dict[int, np.ndarray]]:
    """Choose the side information of a chunk, and palettes.

    Parameters
    ----------
    samples : int16 [frames, channels]
    reconstruction : int32 [1024], the model's Q6 value of each code
    linear : bool [channels]
        Channels that are linear even if all their values are in the implant's table.

    Returns
    -------
    SideInformation
        Of channels with a palette as if the numbers of their values were their samples.
    int16 [n] by channel, increasing
    """
    linear = np.zeros(samples.shape[1], bool) if linear is None else linear
    side = SideInformation.empty(samples.shape[1])
    signals = _describe(samples, reconstruction, side, linear, options)
    if not len(signals):
        return side, {}
    rows = np.flatnonzero(side.kind[signals.numbers] == LINEAR) if options.palettes else np.zeros(0, np.int64)
    candidates = palette_candidates(samples, signals, rows)
    taken = take_sure(signals, candidates)
    coefficients, error = own_predictors(signals.signals, signals.bins)
    taken += take_tried(signals, {r: x for r, x in candidates.items() if r not in taken}, coefficients, error)
    palettes = {int(signals.numbers[row]): candidates[row].palette for row in taken}
    for row in taken:
        side.mean[signals.numbers[row]] = rounded_mean(candidates[row].numbers)
    shared = shared_predictor(signals, coefficients, error)
    alone = np.ones(len(signals), bool)
    side.coefficients[signals.numbers] = coefficients
    if options.references and len(signals) > 1 and len(samples) > ORDER:
        order = options.order.restricted(signals.numbers) if options.order else order_of(signals, coefficients, error)
        error = fit_references(side, signals, order, coefficients, error, shared.saved)
        alone = side.references[signals.numbers, 0] < 0
    shared.give(alone, coefficients, error)
    side.coefficients[signals.numbers[alone]] = coefficients[alone]
    _scale(side, signals, coefficients.astype(np.int64), error, options.fine)
    return side, palettes


def _describe(
    samples: np.ndarray, reconstruction: np.ndarray, side: SideInformation, linear: np.ndarray, options: FitOptions
) -> Signals:
    """Fill in kinds and means."""
    numbers: list[int] = []
    q6, bins, ends = [], [], []
    signals = np.zeros((samples.shape[1], ORDER + len(samples)), np.int16)
    seen: dict[int, int] = {}
    for channel, column in enumerate(columns(samples)):
        low, high = int(column.min()), int(column.max())
        if low == high:
            side.kind[channel], side.mean[channel] = CONSTANT, low
            continue
        same = channel
        if options.references:
            same = seen.setdefault(zlib.crc32(column.data, int(linear[channel])), channel)
        if same != channel and linear[same] == linear[channel] and np.array_equal(column, samples[:, same]):
            side.kind[channel], side.mean[channel] = COPY, same
            continue
        codes = None if linear[channel] else table_codes(column)
        side.kind[channel] = LINEAR if codes is None else IMPLANT
        side.mean[channel] = mean = rounded_mean(column if codes is None else codes)
        if codes is None:
            values = column.astype(np.int32) - np.int32(mean)
        else:
            values = reconstruction[codes] - reconstruction[mean]
        excess = to_signal(values, signals[len(numbers)])
        numbers.append(channel)
        ends.append((low, high))
        q6.append((64.0 if codes is None else 1.0) * (1 << excess))
        bins.append((1.0 if codes is None else 64.0 * (2 * options.max_error + 1)) / (1 << excess))
    made = np.array(numbers, np.int64), signals[: len(numbers)], np.array(q6), np.array(bins)
    return Signals(*made, np.array(ends, np.int64).reshape(-1, 2))


def _scale(side: SideInformation, signals: Signals, own: np.ndarray, error: np.ndarray, fine: bool) -> None:
    """Fill in shifts and initial scales, and see to it that sums of linear predictors stay within 32 bits."""
    size = np.zeros(len(side.kind))
    size[signals.numbers] = error * signals.q6
    linear, most = side.kind == LINEAR, _MAX_SHIFT - fine
    for channel in np.flatnonzero(linear):
        while size[channel] >= 2 * _LINEAR_NOISE_CODES * 64 << side.shift[channel] and side.shift[channel] < most:
            side.shift[channel] += 1
    side.magnitude_bits[:] = np.where(side.kind == IMPLANT, IMPLANT_MAGNITUDE_BITS, 0)
    _fill_magnitude_bits(side, signals)
    if fine and linear.any() and not side.shift.any():
        _refine(side, signals, size[linear])
    _scale_taps(side, linear)
    _keep_within_range(side, signals, own, most)
    size = np.minimum(size / np.where(linear, np.ldexp(1.0, side.shift), 1), input_arithmetic.MAX_MAGNITUDE)
    means = np.maximum(size.astype(np.int32), 1) << input_arithmetic.MEAN_BITS
    side.initial_scale[signals.numbers] = input_arithmetic.log_means(means)[signals.numbers]


def _scale_taps(side: SideInformation, linear: np.ndarray) -> None:
    """Turn reference taps into integers, in the Q6 units of the references and of the channel."""
    unit = np.where(linear, np.ldexp(1.0, side.shift), 1)
    taps = np.rint(side.reference_taps * (unit[side.references] / unit[:, None])[:, :, None])
    side.reference_taps = np.clip(taps, -_LARGEST_TAP, _LARGEST_TAP - 1).astype(np.int64)


def _keep_within_range(side: SideInformation, signals: Signals, own: np.ndarray, most: int) -> None:
    """Give up references, then low bits, then coefficients, until sums of linear predictors stay within 32 bits."""
    if not (fits := side.fits()).all():
        side.reference_taps[~fits], side.references[~fits], side.correlation[~fits] = 0, -1, 0
        alone = np.flatnonzero(~fits[signals.numbers])
        side.coefficients[signals.numbers[alone]] = own[alone]
    while not (fits := side.fits()).all():
        grown = ~fits & (side.kind == LINEAR) & (side.shift < most) & (side.shift >= 0)
        side.shift[grown] += 1
        side.coefficients[~fits & ~grown] = 0
        side.reference_taps[grown[side.references] & (side.references >= 0)] *= 2
        _fill_magnitude_bits(side, signals)


def _refine(side: SideInformation, signals: Signals, size: np.ndarray) -> None:
    """Make Q6 units of linear channels as fine as the noise of most of them asks for: `size` is their mean residual.

    They stay coarse enough for the loudest channel and for the sums of linear predictors.
    """
    linear, fineness = side.kind == LINEAR, 0
    while (
        fineness < _MAX_FINENESS
        and np.median(size) * 2**fineness < _LINEAR_NOISE_CODES * 64
        and size.max() * 2**fineness < _LOUDEST_CODES * 64
    ):
        fineness += 1
    for octaves in range(fineness, -1, -1):
        side.shift[linear] = -octaves
        _fill_magnitude_bits(side, signals)
        sums = np.abs(side.coefficients).sum(axis=1) << side.magnitude_bits
        if (sums[linear] < 1 << 30).all() and side.magnitude_bits.max() <= MAX_MAGNITUDE_BITS:
            return


def _fill_magnitude_bits(side: SideInformation, signals: Signals) -> None:
    some = side.kind[signals.numbers] == LINEAR
    channels = signals.numbers[some]
    mean, low, high = q6_values(np.stack([side.mean[channels], *signals.ends[some].T]), side.shift[channels])
    side.magnitude_bits[channels] = bit_length(np.maximum(mean - low, high - mean))
