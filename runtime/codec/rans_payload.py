"""The payload of a `C` block: docs/format.md section 3."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..container.chunk_head import (
    BOUNDED,
    CHUNK_HEAD,
    CODED_HEAD,
    HAS_ADAPTIVE,
    HAS_MAPS,
    HAS_PACKED,
    HAS_REFERENCES,
    RANS,
    chunk_bound,
    chunk_frames,
)
from ..core import bits
from ..core.errors import CorruptError
from ..core.limits import MAX_LANES
from ..entropy import rans
from ..predictor.channel_parameters import LINEAR, SideInformation
from ..predictor.index_maps import IndexMaps, map_sources
from ..predictor.index_maps import pack as pack_maps
from ..predictor.index_maps import unpack as unpack_maps
from ..predictor.parameter_bits import pack as pack_side
from ..predictor.parameter_bits import unpack as unpack_side
from . import packed_channels

_KINDS = ("constant", "implant", "linear", "copy", "packed")
_PACKED = 4

NOTHING = (np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.uint32))
"""States, counts of words, and words of a chunk that has none."""


@dataclass
class CodedChunk:
    """A chunk in its coded parts.

    frames : int
    steps : int
        Frames of a segment; the last one may have fewer.
    sample_crc : int or None
        None for a part of a chunk.
    side : SideInformation
    maps : IndexMaps
    low_bits : list of integers [frames], one per channel with low bits, in order of channel; slices of them are arrays
    states : uint64 [lanes], by segment, then by channel
    counts : int64 [lanes], words of each
    words : uint32 [n], lane after lane
    max_error : bound of the error, 0 for lossless
    packed : samples int16 [frames] of packed channels, which are constant in `side`
    """

    frames: int
    steps: int
    sample_crc: int | None
    side: SideInformation
    maps: IndexMaps
    low_bits: Sequence[np.ndarray | bits.EqualNumbers]
    states: np.ndarray
    counts: np.ndarray
    words: np.ndarray
    max_error: int = 0
    packed: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def segments(self) -> int:
        """How many there are."""
        return -(-self.frames // self.steps)

    def part(self, first: int, last: int, channels: np.ndarray) -> CodedChunk:
        """Return the segments from `first` to before `last`, for some channels and those that they depend on.

        All other channels are constant in it.
        """
        side, needed = self.side.only(channels)
        count, at = len(self.side.coded), np.flatnonzero(needed[self.side.coded])
        lanes = (np.arange(first, last)[:, None] * count + at).ravel()
        ends = np.cumsum(self.counts)
        words = [self.words[end - size : end] for end, size in zip(ends[lanes], self.counts[lanes], strict=True)]
        frames = slice(first * self.steps, min(last * self.steps, self.frames))
        with_low = zip(channels_with_low_bits(self.side), self.low_bits, strict=True)
        return CodedChunk(
            frames.stop - frames.start,
            self.steps,
            None,
            side,
            self.maps.part(frames, needed),
            [low[frames] for channel, low in with_low if needed[channel]],
            self.states[lanes],
            self.counts[lanes],
            np.concatenate([np.zeros(0, np.uint32), *words]),
            self.max_error,
            {channel: self.packed[channel][frames] for channel in channels.tolist() if channel in self.packed},
        )


def pack(chunk: CodedChunk) -> bytes:
    """Return the payload of a coded chunk."""
    return b"".join(
        [
            CHUNK_HEAD.pack(chunk.frames, _coding(chunk)),
            CODED_HEAD.pack(chunk.sample_crc, chunk.segments),
            bytes([chunk.max_error] if chunk.max_error else []),
            pack_side(chunk.side),
            pack_maps(chunk.maps, _map_sources(chunk.side)) if chunk.maps.mapped.any() else b"",
            packed_channels.pack(chunk.packed, chunk.side.kind),
            _pack_low_bits(chunk),
            rans.pack_states(chunk.states),
            rans.pack_counts(chunk.counts) if len(chunk.counts) else b"",
            chunk.words.astype("<u4").tobytes(),
        ]
    )


def _coding(chunk: CodedChunk) -> int:
    """The coding byte."""
    flags = BOUNDED * bool(chunk.max_error) | HAS_REFERENCES * chunk.side.has_references
    flags |= HAS_MAPS * bool(chunk.maps.mapped.any()) | HAS_PACKED * bool(chunk.packed)
    return RANS | flags | HAS_ADAPTIVE * bool(chunk.side.adaptive.any())


def _map_sources(side: SideInformation) -> np.ndarray:
    return map_sources(side.kind, side.mean)


def steps_of(payload: bytes, channels: int) -> int:
    """Return the frames of a segment; the beginning of the payload will do. Raises `CorruptError`."""
    frames = chunk_frames(payload, channels)
    if len(payload) < CHUNK_HEAD.size + CODED_HEAD.size:
        raise CorruptError("a chunk ends too early")
    _, segments = CODED_HEAD.unpack_from(payload, CHUNK_HEAD.size)
    if segments < 1 or (segments - 1) * -(-frames // segments) >= frames:
        raise CorruptError("a chunk has an impossible number of segments")
    return -(-frames // segments)


def parse(payload: bytes, channels: int) -> CodedChunk:
    """Return a chunk in its coded parts. Raises `CorruptError`."""
    frames = chunk_frames(payload, channels)
    try:
        return _parse_coded(payload, frames, channels)
    except (struct.error, ValueError) as error:
        raise CorruptError("a chunk ends too early") from error


def _parse_coded(payload: bytes, frames: int, channels: int) -> CodedChunk:
    crc, _ = CODED_HEAD.unpack_from(payload, CHUNK_HEAD.size)
    steps = steps_of(payload, channels)
    segments = -(-frames // steps)
    side, maps, offset = _parse_parameters(payload, frames, channels)
    packed: dict[int, np.ndarray] = {}
    if payload[4] & HAS_PACKED:
        packed, offset = packed_channels.parse(payload, offset, side.kind, frames)
    lanes = segments * len(side.coded)
    if lanes > MAX_LANES:
        raise CorruptError(f"a chunk of {lanes} lanes is beyond the limits")
    low_bits, offset = _parse_low_bits(payload, offset, side, frames)
    states, offset = rans.unpack_states(payload, offset, lanes)
    counts, offset = rans.unpack_counts(payload, offset, lanes) if lanes else (NOTHING[1], offset)
    if 4 * int(counts.sum()) != len(payload) - offset:
        raise CorruptError("a chunk does not have the words that its lanes take")
    length = np.minimum(steps, frames - np.arange(segments) * steps)
    if (length[:, None] > (counts.reshape(segments, -1) + 1) * rans.WORD_CODES).any():
        raise CorruptError("a chunk has more samples than its words can hold")
    words = np.frombuffer(payload, "<u4", offset=offset).astype(np.uint32)
    return CodedChunk(frames, steps, crc, side, maps, low_bits, states, counts, words, chunk_bound(payload), packed)


def _parse_parameters(payload: bytes, frames: int, channels: int) -> tuple[SideInformation, IndexMaps, int]:
    """Return what is known of the channels, and the offset behind it."""
    coding, bounded = payload[4], bool(payload[4] & BOUNDED)
    if coding & ~(BOUNDED | HAS_REFERENCES | HAS_MAPS | HAS_PACKED | HAS_ADAPTIVE) != RANS:
        raise CorruptError(f"a chunk uses an unknown coding ({coding}); a newer version may read it")
    if bounded and not chunk_bound(payload):
        raise CorruptError("a chunk has no bound where it should have one")
    start = CHUNK_HEAD.size + CODED_HEAD.size + bounded
    flags = bool(coding & HAS_REFERENCES), bounded, bool(coding & HAS_ADAPTIVE)
    side, offset = unpack_side(payload, start, channels, *flags)
    if not coding & HAS_MAPS:
        return side, IndexMaps.none(channels), offset
    return side, *unpack_maps(payload, offset, _map_sources(side), frames)


def channels_with_low_bits(side: SideInformation) -> np.ndarray:
    """Numbers of the channels whose low bits are kept apart."""
    return np.flatnonzero((side.kind == LINEAR) & (side.shift > 0))


def _pack_low_bits(chunk: CodedChunk) -> bytes:
    shifts = chunk.side.shift[channels_with_low_bits(chunk.side)]
    parts, rest = [], np.zeros(0, np.uint8)
    for low, shift in zip(chunk.low_bits, shifts, strict=True):  # a byte per bit, but of one channel only
        row = np.concatenate([rest, bits.pack(low[:], np.full(chunk.frames, shift))])
        whole = len(row) & ~7
        parts.append(bits.to_bytes(row[:whole]))
        rest = row[whole:]
    return b"".join(parts) + bits.to_bytes(rest)


def _parse_low_bits(
    payload: bytes, offset: int, side: SideInformation, frames: int
) -> tuple[list[bits.EqualNumbers], int]:
    reader = bits.BitReader(payload, offset)
    shifts = side.shift[channels_with_low_bits(side)]
    values = [reader.skip_equal(frames, int(shift)) for shift in shifts]
    return values, reader.align()


def channel_words(payload: bytes, channels: int) -> dict[str, int]:
    """Return how many channels are of which kind and map, in words, by the first part of a payload.

    Raises `CorruptError`.
    """
    try:
        side, maps, offset = _parse_parameters(payload, chunk_frames(payload, channels), channels)
        kinds = side.kind.copy()
        if payload[4] & HAS_PACKED:
            kinds[packed_channels.parse_numbers(payload, offset, side.kind)[0]] = _PACKED
    except (struct.error, ValueError) as error:
        raise CorruptError("a chunk is too short") from error
    words: dict[str, int] = {}
    names = maps.names()
    for kind in range(len(_KINDS)):
        for channel in np.flatnonzero(kinds == kind).tolist():
            name = _KINDS[kind] + (f", {names[channel]}" if kind == LINEAR and channel in names else "")
            words[name] = words.get(name, 0) + 1
    return words
