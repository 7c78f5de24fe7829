"""Encode and decode the samples of a spike chunk."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..compiled.choice import engine_of, line_loops, spike_loops
from ..container.chunk_head import sample_crc
from ..core.errors import CorruptError
from ..predictor.model import Model
from . import chunk as chunks
from .bins import Units
from .chunk import SpikeChunk
from .payload import symbols
from .payload.plan import ChannelParameters, Plan
from .payload.sequence import lane_count
from .render.lfp import Lfp
from .render.rendering import Lines, draw, render_all
from .shape import ChunkShape
from .waveforms.encoding import encode_windows
from .waveforms.window_coder import WindowLayout
from .waveforms.window_decoder import WindowDecoder
from .windows import Events, Windows

_SAMPLES = 1 << 20
"""Samples whose values are looked up at once."""


@dataclass
class Draft:
    """A chunk before its windows are coded.

    samples : int16 [frames, channels]
    shape : ChunkShape
    units : Units
    events : Events
    lines : Lines
    lfp : Lfp or None
    """

    samples: np.ndarray
    shape: ChunkShape
    units: Units
    events: Events
    lines: Lines
    lfp: Lfp | None

    def __post_init__(self) -> None:
        self.windows = self.events.windows(self.shape.before, self.shape.after, self.shape.frames)
        """Windows around the events."""

    @cached_property
    def bins(self) -> np.ndarray:
        """Bins of the samples in windows, int64."""
        return self.units.bins(self.units.values(self.samples[self.windows.flat()]))

    def render(self) -> np.ndarray:
        """Return all values as they will be decoded, int16 [frames, channels]."""
        values = self.units.reconstruct(self.bins)
        return render_all(self.shape, self.units, self.lines, self.windows, values, self.lfp)

    def correct(self, heights: np.ndarray, rendered: np.ndarray) -> np.ndarray:
        """Set the heights of the correction pulses; draw them into what `render` gave before, and return it."""
        self.windows.correction[:] = heights
        again = np.isin(self.windows.channel, self.windows.channel[heights != 0])
        windows, bins = self.windows.select(again), self.bins[np.repeat(again, self.windows.length)]
        how, values = (self.shape, self.units, self.lines), self.units.reconstruct(bins)
        draw(rendered, how, windows, values, self.lfp, np.unique(windows.channel))
        return rendered


def encode_draft(draft: Draft, rendered: np.ndarray, model: Model, lanes: int | None = None) -> SpikeChunk:
    """Code the windows of a chunk.

    Parameters
    ----------
    rendered : what `draft.render` gives
    lanes : at most so many; None for what is good for files
    """
    units, windows = draft.units, draft.windows
    parameters = ChannelParameters(*np.zeros((2, draft.samples.shape[1]), np.int64))
    chunk = SpikeChunk(draft.shape, units, Plan(draft.events, windows, draft.lines, parameters), draft.lfp)
    if len(windows):
        bins, level = draft.bins, first_levels(windows, draft.lines, draft.lfp, units)
        lanes = lane_count(len(bins)) if lanes is None else lanes
        encode_windows(chunk, model.coarse(units.max_error), bins, level, lanes)
    chunk.sample_crc = sample_crc(_samples(units, rendered))
    return chunk


def first_levels(windows: Windows, lines: Lines, lfp: Lfp | None, units: Units) -> np.ndarray:
    """Return the expected Q6 values of windows' first samples: the field potential, or the channel's level."""
    if lfp is None:
        return units.level_q6(lines.level[windows.channel])
    level = lfp.at(windows.channel, windows.start)
    return units.level_q6(np.clip(level, units.low, units.high))


def prepare(model: Model) -> None:
    """Load compiled loops at once, for a stream: it is a long job in short pieces."""
    engine_of(model, math.inf)
    spike_loops(math.inf)
    line_loops(math.inf)
    symbols.prepare()


def _samples(units: Units, values: np.ndarray) -> np.ndarray:
    """Return the samples int16 of values int16 [frames, channels], some frames at a time."""
    out = np.empty_like(values)
    some = max(1, _SAMPLES // max(values.shape[1], 1))
    for first in range(0, len(values), some):
        out[first : first + some] = units.samples(values[first : first + some])
    return out


def decode(payload: bytes, channels: int, sample_bits: int, model: Model) -> np.ndarray:
    """Return the samples int16 [frames, channels] of a payload. Raises `CorruptError`."""
    chunk, sequence = chunks.parse(payload, channels, sample_bits, model)
    windows, parameters, units = chunk.plan.windows, chunk.plan.parameters, chunk.units
    values = np.zeros(0, np.int64)
    if len(windows):
        low = chunk.low_bits if units.shift else np.zeros(int(windows.length.sum()), np.int64)
        level = first_levels(windows, chunk.plan.lines, chunk.lfp, units)
        layout = WindowLayout(units, windows, sequence, level, chunk.lfp is None)
        scale = parameters.scale[windows.channel]
        decoder = WindowDecoder(model.coarse(units.max_error), layout, scale, low, chunk.escapes)
        decoder.run(chunk.states, chunk.words)
        values = units.reconstruct(decoder.bins)
    elif len(chunk.words) or len(chunk.escapes):
        raise CorruptError("a chunk without windows has samples")
    samples = _samples(units, render_all(chunk.shape, units, chunk.plan.lines, windows, values, chunk.lfp))
    if sample_crc(samples) != chunk.sample_crc:
        raise CorruptError("decoded samples do not have the checksum of what was encoded")
    return samples


def within(samples: np.ndarray, decoded: np.ndarray, payload: bytes, sample_bits: int) -> bool:
    """Return whether all samples in the windows of a chunk are within its bound."""
    head = chunks.parse_head(payload, samples.shape[1], sample_bits)
    units, where = head.units, head.plan.windows.flat()
    if samples.shape != decoded.shape:
        return False
    before, after = units.values(samples[where]), units.values(decoded[where])
    return bool((np.abs(before - after) <= units.max_error).all())


def events(payload: bytes, channels: int, sample_bits: int) -> tuple[int, Events]:
    """Return the frames of a chunk, and the threshold crossings in it. Raises `CorruptError`."""
    head = chunks.parse_head(payload, channels, sample_bits)
    found, frames = head.plan.events, head.shape.frames
    return frames, found.select((found.frame >= 0) & (found.frame < frames))


def mask(payload: bytes, channels: int, sample_bits: int) -> np.ndarray:
    """Return which samples of a chunk are within its bound, bool [frames, channels]."""
    head = chunks.parse_head(payload, channels, sample_bits)
    return head.plan.windows.mask(head.shape.frames, channels)
