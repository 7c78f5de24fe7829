"""Encoding a chunk in activity mode."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..codec.rans_chunk import pack_stored
from ..container.header import CHUNK_HEAD
from ..predictor.model import Model
from ..predictor.recurrent import stateless
from . import chunk as chunks
from .chunk import ActivityChunk
from .codec import code
from .detection.offline import Watched, lifts, watch
from .layout.units import Units
from .options import Activity
from .render import lfp_fit
from .render.corrections import Frame, Lines, render_all
from .waveforms.fitting import units_of

LIFT_STEP = 4
"""Height of a tent's unit in codes, or in steps of the noise."""
THRESHOLD_UNIT = 64


@dataclass
class Source:
    """A chunk before it is encoded: samples int16 [frames, channels] and what is wanted of them."""

    samples: np.ndarray
    sample_bits: int
    options: Activity
    model: Model

    def counted(self, max_error: int) -> tuple[Units, np.ndarray, int]:
        """How samples are counted, their values (int16), and the value of quiet channels."""
        samples = self.samples
        change = np.abs(np.diff(samples[: 1 << 14].astype(np.int32), axis=0, prepend=samples[:1]))
        units = units_of(samples, np.median(change, axis=0), max_error, self.sample_bits, self.model)
        if not units.linear:
            return units, units.values(samples).astype(np.int16), 0
        return units, samples, int(np.median(samples[:: max(1, len(samples) // 256)]))

    def watched(self, most: int | None = None) -> Watched:
        """Where the windows are."""
        units, values, _ = self.counted(self.options.max_error)
        return watch(values, self.options, units.low, units.high, most)

    def encoded(self, watched: Watched, max_error: int) -> ActivityChunk:
        """With these windows and this bound."""
        units, values, base = self.counted(max_error)
        options, channels = self.options, values.shape[1]
        step = LIFT_STEP * ((2 * max_error + 1 << units.shift) if units.linear else 1)
        shape = round(options.threshold * THRESHOLD_UNIT), options.frames[0], sum(options.frames), min(step, 0xFFFF)
        lines = Lines(base, _levels(values, units, base), np.zeros(channels, bool))
        band = lfp_fit.fit(values, options.rate, units, self.model) if options.slow else None
        windows = replace(watched.windows, lift=np.zeros(len(watched.windows), np.int64))
        if len(windows):
            frame = Frame(len(values), shape[1], shape[3], units.low, units.high)
            inside = units.middles(units.bins(units.values(self.samples[windows.flat()])))
            rendered = render_all(frame, lines, windows, inside, band)
            windows = replace(windows, lift=lifts(watched, values, rendered, options, shape[3]))
        made = code(self.samples, units, windows, lines, band, shape, self.model)
        made.plan.parameters.raised = watched.raised
        return made


def _levels(values: np.ndarray, units: Units, base: int) -> np.ndarray:
    """Where channels begin: at the base, or off the implant's table, where every channel may have an offset of its own, there."""
    if not units.linear:
        return np.full(values.shape[1], base, np.int64)
    return np.median(values[:: max(1, len(values) // 256)], axis=0).astype(np.int64)


def encode(samples: np.ndarray, sample_bits: int, options: Activity, budget: int | None, model: Model) -> bytes:
    """The payload of a chunk.

    Parameters
    ----------
    samples : int16 [frames, channels]
    budget : bytes that it may have; None for any. A payload that can't be made to fit is the smallest there is
    """
    from .rate_control import encode_within

    source = Source(samples, sample_bits, options, stateless(model))
    if budget is None:
        payload = chunks.pack(source.encoded(source.watched(), options.max_error))
    else:
        payload = encode_within(source, budget)
    raw = CHUNK_HEAD.size + samples.size * sample_bits // 8
    return payload if len(payload) < raw else pack_stored(samples, sample_bits)


def within(samples: np.ndarray, decoded: np.ndarray, payload: bytes, sample_bits: int) -> bool:
    """Whether all samples in the windows of a chunk are within its bound."""
    chunk, _ = chunks.parse_head(payload, samples.shape[1], sample_bits, None)
    units, where = chunk.units, chunk.plan.windows.flat()
    if samples.shape != decoded.shape:
        return False
    before, after = units.values(samples[where]), units.values(decoded[where])
    return bool((np.abs(before - after) <= units.max_error).all())
