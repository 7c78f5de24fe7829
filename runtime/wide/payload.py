"""The bytes of a chunk of wide samples (docs/format.md section 13)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from ..container.chunk_head import CHUNK_HEAD, WIDE, WIDE_TYPES, chunk_frames, chunk_type
from ..core import bits
from ..core.compressed_bytes import pack_blob, parse_blob
from ..core.errors import CorruptError
from .channels import WideChannel

SINGLY, PLAIN, STORED = 0, 1, 2
"""What the channels of a chunk are: each for itself, all int16 as they are, or all stored."""
_FORM_BITS, _DIVISOR_BITS, _SHIFT_BITS, _WIDTH_BITS, _COUNT_BITS = 2, 32, 5, 6, 24
MAX_SHIFT = 16
_MOST_BASE_BITS = 34
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


def pack(chunk: WideChunk) -> bytes:
    """Return the payload."""
    head = CHUNK_HEAD.pack(chunk.frames, WIDE) + bytes([WIDE_TYPES.index(chunk.dtype)])
    body = [head, bits.to_bytes(_pack_channels(chunk.channels, chunk.frames))]
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
    dtype = chunk_type(payload)
    if payload[CHUNK_HEAD.size - 1] != WIDE or dtype is None:
        raise CorruptError("a chunk uses an unknown coding; a newer version may read it")
    known, offset = _parse_channels(payload, frames, channels, dtype)
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


def _pack_channels(channels: list[WideChannel | None], frames: int) -> np.ndarray:
    if all(channel is None for channel in channels) or all(c is not None and c.plain for c in channels):
        return bits.pack(np.array([STORED if channels[0] is None else PLAIN]), np.array([_FORM_BITS]))
    fields: list[tuple[int, int]] = [(SINGLY, _FORM_BITS)]
    before = WideChannel()
    for channel in channels:
        fields.append((channel is None, 1))
        if channel is not None:
            fields += _fields(channel, before, frames)
            before = channel
    values, widths = np.array(fields, np.int64).T
    return bits.pack(values, widths)


def _fields(channel: WideChannel, before: WideChannel, frames: int) -> list[tuple[int, int]]:
    """Return values and widths of what is kept of a channel, behind another one."""
    fields = []
    if channel.step is not None:
        fields.append((channel.step == before.step, 1))
        if channel.step != before.step:
            number = int.from_bytes(struct.pack(">d", channel.step), "big")
            fields += [(number >> 32, 32), (number & 0xFFFFFFFF, 32)]
    same = (channel.divisor, channel.phase) == (before.divisor, before.phase)
    fields.append((same, 1))
    if not same:
        fields += [(channel.divisor, _DIVISOR_BITS), (channel.phase, _phase_bits(channel.divisor))]
    fields.append((channel.shift, _SHIFT_BITS))
    fields.append((len(channel.bases) > 1, 1))
    if len(channel.bases) > 1:
        fields.append((len(channel.bases), _COUNT_BITS))
        fields += [(start, _COUNT_BITS) for start in channel.starts[1:].tolist()]
    width = int(bits.bit_length(np.where(channel.bases < 0, ~channel.bases, channel.bases)).max())
    width += bool(channel.bases.any())
    return [*fields, (width, _WIDTH_BITS), *((base, width) for base in channel.bases.tolist())]


def _phase_bits(divisor: int) -> int:
    return (divisor - 1).bit_length()


def _parse_channels(
    payload: bytes, frames: int, channels: int, dtype: np.dtype
) -> tuple[list[WideChannel | None], int]:
    reader = bits.BitReader(payload, CHUNK_HEAD.size + 1)
    form = reader.take(_FORM_BITS)
    if form not in (SINGLY, PLAIN, STORED) or form == PLAIN and dtype.kind == "f":
        raise CorruptError("a chunk has channels of an unknown form")
    if form != SINGLY:
        return [WideChannel() if form == PLAIN else None for _ in range(channels)], reader.align()
    found: list[WideChannel | None] = []
    before = WideChannel()
    for _ in range(channels):
        if reader.take(1):
            found.append(None)
            continue
        before = _parse_channel(reader, before, frames, dtype.kind == "f")
        found.append(before)
    return found, reader.align()


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
    shift = reader.take(_SHIFT_BITS)
    count = reader.take(_COUNT_BITS) if reader.take(1) else 1
    if not 1 <= count <= frames or not 1 <= divisor or phase >= divisor or shift > MAX_SHIFT:
        raise CorruptError("a parameter of a chunk is out of range")
    starts = np.concatenate([[0], reader.read_equal(count - 1, _COUNT_BITS)])
    width = reader.take(_WIDTH_BITS)
    if width > _MOST_BASE_BITS or (np.diff(starts) < 1).any() or starts[-1] >= frames:
        raise CorruptError("a parameter of a chunk is out of range")
    return WideChannel(step, divisor, phase, shift, starts, reader.read_equal(count, width, signed=True))
