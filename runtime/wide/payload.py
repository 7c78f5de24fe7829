"""The bytes of a chunk of wide samples (docs/format.md section 3.3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from ..container.chunk_head import CHUNK_HEAD, WIDE, WIDE_TYPES, chunk_frames, chunk_type
from ..core import bits
from ..core.compressed_bytes import pack_blob, parse_blob
from ..core.errors import CorruptError
from .channels import WideChannel, nothing

SINGLY, PLAIN, STORED = 0, 1, 2
"""What the channels of a chunk are: each for itself, all int16 as they are, or all stored."""
_FORM_BITS, _DIVISOR_BITS, _SHIFT_BITS, _WIDTH_BITS, _COUNT_BITS = 2, 32, 5, 6, 24
_MOST_SPACING = 23
_MOST_SHIFT, _MOST_WIDTH = 16, 34
_LEVEL = 6
"""Of zstd: higher ones take far longer for noise, and gain little."""
_BLOB = struct.Struct("<BI")


@dataclass
class WideChunk:
    """A chunk, parsed.

    dtype : of the samples
    channels : by number; None for one whose samples are stored
    stored : bytes of the stored channels, one after the other: the lowest byte of all samples, the next one, ...
    low_bits : bytes of the low bits, channel by channel: the highest bit of all samples, the next one, ...
    inner : payload of the int16 samples, None where all channels are stored
    """

    frames: int
    dtype: np.dtype
    channels: list[WideChannel | None]
    stored: bytes
    low_bits: bytes
    inner: bytes | None

    def stored_samples(self, channel: int, start: int, stop: int) -> np.ndarray:
        """Return samples of a stored channel."""
        size = self.frames * self.dtype.itemsize
        at = size * sum(other is None for other in self.channels[:channel])
        planes = np.frombuffer(self.stored, np.uint8, size, at).reshape(self.dtype.itemsize, self.frames)
        return np.ascontiguousarray(planes[:, start:stop].T).view(self.dtype.newbyteorder("<"))[:, 0]

    def low(self, channel: int, start: int, stop: int) -> np.ndarray | int:
        """Return the low bits int64 of a channel that is not stored; 0 where there are none."""
        row, known = -(-self.frames // 8), self.channels[channel]
        if known is None or not known.shift:
            return 0
        at = row * sum(other.shift for other in self.channels[:channel] if other is not None)
        planes = np.frombuffer(self.low_bits, np.uint8, row * known.shift, at).reshape(known.shift, row)
        first = start // 8
        low = np.zeros(stop - start, np.int64)
        for plane in planes[:, first : -(-stop // 8)]:
            low = (low << 1) | np.unpackbits(plane)[start - 8 * first :][: stop - start]
        return low


def stored_bytes(samples: np.ndarray) -> bytes:
    """Return the bytes of a stored channel [frames]."""
    little = np.ascontiguousarray(samples, samples.dtype.newbyteorder("<"))
    return little.view(np.uint8).reshape(len(samples), -1).T.tobytes()


def low_bytes(low: np.ndarray, shift: int) -> bytes:
    """Return the bytes of the low bits of a channel [frames]."""
    return b"".join(np.packbits((low >> bit & 1).astype(np.uint8)).tobytes() for bit in range(shift - 1, -1, -1))


def head(chunk: WideChunk) -> bytes:
    """Return the first bytes of the payload: what is known of the channels."""
    start = CHUNK_HEAD.pack(chunk.frames, WIDE) + bytes([WIDE_TYPES.index(chunk.dtype)])
    return start + bits.to_bytes(_pack_channels(chunk.channels))


def pack(chunk: WideChunk) -> bytes:
    """Return the payload."""
    body = [head(chunk)]
    for data in (chunk.stored, chunk.low_bits):
        if data:
            coding, packed = pack_blob(data, level=_LEVEL)
            body += [_BLOB.pack(coding, len(packed)), packed]
    if chunk.inner is not None:
        body.append(chunk.inner[CHUNK_HEAD.size - 1 :])
    return b"".join(body)


def parse(payload: bytes, channels: int) -> WideChunk:
    """Undo `pack`. Raises `CorruptError`."""
    frames = chunk_frames(payload, channels)
    dtype, known, offset = parse_channels(payload, channels)
    width = dtype.itemsize * sum(channel is None for channel in known)
    stored, offset = _parse_bytes(payload, offset, frames * width)
    low_bits, offset = _parse_bytes(payload, offset, -(-frames // 8) * sum(c.shift for c in known if c is not None))
    if any(channel is not None for channel in known):
        return WideChunk(frames, dtype, known, stored, low_bits, payload[: CHUNK_HEAD.size - 1] + payload[offset:])
    if offset != len(payload):
        raise CorruptError("a stored chunk has the wrong size")
    return WideChunk(frames, dtype, known, stored, low_bits, None)


def _parse_bytes(payload: bytes, offset: int, size: int) -> tuple[bytes, int]:
    if not size:
        return b"", offset
    if len(payload) < offset + _BLOB.size:
        raise CorruptError("a chunk is too short")
    coding, count = _BLOB.unpack_from(payload, offset)
    offset += _BLOB.size
    data = parse_blob(coding, payload[offset : offset + count], size)
    if len(data) != size:
        raise CorruptError("a part of a chunk has the wrong size")
    return data, offset + count


def _pack_channels(channels: list[WideChannel | None]) -> np.ndarray:
    if all(channel is None for channel in channels) or all(c is not None and c.plain for c in channels):
        return bits.pack(np.array([STORED if channels[0] is None else PLAIN]), np.array([_FORM_BITS]))
    fields: list[tuple[int, int]] = [(SINGLY, _FORM_BITS)]
    before = WideChannel()
    for channel in channels:
        fields.append((channel is None, 1))
        if channel is not None:
            fields += _fields(channel, before)
            before = channel
    values, widths = np.array(fields, np.int64).T
    return bits.pack(values, widths)


def _fields(channel: WideChannel, before: WideChannel) -> list[tuple[int, int]]:
    """Return values and widths of what is kept of a channel, behind another one."""
    fields: list[tuple[int, int]] = []
    if channel.step is not None:
        fields.append((channel.step == before.step, 1))
        if channel.step != before.step:
            number = int.from_bytes(struct.pack(">d", channel.step), "big")
            fields += [(number >> 32, 32), (number & 0xFFFFFFFF, 32)]
    same = (channel.divisor, channel.phase) == (before.divisor, before.phase)
    fields.append((same, 1))
    if not same:
        fields += [(channel.divisor, _DIVISOR_BITS), (channel.phase, _phase_bits(channel.divisor))]
    fields += [(channel.shift, _SHIFT_BITS), (channel.spacing, _SHIFT_BITS), *_signed(channel.knots)]
    exceptions = len(channel.frames)
    fields.append((exceptions > 0, 1))
    if exceptions:
        fields.append((exceptions, _COUNT_BITS))
        fields += [(bit, 1) for bit in bits.pack_increasing(channel.frames).tolist()]
        fields += _signed(channel.parts)
    return fields


def _signed(numbers: np.ndarray) -> list[tuple[int, int]]:
    """Return the width of signed numbers, then these; the width 0 if all are 0."""
    width = int(bits.bit_length(np.where(numbers < 0, ~numbers, numbers)).max()) + bool(numbers.any())
    return [(width, _WIDTH_BITS), *((number, width) for number in numbers.tolist())]


def _phase_bits(divisor: int) -> int:
    return (divisor - 1).bit_length()


def parse_channels(payload: bytes, channels: int) -> tuple[np.dtype, list[WideChannel | None], int]:
    """Return type and channels of a chunk, and the offset behind these. Raises `CorruptError`."""
    frames, dtype = chunk_frames(payload, channels), chunk_type(payload)
    if payload[CHUNK_HEAD.size - 1] != WIDE or dtype is None:
        raise CorruptError("a chunk uses an unknown coding; a newer version may read it")
    reader = bits.BitReader(payload, CHUNK_HEAD.size + 1)
    form = reader.take(_FORM_BITS)
    if form not in (SINGLY, PLAIN, STORED) or form == PLAIN and dtype.kind == "f":
        raise CorruptError("a chunk has channels of an unknown form")
    if form != SINGLY:
        return dtype, [WideChannel() if form == PLAIN else None for _ in range(channels)], reader.align()
    found: list[WideChannel | None] = []
    before = WideChannel()
    for _ in range(channels):
        if reader.take(1):
            found.append(None)
            continue
        before = _parse_channel(reader, before, frames, dtype.kind == "f")
        found.append(before)
    return dtype, found, reader.align()


def _parse_channel(reader: bits.BitReader, before: WideChannel, frames: int, floats: bool) -> WideChannel:
    step = None
    if floats:
        step = before.step if reader.take(1) else struct.unpack(">d", reader.take(64).to_bytes(8, "big"))[0]
        if step is None or not 0 < step < float("inf"):
            raise CorruptError("a step of a chunk is out of range")
    divisor, phase = before.divisor, before.phase
    if not reader.take(1):
        divisor = reader.take(_DIVISOR_BITS)
        phase = reader.take(_phase_bits(max(divisor, 1)))
    shift, spacing = reader.take(_SHIFT_BITS), reader.take(_SHIFT_BITS)
    if not phase < divisor or shift > _MOST_SHIFT or spacing > _MOST_SPACING:
        raise CorruptError("a parameter of a chunk is out of range")
    knots = _read_signed(reader, ((frames - 1) >> spacing) + 2 if spacing else 1)
    exceptions, parts = nothing(), nothing()
    if reader.take(1):
        exceptions = reader.read_increasing(reader.take(_COUNT_BITS), frames)
        parts = _read_signed(reader, len(exceptions))
    return WideChannel(step, divisor, phase, shift, spacing, knots, exceptions, parts)


def _read_signed(reader: bits.BitReader, count: int) -> np.ndarray:
    width = reader.take(_WIDTH_BITS)
    if width > _MOST_WIDTH:
        raise CorruptError("a parameter of a chunk is out of range")
    return reader.read_equal(count, width, signed=True)
