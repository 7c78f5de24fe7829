"""Packets of a stream: docs/format.md section 11."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace

from ..core.errors import CorruptError
from ..core.identity import IDENTITY_BYTES

SYNC = b"\xa7\x4d"
KEY, LAST = 0x40, 0x80
"""Flags of a packet's kind; the low six bits are its group."""
MAX_GROUPS = 64
MAX_PAYLOAD = (1 << 24) - 1
MAX_BLOCK = 1 << 16
MAX_BLOCK_SAMPLES = 1 << 20
SEQUENCES = 1 << 32

_HEAD = struct.Struct("<2sBBI3s")
HEAD_BYTES = _HEAD.size + 1
OVERHEAD = HEAD_BYTES + 4
"""Bytes of a packet besides its payload."""
_CRC = struct.Struct("<I")
_DESCRIPTION = struct.Struct(f"<B{IDENTITY_BYTES}sIHIBBHHH")
DESCRIPTION_BYTES = _DESCRIPTION.size
_LOSSLESS, _ACTIVITY = 1, 2
"""Versions, by what packets hold."""


@dataclass(frozen=True)
class Packet:
    """One block of frames of one group of channels.

    stream : number of the stream, 0..255
    group : number of the group of channels
    sequence : number of the block, modulo 2^32
    key : whether the state begins anew, with everything a decoder needs to join
    last : whether the stream ends with it
    payload : bytes
    """

    stream: int
    group: int
    sequence: int
    key: bool
    last: bool
    payload: bytes

    def pack(self) -> bytes:
        """The packet with sync marker, check and CRC."""
        kind = self.group | KEY * self.key | LAST * self.last
        size = len(self.payload).to_bytes(3, "little")
        head = _HEAD.pack(SYNC, kind, self.stream, self.sequence % SEQUENCES, size)
        data = head + bytes([_check(head)]) + self.payload
        return data + _CRC.pack(zlib.crc32(data))


def _check(head: bytes) -> int:
    return zlib.crc32(head) & 255


class PacketReader:
    """Finds packets in bytes that may be damaged: by marker and check, then by CRC.

    Attributes
    ----------
    skipped : bytes since the last `next` that belong to no packet
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.skipped = 0

    def push(self, data: bytes) -> None:
        """Append what has arrived."""
        self._buffer += data

    def next(self) -> Packet | None:
        """The next whole packet, None if it has not arrived yet."""
        self.skipped = 0
        buffer, start = self._buffer, 0
        while True:
            at = buffer.find(SYNC, start)
            if at < 0:  # the marker's first byte may be the last one here
                at = len(buffer) - (buffer[-1:] == SYNC[:1])
                return self._wait(at)
            if len(buffer) - at < HEAD_BYTES:
                return self._wait(at)
            head = bytes(buffer[at : at + HEAD_BYTES])
            if head[-1] != _check(head[:-1]):
                start = at + 1
                continue
            end = at + OVERHEAD + int.from_bytes(head[-4:-1], "little")
            if len(buffer) < end:
                return self._wait(at)
            data = bytes(buffer[at:end])
            if zlib.crc32(data[:-4]) != _CRC.unpack_from(data, len(data) - 4)[0]:
                start = at + 1
                continue
            self.skipped += at
            del buffer[:end]
            return _parse(data)

    def _wait(self, at: int) -> None:
        """Drop what is in front of `at`."""
        self.skipped += at
        del self._buffer[:at]

    def finish(self) -> bool:
        """No more bytes will come: give up a packet that was waited for. Whether `next` may find others behind it."""
        if not self._buffer:
            return False
        self.skipped = 1
        del self._buffer[:1]
        return True


def _parse(data: bytes) -> Packet:
    _, kind, stream, sequence, _ = _HEAD.unpack_from(data)
    group = kind & (MAX_GROUPS - 1)
    return Packet(stream, group, sequence, bool(kind & KEY), bool(kind & LAST), data[HEAD_BYTES:-4])


@dataclass(frozen=True)
class Description:
    """What a key packet says of its stream.

    model : bytes, identity
    rate : Hz
    block : frames of a block
    period : blocks from one key packet to the next
    max_error : bound of the error, 0 for lossless
    groups : number of groups
    channels : of the stream
    first, count : channels of this group
    activity : whether packets hold activity chunks, and the bound is that of windows
    """

    model: bytes
    rate: int
    block: int
    period: int
    max_error: int
    groups: int
    channels: int
    first: int
    count: int
    activity: bool = False

    def pack(self) -> bytes:
        """As at the start of a key packet's payload."""
        return _DESCRIPTION.pack(
            _ACTIVITY if self.activity else _LOSSLESS,
            self.model,
            self.rate,
            self.block - 1,
            self.period,
            self.max_error,
            self.groups - 1,
            self.channels,
            self.first,
            self.count,
        )

    @classmethod
    def parse(cls, payload: bytes) -> tuple[Description, int]:
        """Parse the start of a key packet's payload; also gives the offset behind it. Raises `CorruptError`."""
        size = _DESCRIPTION.size
        if len(payload) < size:
            raise CorruptError("a key packet is too short")
        version, model, rate, block, period, max_error, groups, *channels = _DESCRIPTION.unpack_from(payload)
        if version not in (_LOSSLESS, _ACTIVITY):
            raise CorruptError(f"a stream of version {version}; a newer version of this program may read it")
        made = cls(model, rate, block + 1, period, max_error, groups + 1, *channels, version == _ACTIVITY)
        if made.block * made.channels > MAX_BLOCK_SAMPLES:
            raise CorruptError("a stream's blocks are beyond the limits")
        if not 1 <= made.count <= made.channels - made.first or made.groups > MAX_GROUPS or period < 1:
            raise CorruptError("a key packet holds impossible values")
        return made, size

    def same_stream(self, other: Description) -> bool:
        """Whether another group's description is of the same stream."""
        return replace(self, first=0, count=1) == replace(other, first=0, count=1)
