"""Fit the field potential below 200 Hz, as coarsely as its correlation with the signal's band allows. Encoder only.

Sums are taken over integers, so that they are exact in any order, and the same on every machine.
"""

from __future__ import annotations

import math
import weakref

import numpy as np

from ...compiled.choice import spike_loops
from ...entropy.entropy_model import CODES, LINEAR_OFFSET, SCALES
from ...predictor.model import Model
from ..waveforms.costs import bits_of
from .lfp import (
    CENTRE,
    COEFFICIENT_BITS,
    MAX_RESIDUAL,
    MAX_SPACING,
    Lfp,
    encode,
    interpolate,
    knot_count,
    residuals_of,
)

HIGHEST = 200.0
"""Hz."""
CORRELATION = 0.979
"""With the channel's band, at least: how coarse knots may be."""
_FINER = 4
"""Places between knots at which the band is compared."""
_PERIODS = 3
_STEPS = np.rint(1024 * 2.0 ** (np.arange(2, -14, -1) / 3)) / 1024
"""Candidate steps, in deviations of the band."""
_MAX_STEP = 4095
_FINE = 256
"""Parts of a value that bands are rounded to where they are summed."""
_TAP_BITS = 24
_USUAL = np.array([14, -3])
"""Coefficients of blocks, in sixteenths: about what channels have."""
_MAX_COEFFICIENT = 31
_LEAST_KNOTS = 16
"""Knots for which coefficients are fitted."""
_MEMORY_SECONDS = 4.0
"""Time over which blocks follow the power of a channel's band."""
_LANE_KNOTS = 2048
_COARSE = 8
"""Scale indices between those that are tried first."""
_TAP = 5e-9
"""Seconds that numpy takes for a product of the filter."""
_COSTS: weakref.WeakKeyDictionary[Model, np.ndarray] = weakref.WeakKeyDictionary()


def spacing_of(sample_rate: float) -> int:
    """Return the frames between knots: just enough knots for the band."""
    return min(max(_FINER * round(sample_rate / (2 * 1.02 * HIGHEST) / _FINER), _FINER), MAX_SPACING)


def reach_of(sample_rate: float) -> int:
    """Return the frames on both sides that the band at a frame depends on."""
    return round(_PERIODS * sample_rate / HIGHEST)


def low_pass(values: np.ndarray, sample_rate: float, every: int, count: int, first: int = 0) -> np.ndarray:
    """Return the band at `count` places, `every` so many frames from frame `first`, float64 [count, channels]."""
    reach = reach_of(sample_rate)
    t = np.arange(-reach, reach + 1)
    taps = np.sinc(2 * HIGHEST * t / sample_rate) * (0.5 + 0.5 * np.cos(np.pi * t / (reach + 1)))
    taps = np.rint(taps / taps.sum() * (1 << _TAP_BITS))
    taps[reach] += (1 << _TAP_BITS) - taps.sum()
    behind = max(0, first + (count - 1) * every + 1 + reach - len(values))
    padded = np.concatenate([np.repeat(values[:1], reach, 0), values, np.repeat(values[-1:], behind, 0)])[first:]
    out: np.ndarray = np.empty((count, values.shape[1]))
    loops = spike_loops(_TAP * out.size * len(taps))
    if loops is not None and values.dtype == np.int16:
        loops.band_at_times(padded, taps, every, out)
        return out / (1 << _TAP_BITS)
    for place in range(0, count, 256):
        part = padded[place * every : (min(place + 256, count) - 1) * every + 2 * reach + 1].astype(np.float64)
        views = np.lib.stride_tricks.sliding_window_view(part, len(taps), axis=0)[::every]
        out[place : place + 256] = np.matmul(views, taps)
    return out / (1 << _TAP_BITS)


def fit(values: np.ndarray, sample_rate: float, model: Model) -> Lfp:
    """Return the field potential of a chunk of integers [frames, channels], coded."""
    frames, spacing = len(values), spacing_of(sample_rate)
    every = spacing // _FINER
    band = low_pass(values, sample_rate, every, (knot_count(frames, spacing) - 1) * _FINER + 1).T
    step = np.array([_coarsest_step(channel, frames, spacing) for channel in band], np.int64)
    knots = band[:, ::_FINER]
    coefficients = _coefficients(np.rint(knots / step[:, None]).astype(np.int64))
    lfp = _quantise(knots, step, coefficients, frames, spacing)
    _encode(lfp, model)
    return lfp


