"""The payload of an activity chunk: docs/format.md section 12."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from ..container.header import ACTIVITY, CHUNK_HEAD, CODED_HEAD, chunk_frames
from ..core import bits
from ..core.errors import CorruptError
from ..entropy import rans
from ..predictor.model import Model
from .layout.plan import Plan, pack_plan, parse_plan
from .layout.sequence import MAX_LANES, Sequence
from .layout.units import Units
from .render import lfp
from .render.corrections import Frame

_HEAD = struct.Struct("<BBHHHHhI")
"""bound, flags and shift, threshold, before, standard length, step of tents, base, bytes of the plan."""
_LINEAR, _SLOW, _SHORT, _RESERVED = 1, 2, 4, 8
_SHIFT = 4
_SPARE_CELLS = 1 << 22
MAX_WINDOW_SAMPLES = 1 << 24
"""Samples in the windows of a chunk."""


@dataclass
class ActivityChunk:
    """A chunk in its coded parts.

    frames : int
    sample_crc : of what it decodes to
    units : Units
    threshold : in 1/64 deviations (nothing depends on it)
    before, lift_step : see `rendering.Frame`
    plan : Plan
    slow : lfp.SlowBand or None
    low_bits : int64 [samples] in order of window, or empty
    escapes : int16 bins
    states : uint64 [lanes]
    words : uint32 [n]
    plan_bytes : of a chunk that was parsed
    """

    frames: int
    sample_crc: int
    units: Units
    threshold: int
    before: int
    lift_step: int
    plan: Plan
    slow: lfp.SlowBand | None
    low_bits: np.ndarray
    escapes: np.ndarray
    states: np.ndarray
    words: np.ndarray
    plan_bytes: int = 0

    @property
    def frame(self) -> Frame:
        """What rendering must know."""
        return Frame(self.frames, self.before, self.lift_step, self.units.low, self.units.high)


def pack(chunk: ActivityChunk) -> bytes:
    """The payload."""
    units = chunk.units
    plan = pack_plan(chunk.plan, units.level_bits)
    flags = _LINEAR * units.linear | _SLOW * (chunk.slow is not None)
    flags |= _SHORT * (chunk.slow is not None and chunk.slow.short) | units.shift << _SHIFT
    shape = (chunk.before, chunk.plan.standard, chunk.lift_step, chunk.plan.lines.base)
    low = bits.pack(chunk.low_bits, np.full(len(chunk.low_bits), units.shift))
    return b"".join(
        [
            CHUNK_HEAD.pack(chunk.frames, ACTIVITY),
            CODED_HEAD.pack(chunk.sample_crc, len(chunk.states)),
            _HEAD.pack(units.max_error, flags, chunk.threshold, *shape, len(plan)),
            plan,
            lfp.pack(chunk.slow) if chunk.slow is not None else b"",
            bits.to_bytes(low),
            struct.pack("<I", len(chunk.escapes)) + chunk.escapes.astype("<i2").tobytes() if units.linear else b"",
            rans.pack_states(chunk.states),
            chunk.words.astype("<u4").tobytes(),
        ]
    )


def parse_head(payload: bytes, channels: int, sample_bits: int, model: Model | None) -> tuple[ActivityChunk, int]:
    """A chunk with its windows but without what follows them, and the offset of that. Raises `CorruptError`.

    Without a model its units are of no use.
    """
    frames = chunk_frames(payload, channels)
    try:
        crc, lanes = CODED_HEAD.unpack_from(payload, CHUNK_HEAD.size)
        at = CHUNK_HEAD.size + CODED_HEAD.size
        max_error, flags, threshold, before, standard, lift_step, base, size = _HEAD.unpack_from(payload, at)
    except struct.error as error:
        raise CorruptError("a chunk ends too early") from error
    at += _HEAD.size
    linear, shift = bool(flags & _LINEAR), flags >> _SHIFT
    possible = (flags & _SLOW or not flags & _SHORT) and not flags & _RESERVED
    possible = possible and (linear or not shift) and before >= 1 and standard >= 1
    if not possible or size > len(payload) - at:
        raise CorruptError("the head of a chunk holds impossible values")
    entropy = None if model is None else model.coarse(max_error).entropy
    units = Units(entropy, max_error, linear, shift, sample_bits)
    if not units.low <= base <= units.high or (sample_bits == 8 and not linear):
        raise CorruptError("the head of a chunk holds impossible values")
    plan = parse_plan(payload[at : at + size], frames, channels, base, standard, units.level_bits)
    nothing = np.zeros(0, np.int64), np.zeros(0, np.int16), np.zeros(lanes, np.uint64), np.zeros(0, np.uint32)
    band = lfp.SlowBand.empty(channels, bool(flags & _SHORT)) if flags & _SLOW else None
    return ActivityChunk(frames, crc, units, threshold, before, lift_step, plan, band, *nothing, size), at + size


def parse(payload: bytes, channels: int, sample_bits: int, model: Model) -> tuple[ActivityChunk, Sequence]:
    """A chunk, and how its windows lie in its lanes. Raises `CorruptError`."""
    chunk, at = parse_head(payload, channels, sample_bits, model)
    windows, lanes = chunk.plan.windows, len(chunk.states)
    if lanes > MAX_LANES or (lanes > 0) != (len(windows) > 0):
        raise CorruptError("a chunk has an impossible number of lanes")
    sequence = Sequence.of(windows, lanes)
    samples = int(windows.length.sum())
    if sequence.steps * lanes > 8 * samples + _SPARE_CELLS or samples > MAX_WINDOW_SAMPLES:
        raise CorruptError("the windows of a chunk are beyond the limits")
    if samples * chunk.units.shift > 8 * len(payload):
        raise CorruptError("a chunk ends too early")
    try:
        if chunk.slow is not None:
            chunk.slow, at = lfp.parse(payload, at, chunk.frames, channels, model, chunk.slow.short)
        if chunk.units.shift:
            reader = bits.BitReader(payload, at)
            chunk.low_bits = reader.read(np.full(samples, chunk.units.shift))
            at = reader.align()
        if chunk.units.linear:
            (count,) = struct.unpack_from("<I", payload, at)
            chunk.escapes = np.frombuffer(payload, "<i2", count, at + 4).astype(np.int16)
            at += 4 + 2 * count
        chunk.states, at = rans.unpack_states(payload, at, lanes)
        chunk.words = np.frombuffer(payload, "<u4", offset=at).astype(np.uint32)
    except (struct.error, ValueError) as error:
        raise CorruptError("a chunk ends too early") from error
    return chunk, sequence
