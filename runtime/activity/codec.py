"""Activity chunks: samples to payloads and back."""

from __future__ import annotations

import zlib

import numpy as np

from ..errors import CorruptError
from ..model import Model
from . import chunk as chunks
from . import slow
from .attempts import Windowed
from .chunk import ActivityChunk
from .decoding import WindowDecoder
from .peers import Hearing
from .plan import LeadParameters, Plan
from .rendering import Lines, render_lead
from .sequence import lane_count
from .units import Units
from .windows import Windows


def code(
    samples: np.ndarray,
    units: Units,
    windows: Windows,
    lines: Lines,
    band: slow.SlowBand | None,
    shape: tuple[int, int, int, int],
    model: Model,
    lanes: int | None = None,
    hear: bool = False,
) -> ActivityChunk:
    """Code the windows of a chunk.

    Parameters
    ----------
    samples : int16 [frames, leads]
    shape : threshold in 1/64, frames before a crossing and of a standard window, step of tents
    lanes : at most so many; None for what is good for files
    hear : whether leads may hear each other
    """
    made = outline(samples.shape, units, windows, lines, band, shape)
    if len(windows):
        bins = units.bins(units.values(samples[windows.flat()]))
        lanes = lane_count(len(bins)) if lanes is None else lanes
        level = first_levels(windows, lines, band, units)
        job = Windowed(made, model.coarse(units.max_error), bins, level, band is None, lanes)
        alone = job.alone()
        job.fill(job.shorter(alone) if hear else alone)
        made.sample_crc = _crc(render(made, units.middles(bins)))
    else:
        made.sample_crc = _crc(render(made, np.zeros(0, np.int64)))
    return made


def outline(
    size: tuple[int, int],
    units: Units,
    windows: Windows,
    lines: Lines,
    band: slow.SlowBand | None,
    shape: tuple[int, int, int, int],
) -> ActivityChunk:
    """A chunk of [frames, leads] without what is coded of its windows."""
    frames, leads = size
    threshold, before, standard, lift_step = shape
    parameters = LeadParameters(*(np.zeros(leads, np.int64) for _ in range(4)))
    nothing = np.zeros(0, np.int64), np.zeros(0, np.int16), np.zeros(0, np.uint64), np.zeros(0, np.uint32)
    plan = Plan(windows, lines, parameters, standard, Hearing.none(leads), np.full(len(windows), -1, np.int64))
    return ActivityChunk(frames, 0, units, threshold, before, lift_step, plan, band, *nothing)


def first_levels(windows: Windows, lines: Lines, band: slow.SlowBand | None, units: Units) -> np.ndarray:
    """Ticks that windows' first samples are expected near: the slow band there, or the lead's level."""
    if band is None:
        return units.level_ticks(lines.level[windows.lead])
    level = np.zeros(len(windows), np.int64)
    for lead in np.unique(windows.lead).tolist():
        own = windows.of_lead(lead)
        level[own] = band.curve(lead)[windows.start[own]]
    return units.level_ticks(np.clip(level, units.low, units.high))


def render(chunk: ActivityChunk, values: np.ndarray) -> np.ndarray:
    """All samples int16 [frames, leads] of a chunk, from the values in its windows."""
    plan, units = chunk.plan, chunk.units
    out = np.empty((chunk.frames, len(plan.lines.level)), np.int16)
    offset = plan.windows.offset
    for lead in range(out.shape[1]):
        own = plan.windows.of_lead(lead)
        windows = Windows(*(getattr(plan.windows, name)[own] for name in ("lead", "start", "length", "lift")))
        part = values[offset[own.start] : offset[own.stop]]
        curve = None if chunk.slow is None else chunk.slow.curve(lead)
        out[:, lead] = units.samples(render_lead(chunk.frame, plan.lines, lead, windows, part, curve))
    return out


def decode(payload: bytes, leads: int, sample_bits: int, model: Model) -> np.ndarray:
    """Samples int16 [frames, leads] of a payload. Raises `CorruptError`."""
    chunk, sequence = chunks.parse(payload, leads, sample_bits, model)
    windows, parameters, units = chunk.plan.windows, chunk.plan.parameters, chunk.units
    values = np.zeros(0, np.int64)
    if len(windows):
        low = chunk.low_bits if units.shift else np.zeros(int(windows.length.sum()), np.int64)
        decoder = WindowDecoder(
            model.coarse(units.max_error),
            units,
            windows,
            sequence,
            first_levels(windows, chunk.plan.lines, chunk.slow, units),
            chunk.slow is None,
            parameters.spread[windows.lead],
            parameters.scale[windows.lead],
            chunk.plan.hearing,
            chunk.frames,
            low,
            chunk.escapes,
        )
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
