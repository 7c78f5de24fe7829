"""Activity chunks: samples to payloads and back."""

from __future__ import annotations

import zlib

import numpy as np

from ..core.errors import CorruptError
from ..predictor.model import Model
from . import chunk as chunks
from .chunk import ActivityChunk
from .layout.plan import ChannelParameters, Plan
from .layout.sequence import lane_count
from .layout.units import Units
from .render import lfp
from .render.corrections import Lines, render_all
from .waveforms.candidates import fill
from .waveforms.coding import WindowLayout
from .waveforms.decoding import WindowDecoder
from .windows import Windows

_SAMPLES = 1 << 20
"""Samples whose values are looked up at once."""


def code(
    samples: np.ndarray,
    units: Units,
    windows: Windows,
    lines: Lines,
    band: lfp.SlowBand | None,
    shape: tuple[int, int, int, int],
    model: Model,
    lanes: int | None = None,
    shown: np.ndarray | None = None,
) -> ActivityChunk:
    """Code the windows of a chunk.

    Parameters
    ----------
    samples : int16 [frames, channels]
    shape : threshold in 1/64, frames before a crossing and of a standard window, step of tents
    lanes : at most so many; None for what is good for files
    shown : int16 [frames, channels], what `render_all` gives, where that is known
    """
    frames, channels = samples.shape
    threshold, before, standard, lift_step = shape
    parameters = ChannelParameters(*(np.zeros(channels, np.int64) for _ in range(4)))
    nothing = np.zeros(0, np.int64), np.zeros(0, np.int16), np.zeros(0, np.uint64), np.zeros(0, np.uint32)
    plan = Plan(windows, lines, parameters, standard)
    made = ActivityChunk(frames, 0, units, threshold, before, lift_step, plan, band, *nothing)
    bins = units.bins(units.values(samples[windows.flat()]))
    if len(windows):
        lanes = lane_count(len(bins)) if lanes is None else lanes
        level = first_levels(windows, lines, band, units)
        fill(made, model.coarse(units.max_error), bins, level, band is None, lanes)
    if shown is None:
        shown = render_all(made.frame, lines, windows, units.middles(bins), band)
    made.sample_crc = _crc(_samples(units, shown))
    return made


def first_levels(windows: Windows, lines: Lines, band: lfp.SlowBand | None, units: Units) -> np.ndarray:
    """Q6 units that windows' first samples are expected near: the slow band there, or the channel's level."""
    if band is None:
        return units.level_q6(lines.level[windows.channel])
    level = np.zeros(len(windows), np.int64)
    for channel in np.unique(windows.channel).tolist():
        own = windows.of_channel(channel)
        level[own] = band.curve(channel)[windows.start[own]]
    return units.level_q6(np.clip(level, units.low, units.high))


def render(chunk: ActivityChunk, values: np.ndarray) -> np.ndarray:
    """All samples int16 [frames, channels] of a chunk, from the values in its windows."""
    plan = chunk.plan
    return _samples(chunk.units, render_all(chunk.frame, plan.lines, plan.windows, values, chunk.slow))


def _samples(units: Units, values: np.ndarray) -> np.ndarray:
    """Samples int16 of values int16 [frames, channels], some frames at a time."""
    out = np.empty_like(values)
    some = max(1, _SAMPLES // max(values.shape[1], 1))
    for first in range(0, len(values), some):
        out[first : first + some] = units.samples(values[first : first + some])
    return out


def decode(payload: bytes, channels: int, sample_bits: int, model: Model) -> np.ndarray:
    """Samples int16 [frames, channels] of a payload. Raises `CorruptError`."""
    chunk, sequence = chunks.parse(payload, channels, sample_bits, model)
    windows, parameters, units = chunk.plan.windows, chunk.plan.parameters, chunk.units
    values = np.zeros(0, np.int64)
    if len(windows):
        low = chunk.low_bits if units.shift else np.zeros(int(windows.length.sum()), np.int64)
        level = first_levels(windows, chunk.plan.lines, chunk.slow, units)
        layout = WindowLayout(units, windows, sequence, level, chunk.slow is None)
        scales = parameters.initial_scale[windows.channel], parameters.scale[windows.channel]
        decoder = WindowDecoder(model.coarse(units.max_error), layout, *scales, low, chunk.escapes)
        decoder.run(chunk.states, chunk.words)
        values = units.middles(decoder.bins)
    elif len(chunk.words) or len(chunk.escapes):
        raise CorruptError("a chunk without windows has samples")
    samples = render(chunk, values)
    if _crc(samples) != chunk.sample_crc:
        raise CorruptError("decoded samples do not have the checksum of what was encoded")
    return samples


def _crc(samples: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(samples, "<i2").data)
