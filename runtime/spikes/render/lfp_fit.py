"""The encoder's slow band: what is below 200 Hz, as coarse as a correlation with it allows."""

from __future__ import annotations

import math

import numpy as np

from ...entropy.tables import LINEAR_OFFSET, SCALES
from ...predictor.model import Model
from ..layout.units import Units
from ..waveforms.costs import bits_of
from .lfp import (
    _CENTRE,
    COEFFICIENT_BITS,
    MAX_RESIDUAL,
    MAX_SPACING,
    SlowBand,
    code,
    interpolate,
    knot_count,
    predict,
)

HIGHEST = 200.0
"""Hz."""
CORRELATION = 0.985
"""With the channel's band: what knots are made as coarse for as it allows."""
_FINER = 4
"""The band is compared at so many places between knots."""
_PERIODS = 3
_STEPS = np.rint(1024 * 2.0 ** (np.arange(2, -14, -1) / 3)) / 1024
"""Steps that are tried, in deviations of the band."""
_MAX_STEP = 4095
_FINE = 256
"""Parts of a value that bands are rounded to where they are summed, so that sums are exact, in any order."""
_TAP_BITS = 24
_USUAL = (14, -3)
"""Coefficients of knots of streams, in sixteenths: about what channels have."""
_MEMORY_SECONDS = 4.0
"""Time over which the size of a channel's band is followed in streams."""


def spacing_of(rate: int) -> int:
    """Frames between knots: just enough of them for the band."""
    return min(max(_FINER * round(rate / (2 * 1.02 * HIGHEST) / _FINER), _FINER), MAX_SPACING)


def reach_of(rate: int) -> int:
    """Frames on both sides that the band at a frame depends on."""
    return round(_PERIODS * rate / HIGHEST)


def low_pass(values: np.ndarray, rate: int, every: int, count: int, first: int = 0) -> np.ndarray:
    """The band at `count` places `every` so many frames from frame `first`, float64 [count, channels]."""
    reach = reach_of(rate)
    t = np.arange(-reach, reach + 1)
    taps = np.sinc(2 * HIGHEST * t / rate) * (0.5 + 0.5 * np.cos(np.pi * t / (reach + 1)))
    taps = np.rint(taps / taps.sum() * (1 << _TAP_BITS))  # sums of whole numbers are the same in any order
    taps[reach] += (1 << _TAP_BITS) - taps.sum()
    behind = max(0, first + (count - 1) * every + 1 + reach - len(values))
    padded = np.concatenate([np.repeat(values[:1], reach, 0), values, np.repeat(values[-1:], behind, 0)])[first:]
    out = np.empty((count, values.shape[1]))
    for place in range(0, count, 256):
        part = padded[place * every : (min(place + 256, count) - 1) * every + 2 * reach + 1].astype(np.float64)
        views = np.lib.stride_tricks.sliding_window_view(part, len(taps), axis=0)[::every]
        out[place : place + 256] = np.matmul(views, taps)
    return out / (1 << _TAP_BITS)


