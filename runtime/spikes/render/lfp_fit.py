"""Fit the field potential below 200 Hz, as coarsely as its correlation with the signal's band allows. Encoder only.

Sums are taken over integers, so that they are exact in any order, and the same on every machine.
"""

from __future__ import annotations

import math

import numpy as np

from ...compiled.choice import spike_loops
from .lfp import COEFFICIENT_BITS, MAX_SPACING, PARTS, STEP_INDICES, Lfp, interpolate, knot_count, steps_of, weights

HIGHEST = 200.0
"""Hz."""
CORRELATION = 0.979
"""With the channel's band, at least: how coarse knots may be."""
_FINER = 4
"""Places between knots at which the band is compared."""
_PERIODS = 3
_COARSEST, _TRIED = 1.6, 40
"""Coarsest step that is tried, in deviations of the band, and how many finer ones, eight in an octave."""
_STEPS = steps_of(np.arange(STEP_INDICES))
_FINE = 256
"""Parts of a value that bands are rounded to where they are summed."""
_TAP_BITS = 24
_USUAL = np.array([14, 0])
"""Coefficients of blocks, in sixteenths: about what channels have."""
_MAX_COEFFICIENT = 31
_LEAST_KNOTS = 16
"""Knots for which coefficients are fitted."""
_MEMORY_SECONDS = 4.0
"""Time over which blocks follow the power of a channel's band."""
_NEAR = 4
"""Size of a block's mean, in steps, up to which it counts as 0."""
_RETURN, _MOST_CHANGE = 2.0, 4.0
"""How fast blocks make up for errors of late, and the most by which theirs may differ from an even one for it."""
_TAP = 5e-9
"""Seconds that numpy takes for a product of the filter."""


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
    if loops is not None:
        loops.band_at_times(padded, taps, every, out)
        return out / (1 << _TAP_BITS)
    for place in range(0, count, 256):
        part = padded[place * every : (min(place + 256, count) - 1) * every + 2 * reach + 1].astype(np.float64)
        views = np.lib.stride_tricks.sliding_window_view(part, len(taps), axis=0)[::every]
        out[place : place + 256] = np.matmul(views, taps)
    return out / (1 << _TAP_BITS)


def fit(values: np.ndarray, sample_rate: float) -> Lfp:
    """Return the field potential of a chunk of integers [frames, channels]."""
    frames, spacing = len(values), spacing_of(sample_rate)
    every = spacing // _FINER
    band = low_pass(values, sample_rate, every, (knot_count(frames, spacing) - 1) * _FINER + 1).T
    step = np.array([_coarsest_step(channel, frames, spacing) for channel in band], np.int64)
    numbers, mean = _numbers(band[:, ::_FINER], step)
    return Lfp(spacing, frames, step, mean, _coefficients(numbers - mean[:, None]), numbers)


def _coarsest_step(band: np.ndarray, frames: int, spacing: int) -> int:
    """Return the index of the coarsest step of knots whose curve correlates well enough with a channel's band."""
    every = spacing // _FINER
    compared = band[: -(-frames // every)]
    deviation, knots = _deviation(compared), band[None, ::_FINER]
    if deviation < 0.5:
        return 1
    coarsest = int(_indices(np.array([_COARSEST * deviation]))[0])
    for index in range(coarsest, max(coarsest - _TRIED, 0), -1):
        step = np.array([index])
        curve = interpolate(_numbers(knots, step)[0][0] * steps_of(step), spacing, frames, every)
        if _correlation(curve, compared) >= CORRELATION:
            break
    return index


def _indices(step: np.ndarray) -> np.ndarray:
    """Return the indices of the steps next to some sizes, by ratio, int64."""
    between = np.sqrt(_STEPS[1:-1] * _STEPS[2:])
    return 1 + np.searchsorted(between, PARTS * step)


def _numbers(knots: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return knots [channels, knots] in steps of some indices, int64, and their means, int64 [channels]."""
    numbers = np.rint(PARTS * knots / steps_of(step)[:, None]).astype(np.int64)
    return numbers, np.rint(numbers.mean(axis=1)).astype(np.int64)


def _coefficients(centred: np.ndarray) -> np.ndarray:
    """Return the least-squares prediction of knots from the last two, int64 [channels, 2].

    centred : int64 [channels, knots], without their mean
    """
    if centred.shape[1] < _LEAST_KNOTS:
        return np.tile([1 << COEFFICIENT_BITS, 0], (len(centred), 1))
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
        self._mean, self._power, self._error = np.zeros((3, channels))
        self._spacing = spacing_of(sample_rate)
        parts = weights(self._spacing, np.arange(self._spacing)) / (2 * self._spacing**3)
        self._gain = 12 / float(np.square(parts).sum(axis=1).mean())
        """Mean square of a step over that of what rounding to it moves curves by."""

    def fit(self, values: np.ndarray, first: int, frames: int) -> Lfp:
        """Return the field potential of a block.

        values : integers [first + frames + n, channels], the block, what is in front of it, and what is known behind;
            the last frame is taken to go on
        """
        spacing, every = self._spacing, self._spacing // _FINER
        places = (knot_count(frames, spacing) - 1) * _FINER + 1
        band = low_pass(values, self._sample_rate, every, places, first).T
        knots = band[:, ::_FINER]
        self._follow(band, frames)
        drawn = interpolate(PARTS * _whole(knots), spacing, frames, every) / _FINE
        missed = _mean_square(drawn - band[:, : drawn.shape[1]])
        power = np.maximum(self._power - self._mean * self._mean, 0.25)
        even = (1 / CORRELATION**2 - 1) * power
        behind = even - self._error if self._seen > frames else 0.0
        allowed = np.clip(even + _RETURN * behind, even / _MOST_CHANGE, even * _MOST_CHANGE)
        step = _indices(np.sqrt(self._gain * np.maximum(allowed - missed, 0)))
        error = np.square(steps_of(step) / PARTS) / self._gain + missed
        self._error += (error - self._error) * (frames / self._seen)
        numbers, mean = _numbers(knots, step)
        mean[np.abs(mean) <= _NEAR] = 0
        return Lfp(spacing, frames, step, mean, np.tile(_USUAL, (len(step), 1)), numbers)

    def change_unit(self, factor: int) -> None:
        """Go on with values that are `factor` times as large."""
        self._mean *= factor
        self._power *= factor * factor
        self._error *= factor * factor

    def _follow(self, band: np.ndarray, frames: int) -> None:
        """Move mean and power of the bands on by a block."""
        self._seen = min(self._seen + frames, max(_MEMORY_SECONDS * self._sample_rate, frames))
        self._mean += (np.rint(band * _FINE).mean(axis=1) / _FINE - self._mean) * (frames / self._seen)
        self._power += (_mean_square(band) - self._power) * (frames / self._seen)
