"""Encoding a chunk in activity mode."""

from __future__ import annotations

import numpy as np

from ..model import Model
from . import chunk as chunks
from . import slowfit
from .chunk import ActivityChunk
from .codec import code, render
from .fitting import units_of
from .options import Activity
from .rendering import Lines
from .units import Units
from .watch import Watched, lifts, watch

LIFT_STEP = 4
"""Height of a tent's unit in codes, or in steps of the noise."""


def encode(samples: np.ndarray, rate: int, sample_bits: int, options: Activity, model: Model) -> bytes:
    """The payload of a chunk, int16 [frames, leads]."""
    return chunks.pack(encode_chunk(samples, rate, sample_bits, options, model))[0]


def encode_chunk(
    samples: np.ndarray, rate: int, sample_bits: int, options: Activity, model: Model, stricter: float = 1.0
) -> ActivityChunk:
    """A coded chunk; `stricter` multiplies thresholds."""
    units, values, base = _counted(samples, sample_bits, options, model)
    watched = watch(values, rate, options, stricter, units.low, units.high)
    return _encode(samples, values, rate, units, base, watched, options, model)


def _counted(
    samples: np.ndarray, sample_bits: int, options: Activity, model: Model
) -> tuple[Units, np.ndarray, int]:
    """How the chunk counts, its values (int16), and the value of quiet leads."""
    spread = np.median(np.abs(np.diff(samples[: 1 << 14].astype(np.int32), axis=0)), axis=0) if len(samples) > 1 else 0
    units = units_of(samples, np.atleast_1d(spread), options.max_error, sample_bits, model)
    if not units.grid:
        return units, units.values(samples).astype(np.int16), 0
    return units, samples, int(np.median(samples[:: max(1, len(samples) // 256)]))


def _encode(
    samples: np.ndarray,
    values: np.ndarray,
    rate: int,
    units: Units,
    base: int,
    watched: Watched,
    options: Activity,
    model: Model,
) -> ActivityChunk:
    before, after = options.frames(rate)
    leads = samples.shape[1]
    lines = Lines(base, np.full(leads, base, np.int64), np.zeros(leads, bool))
    step = LIFT_STEP * ((2 * options.max_error + 1 << units.shift) if units.grid else 1)
    shape = before, before + after, min(step, 0xFFFF)
    band = slowfit.fit(values, rate, units, model) if options.slow else None
    made = code(samples, units, watched.windows, lines, band, shape, model)
    if len(watched.windows):
        rendered = units.values(render(made, units.middles(units.bins(units.values(samples[watched.windows.flat()])))))
        lift = lifts(watched, values, rendered, rate, before, shape[2])
        if lift.any():
            watched.windows.lift = lift
            made = code(samples, units, watched.windows, lines, band, shape, model)
    return made