def fit(values: np.ndarray, rate: int, units: Units, model: Model) -> SlowBand:
    """The slow band of integers [frames, channels], coded."""
    frames, channels = values.shape
    spacing = spacing_of(rate)
    knots = knot_count(frames, spacing)
    every = spacing // _FINER
    places = (knots - 1) * _FINER + 1
    band = low_pass(values, rate, every, places)
    made = SlowBand.empty(channels)
    made.spacing, made.frames, made.knots = spacing, frames, np.zeros((channels, knots), np.int64)
    made.step, made.mean, made.scale = np.zeros((3, channels), np.int64)
    compared = -(-frames // every)
    for channel in range(channels):
        _fit_channel(made, channel, band[::_FINER, channel], band[:compared, channel])
    _fit_scales(made, model)
    made.states, made.words = code(made, model)
    return made


def _fit_channel(made: SlowBand, channel: int, knots: np.ndarray, band: np.ndarray) -> None:
    deviation = _deviation(band)
    if deviation < 0.5:
        made.step[channel] = min(max(round(deviation), 1), _MAX_STEP)
        made.knots[channel] = np.rint(knots / made.step[channel]).astype(np.int64)
    for step in np.unique(np.clip(np.rint(deviation * _STEPS), 1, _MAX_STEP).astype(np.int64))[::-1]:
        made.step[channel] = step
        made.knots[channel] = np.rint(knots / step).astype(np.int64)
        curve = interpolate(made.knots[channel] * step, made.spacing, made.frames, made.spacing // _FINER)
        if deviation < 0.5 or _correlation(curve[: len(band)], band) >= CORRELATION:
            break
    made.mean[channel] = round(float(made.knots[channel].mean()))
    made.coefficients[channel] = _coefficients(made.knots[channel] - made.mean[channel])
    while np.abs(predict(_one(made, channel), None)).max() > MAX_RESIDUAL:  # a channel of steep steps
        made.step[channel] *= 2
        made.knots[channel] = np.rint(knots / made.step[channel]).astype(np.int64)
        made.mean[channel] = round(float(made.knots[channel].mean()))


def _one(band: SlowBand, channel: int) -> SlowBand:
    part = slice(channel, channel + 1)
    columns = (band.step, band.mean, band.scale, band.coefficients, band.knots)
    return SlowBand(band.spacing, band.frames, *(column[part] for column in columns))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Of values in parts of `_FINE`; all sums are exact."""
    x, y = (np.rint(values * _FINE).astype(np.int64) for values in (a, b))
    power = [_initial_scale(x, x), _initial_scale(y, y)]
    return _initial_scale(x, y) / math.sqrt(power[0] * power[1]) if min(power) > 0 else 0.0


def _deviation(band: np.ndarray) -> float:
    x = np.rint(band * _FINE).astype(np.int64)
    return math.sqrt(_initial_scale(x, x)) / (len(x) * _FINE)


def _initial_scale(x: np.ndarray, y: np.ndarray) -> int:
    """n sum(x y) - sum(x) sum(y)."""
    return len(x) * int(np.multiply(x, y).sum()) - int(x.sum()) * int(y.sum())


def _mean_square(rows: np.ndarray) -> np.ndarray:
    """Of each row."""
    return np.square(np.rint(rows * _FINE).astype(np.int64)).sum(axis=1) / (rows.shape[1] * _FINE * _FINE)


def _coefficients(knots: np.ndarray) -> np.ndarray:
    """Least squares over the last two knots, in sixteenths."""
    if len(knots) < 16:
        return np.array([1 << COEFFICIENT_BITS, 0])
    target, past, older = (knots[2 - lag : len(knots) - lag].astype(float) for lag in range(3))
    a, b, c = past @ past + 1, past @ older, older @ older + 1
    d, e = past @ target, older @ target
    determinant = a * c - b * b
    found = np.array([d * c - e * b, e * a - d * b]) / determinant
    return np.clip(np.rint(found * (1 << COEFFICIENT_BITS)), -31, 31).astype(np.int64)


def _fit_scales(band: SlowBand, model: Model) -> None:
    """The scale index of the fewest bits for each channel."""
    residuals = predict(band, None)
    best = np.full(len(residuals), np.iinfo(np.int64).max)
    for scale in range(SCALES):
        values = np.arange(-MAX_RESIDUAL - 1, MAX_RESIDUAL + 1)
        wide = np.full(len(values), scale)
        _, frequency = model.entropy.intervals(values + 512, np.int64(_CENTRE), wide, np.int64(LINEAR_OFFSET))
        cost = bits_of(frequency)[np.clip(residuals, -512, 511) + 512].sum(axis=1)
        better = cost < best
        band.scale[better], best[better] = scale, cost[better]


class RunningBand:
    """The slow band of blocks that follow each other: steps by how large a channel's band has been of late."""

    def __init__(self, channels: int, rate: int):
        self._rate, self._seen = rate, 0
        self._mean, self._power = np.zeros((2, channels))
        self.spacing = spacing_of(rate)

    @property
    def ahead(self) -> int:
        """Frames behind a block that must be known."""
        return self.spacing + reach_of(self._rate)

    def fit(self, values: np.ndarray, first: int, frames: int, model: Model) -> SlowBand:
        """The slow band of a block, coded.

        values : integers [first + frames + ahead, channels], the block and what is around it
        """
        made = SlowBand.empty(values.shape[1])
        made.spacing, made.frames, made.short = self.spacing, frames, True
        every, places = self.spacing // _FINER, (knot_count(frames, self.spacing) - 1) * _FINER + 1
        band = low_pass(values, self._rate, every, places, first).T
        knots = band[:, ::_FINER]
        self._follow(band, frames)
        drawn = interpolate(np.rint(knots * _FINE).astype(np.int64), self.spacing, frames, every) / _FINE
        missed = _mean_square(drawn - band[:, : drawn.shape[1]])
        power = np.maximum(self._power - self._mean * self._mean, 0.25)
        allowed = (1 / CORRELATION**2 - 1) * power - missed
        step = np.clip(np.rint(np.sqrt(12 * np.maximum(allowed, 0))), 1, _MAX_STEP).astype(np.int64)
        made.coefficients = np.tile(np.array(_USUAL, np.int64), (len(step), 1))
        while True:
            made.step, made.knots = step, np.rint(knots / step[:, None]).astype(np.int64)
            made.mean = np.rint(made.knots.mean(axis=1)).astype(np.int64)
            steep = np.abs(predict(made, None)).max(axis=1) > MAX_RESIDUAL
            if not steep.any():
                break
            step = np.where(steep, 2 * step, step)
        made.scale = np.zeros(len(step), np.int64)
        _fit_scales(made, model)
        made.states, made.words = code(made, model)
        return made

    def change_unit(self, factor: int) -> None:
        """Values are so many times as large from now on."""
        self._mean *= factor
        self._power *= factor * factor

    def _follow(self, band: np.ndarray, frames: int) -> None:
        self._seen = min(self._seen + frames, max(_MEMORY_SECONDS * self._rate, frames))
        self._mean += (np.rint(band * _FINE).mean(axis=1) / _FINE - self._mean) * (frames / self._seen)
        self._power += (_mean_square(band) - self._power) * (frames / self._seen)
