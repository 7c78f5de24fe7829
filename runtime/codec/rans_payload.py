"""The payload of a `C` block: docs/format.md section 3."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from ..container.chunk_head import BOUNDED, CHUNK_HEAD, CODED_HEAD, HAS_REFERENCES, RANS, chunk_bound, chunk_frames
from ..core import bits
from ..core.errors import CorruptError
from ..core.limits import MAX_LANES
from ..entropy import rans
from ..predictor.channel_parameters import LINEAR, SideInformation
from ..predictor.channel_parameters import pack as pack_side
from ..predictor.channel_parameters import unpack as unpack_side

_KINDS = ("constant", "implant", "linear", "copy")

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
    low_bits : list of integers [frames], one per channel with low bits, in order of channel
    states : uint64 [lanes], by segment, then by channel
    counts : int64 [lanes], words of each
    words : uint32 [n], lane after lane
    max_error : bound of the error, 0 for lossless
    """

    frames: int
    steps: int
    sample_crc: int | None
    side: SideInformation
    low_bits: list[np.ndarray]
    states: np.ndarray
    counts: np.ndarray
    words: np.ndarray
    max_error: int = 0

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
            [low[frames] for channel, low in with_low if needed[channel]],
            self.states[lanes],
            self.counts[lanes],
            np.concatenate([np.zeros(0, np.uint32), *words]),
            self.max_error,
        )


def pack(chunk: CodedChunk) -> bytes:
    """Return the payload of a coded chunk."""
    return b"".join(
        [
            CHUNK_HEAD.pack(chunk.frames, _coding(chunk)),
            CODED_HEAD.pack(chunk.sample_crc, chunk.segments),
            bytes([chunk.max_error] if chunk.max_error else []),
            pack_side(chunk.side),
            _pack_low_bits(chunk),
            rans.pack_states(chunk.states),
            rans.pack_counts(chunk.counts) if len(chunk.counts) else b"",
            chunk.words.astype("<u4").tobytes(),
        ]
    )


def _coding(chunk: CodedChunk) -> int:
    """The coding byte."""
    return RANS | BOUNDED * bool(chunk.max_error) | HAS_REFERENCES * chunk.side.has_references


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
    coding = payload[4]
    if coding & ~(BOUNDED | HAS_REFERENCES) != RANS:
        raise CorruptError(f"a chunk uses an unknown coding ({coding}); a newer version may read it")
    try:
        return _parse_coded(payload, frames, channels, bool(coding & HAS_REFERENCES))
    except (struct.error, ValueError) as error:
        raise CorruptError("a chunk ends too early") from error


def _parse_coded(payload: bytes, frames: int, channels: int, has_references: bool) -> CodedChunk:
    crc, _ = CODED_HEAD.unpack_from(payload, CHUNK_HEAD.size)
    steps = steps_of(payload, channels)
    segments = -(-frames // steps)
    max_error = chunk_bound(payload)
    bounded = bool(payload[4] & BOUNDED)
    if bounded and not max_error:
        raise CorruptError("a chunk has no bound where it should have one")
    side, offset = unpack_side(payload, CHUNK_HEAD.size + CODED_HEAD.size + bounded, channels, has_references, bounded)
    lanes = segments * len(side.coded)
    if lanes > MAX_LANES:
        raise CorruptError(f"a chunk of {lanes} lanes is beyond the limits")
    low_bits, offset = _parse_low_bits(payload, offset, side, frames)
    states, offset = rans.unpack_states(payload, offset, lanes)
    counts, offset = rans.unpack_counts(payload, offset, lanes) if lanes else (NOTHING[1], offset)
    if 4 * int(counts.sum()) != len(payload) - offset:
        raise CorruptError("a chunk does not have the words that its lanes take")
    words = np.frombuffer(payload, "<u4", offset=offset).astype(np.uint32)
    return CodedChunk(frames, steps, crc, side, low_bits, states, counts, words, max_error)


def channels_with_low_bits(side: SideInformation) -> np.ndarray:
    """Numbers of the channels whose low bits are kept apart."""
    return np.flatnonzero((side.kind == LINEAR) & (side.shift > 0))


def _pack_low_bits(chunk: CodedChunk) -> bytes:
    shifts = chunk.side.shift[channels_with_low_bits(chunk.side)]
    parts, rest = [], np.zeros(0, np.uint8)
    for low, shift in zip(chunk.low_bits, shifts, strict=True):  # a byte per bit, but of one channel only
        row = np.concatenate([rest, bits.pack(low, np.full(chunk.frames, shift))])
        whole = len(row) & ~7
        parts.append(bits.to_bytes(row[:whole]))
        rest = row[whole:]
    return b"".join(parts) + bits.to_bytes(rest)


def _parse_low_bits(payload: bytes, offset: int, side: SideInformation, frames: int) -> tuple[list[np.ndarray], int]:
    reader = bits.BitReader(payload, offset)
    shifts = side.shift[channels_with_low_bits(side)]
    values = [reader.read(np.full(frames, shift)).astype(np.int32) for shift in shifts]
    return values, reader.align()


def kind_counts(payload: bytes, channels: int) -> dict[str, int]:
    """Return how many channels are of which kind, by the 2 bits of each at the start of the side information."""
    start = CHUNK_HEAD.size + CODED_HEAD.size + bool(payload[4] & BOUNDED)
    packed = payload[start : start + (channels + 3) // 4]
    if len(packed) < (channels + 3) // 4:
        raise CorruptError("a chunk is too short")
    kinds = [_KINDS[packed[channel // 4] >> (6 - channel % 4 * 2) & 3] for channel in range(channels)]
    return {kind: kinds.count(kind) for kind in _KINDS if kind in kinds}
