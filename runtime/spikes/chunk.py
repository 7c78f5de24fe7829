"""Serialise a spike chunk: docs/format.md section 12."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from ..container import varint
from ..container.chunk_head import CHUNK_HEAD, CODED_HEAD, SPIKES, chunk_frames
from ..core import bits
from ..core.errors import CorruptError
from ..entropy import rans
from ..predictor.model import Model
from .bins import Units
from .payload.plan import Plan, pack_plan, parse_plan
from .payload.sequence import MAX_LANES, Sequence
from .render import lfp
from .render.lfp import Lfp
from .shape import ChunkShape

_HEAD = struct.Struct("<BB")
"""bound, flags and shift."""
_NUMBERS = 6
"""Numbers behind it: threshold, before, after, step of correction pulses, base (sign folded), bytes of the plan."""
_MOST = (1 << 16) - 1
"""Of the first five."""
_LINEAR, _LFP, _RESERVED = 1, 2, 12
_SHIFT = 4
_SPARE_CELLS = 1 << 22
MAX_WINDOW_SAMPLES = 1 << 24
"""Samples in the windows of a chunk."""


@dataclass
class SpikeChunk:
    """A chunk in its coded parts.

    shape : ChunkShape
    units : Units
    plan : Plan
    lfp : Lfp or None
    sample_crc : CRC-32 of what it decodes to
    low_bits : int64 [samples] in order of window, or empty
    escapes : int16 bins
    states : uint64 [lanes]
    words : uint32 [n]
    """

    shape: ChunkShape
    units: Units
    plan: Plan
    lfp: Lfp | None = None
    sample_crc: int = 0
    low_bits: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    escapes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int16))
    states: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    words: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint32))


@dataclass(frozen=True)
class ChunkHead:
    """What a payload begins with.

    shape, units, plan, sample_crc : see `SpikeChunk`; without a model, `units` can't convert
    lanes : int
    has_lfp : bool
    plan_bytes : size of the plan
    end : offset of what follows
    """

    shape: ChunkShape
    units: Units
    plan: Plan
    sample_crc: int
    lanes: int
    has_lfp: bool
    plan_bytes: int
    end: int


def pack(chunk: SpikeChunk) -> bytes:
    """Return the payload."""
    units, shape = chunk.units, chunk.shape
    plan, base = pack_plan(chunk.plan, shape), chunk.plan.lines.base
    flags = _LINEAR * units.linear | _LFP * (chunk.lfp is not None) | units.shift << _SHIFT
    numbers = shape.threshold, shape.before, shape.after, shape.correction_step, base << 1 ^ base >> 63, len(plan)
    low = bits.pack(chunk.low_bits, np.full(len(chunk.low_bits), units.shift))
    return b"".join(
        [
            CHUNK_HEAD.pack(shape.frames, SPIKES),
            CODED_HEAD.pack(chunk.sample_crc, len(chunk.states)),
            _HEAD.pack(units.max_error, flags),
            *map(varint.pack, numbers),
            plan,
            lfp.pack(chunk.lfp) if chunk.lfp is not None else b"",
            bits.to_bytes(low),
            struct.pack("<I", len(chunk.escapes)) + chunk.escapes.astype("<i2").tobytes() if units.linear else b"",
            rans.pack_states(chunk.states),
            chunk.words.astype("<u4").tobytes(),
        ]
    )


def parse_head(payload: bytes, channels: int, sample_bits: int, model: Model | None = None) -> ChunkHead:
    """Return what a payload begins with. Raises `CorruptError`."""
    frames = chunk_frames(payload, channels)
    try:
        crc, lanes = CODED_HEAD.unpack_from(payload, CHUNK_HEAD.size)
        at = CHUNK_HEAD.size + CODED_HEAD.size
        max_error, flags = _HEAD.unpack_from(payload, at)
        at += _HEAD.size
        numbers = []
        for _ in range(_NUMBERS):
            number, at = varint.parse(payload, at)
            numbers.append(number)
    except (struct.error, IndexError) as error:
        raise CorruptError("a chunk ends too early") from error
    threshold, before, after, step, folded, size = numbers
    linear, shift, base = bool(flags & _LINEAR), flags >> _SHIFT, folded >> 1 ^ -(folded & 1)
    possible = not flags & _RESERVED and (linear or not shift) and before >= 1 and after >= 1
    if not possible or max(numbers[:-1]) > _MOST or size > len(payload) - at:
        raise CorruptError("the head of a chunk holds impossible values")
    entropy = None if model is None else model.coarse(max_error).entropy
    units = Units(entropy, max_error, linear, shift, sample_bits)
    if not units.low <= base <= units.high or (sample_bits == 8 and not linear):
        raise CorruptError("the head of a chunk holds impossible values")
    shape = ChunkShape(frames, threshold, before, after, step)
    plan = parse_plan(payload[at : at + size], shape, channels, base)
    if (plan.lines.level < units.low).any() or (plan.lines.level > units.high).any():
        raise CorruptError("the level of a channel is out of range")
    return ChunkHead(shape, units, plan, crc, lanes, bool(flags & _LFP), size, at + size)


def parse(payload: bytes, channels: int, sample_bits: int, model: Model) -> tuple[SpikeChunk, Sequence]:
    """Return a chunk, and how its windows lie in its lanes. Raises `CorruptError`."""
    head = parse_head(payload, channels, sample_bits, model)
    windows, shift, at = head.plan.windows, head.units.shift, head.end
    if head.lanes > MAX_LANES or (head.lanes > 0) != (len(windows) > 0):
        raise CorruptError("a chunk has an impossible number of lanes")
    sequence = Sequence.of(windows, head.lanes)
    samples = int(windows.length.sum())
    if sequence.steps * head.lanes > 8 * samples + _SPARE_CELLS or samples > MAX_WINDOW_SAMPLES:
        raise CorruptError("the windows of a chunk are beyond the limits")
    if samples * shift > 8 * len(payload):
        raise CorruptError("a chunk ends too early")
    chunk = SpikeChunk(head.shape, head.units, head.plan, sample_crc=head.sample_crc)
    try:
        if head.has_lfp:
            chunk.lfp, at = lfp.parse(payload, at, head.shape.frames, channels)
        if shift:
            reader = bits.BitReader(payload, at)
            chunk.low_bits = reader.read(np.full(samples, shift))
            at = reader.align()
        if head.units.linear:
            (count,) = struct.unpack_from("<I", payload, at)
            chunk.escapes = np.frombuffer(payload, "<i2", count, at + 4).astype(np.int16)
            at += 4 + 2 * count
        chunk.states, at = rans.unpack_states(payload, at, head.lanes)
        chunk.words = np.frombuffer(payload, "<u4", offset=at).astype(np.uint32)
    except (struct.error, ValueError) as error:
        raise CorruptError("a chunk ends too early") from error
    return chunk, sequence