def _coarsest_step(band: np.ndarray, frames: int, spacing: int) -> int:
    """Return the coarsest step of knots whose curve correlates well enough with a channel's band."""
    every = spacing // _FINER
    compared = band[: -(-frames // every)]
    deviation, knots = _deviation(compared), band[::_FINER]
    if deviation < 0.5:
        return 1
    steps = np.unique(np.clip(np.rint(deviation * _STEPS), 1, _MAX_STEP).astype(np.int64)).tolist()
    for step in reversed(steps):
        curve = interpolate(np.rint(knots / step).astype(np.int64) * step, spacing, frames, every)
        if _correlation(curve, compared) >= CORRELATION:
            return step
    return steps[0]


def _quantise(knots: np.ndarray, step: np.ndarray, coefficients: np.ndarray, frames: int, spacing: int) -> Lfp:
    """Round knots [channels, knots] to steps, which grow where residuals would be out of range."""
    while True:
        numbers = np.rint(knots / step[:, None]).astype(np.int64)
        mean = np.rint(numbers.mean(axis=1)).astype(np.int64)
        steep = np.abs(residuals_of(numbers, mean, coefficients)).max(axis=1) > MAX_RESIDUAL
        if not steep.any():
            return Lfp(spacing, frames, step, mean, np.zeros(len(step), np.int64), coefficients, numbers)
        step = np.where(steep, 2 * step, step)


def _encode(lfp: Lfp, model: Model) -> None:
    """Choose the scale index of the fewest bits for each channel, and code the knots."""
    code, costs = residuals_of(lfp.knots, lfp.mean, lfp.coefficients) + CODES // 2, _costs(model)
    scale = np.zeros(len(code), np.int64)
    for places in (np.arange(0, SCALES, _COARSE), np.arange(1 - _COARSE, _COARSE)):
        middle, best = scale, np.full(len(code), np.iinfo(np.int64).max)
        for place in places:
            candidate = np.clip(middle + place, 0, SCALES - 1)
            cost = costs[candidate[:, None], code].sum(axis=1)
            scale, best = np.where(cost < best, candidate, scale), np.minimum(cost, best)
    lfp.scale = scale
    encode(lfp, model, _LANE_KNOTS)


def _costs(model: Model) -> np.ndarray:
    """Return the bits of every residual with every scale index, in parts of a bit, int64 [SCALES, CODES]."""
    if model not in _COSTS:
        scale, code = np.divmod(np.arange(SCALES * CODES), CODES)
        _, frequency = model.entropy.intervals(code, np.int64(CENTRE), scale, np.int64(LINEAR_OFFSET))
        _COSTS[model] = bits_of(frequency).reshape(SCALES, CODES)
    return _COSTS[model]


def _coefficients(knots: np.ndarray) -> np.ndarray:
    """Return the least-squares prediction of knots int64 [channels, knots] from the last two, int64 [channels, 2]."""
    if knots.shape[1] < _LEAST_KNOTS:
        return np.tile([1 << COEFFICIENT_BITS, 0], (len(knots), 1))
    centred = knots - np.rint(knots.mean(axis=1, keepdims=True)).astype(np.int64)
    rows = [centred[:, 2 - lag : centred.shape[1] - lag] for lag in range(3)]
    target_last, target_older, a, b, c = (
        np.multiply(rows[i], rows[j]).sum(axis=1).astype(float) for i, j in ((0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    )
    a, c = a + 1, c + 1
    found = np.stack([target_last * c - target_older * b, target_older * a - target_last * b]) / (a * c - b * b)
    limit = _MAX_COEFFICIENT
    return np.clip(np.rint(found.T * (1 << COEFFICIENT_BITS)), -limit, limit).astype(np.int64)


def _dot(x: np.ndarray, y: np.ndarray) -> int:
    """Return the exact sum of products."""
    return int(np.multiply(x, y).sum())


def _whole(band: np.ndarray) -> np.ndarray:
    """Return a band in parts of `_FINE`, int64."""
    return np.rint(band * _FINE).astype(np.int64)


def _covariance(x: np.ndarray, y: np.ndarray) -> int:
    """Return n sum(x y) - sum(x) sum(y)."""
    return len(x) * _dot(x, y) - int(x.sum()) * int(y.sum())


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation of two signals; 0 where one is flat."""
    x, y = _whole(a), _whole(b)
    power = [_covariance(x, x), _covariance(y, y)]
    return _covariance(x, y) / math.sqrt(power[0] * power[1]) if min(power) > 0 else 0.0


def _deviation(band: np.ndarray) -> float:
    """Return the standard deviation."""
    x = _whole(band)
    return math.sqrt(_covariance(x, x)) / (len(x) * _FINE)


def _mean_square(rows: np.ndarray) -> np.ndarray:
    """Return the mean square of each row."""
    return np.square(_whole(rows)).sum(axis=1) / (rows.shape[1] * _FINE * _FINE)


class RunningLfp:
    """Fit the field potential of blocks that follow each other, in steps by the power of each channel's band of late.

    Parameters
    ----------
    channels : int
    sample_rate : Hz
    """

    def __init__(self, channels: int, sample_rate: float):
        self._sample_rate, self._seen = sample_rate, 0.0
        self._mean, self._power = np.zeros((2, channels))
        self._spacing = spacing_of(sample_rate)

    def fit(self, values: np.ndarray, first: int, frames: int, model: Model) -> Lfp:
        """Return the field potential of a block, coded.

        values : integers [first + frames + n, channels], the block, what is in front of it, and what is known behind;
            the last frame is taken to go on
        """
        spacing, every = self._spacing, self._spacing // _FINER
        places = (knot_count(frames, spacing) - 1) * _FINER + 1
        band = low_pass(values, self._sample_rate, every, places, first).T
        knots = band[:, ::_FINER]
        self._follow(band, frames)
        drawn = interpolate(_whole(knots), spacing, frames, every) / _FINE
        missed = _mean_square(drawn - band[:, : drawn.shape[1]])
        power = np.maximum(self._power - self._mean * self._mean, 0.25)
        allowed = (1 / CORRELATION**2 - 1) * power - missed
        step = np.clip(np.rint(np.sqrt(12 * np.maximum(allowed, 0))), 1, _MAX_STEP).astype(np.int64)
        lfp = _quantise(knots, step, np.tile(_USUAL, (len(step), 1)), frames, spacing)
        _encode(lfp, model)
        return lfp

    def change_unit(self, factor: int) -> None:
        """Go on with values that are `factor` times as large."""
        self._mean *= factor
        self._power *= factor * factor

    def _follow(self, band: np.ndarray, frames: int) -> None:
        """Move mean and power of the bands on by a block."""
        self._seen = min(self._seen + frames, max(_MEMORY_SECONDS * self._sample_rate, frames))
        self._mean += (np.rint(band * _FINE).mean(axis=1) / _FINE - self._mean) * (frames / self._seen)
        self._power += (_mean_square(band) - self._power) * (frames / self._seen)
