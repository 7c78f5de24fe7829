"""Packets of a stream: docs/format.md section 11."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from ..core.errors import CorruptError
from ..core.names import IDENTITY_BYTES
from ..core.terms import PACKETS

_KEY, _LAST, _PARITY = 1, 2, 4
"""Flags of a packet; the bits above are the size of parity groups."""
_GROUP_SHIFT = 3
MAX_GROUP = 31
MAX_BLOCK = 1 << 16
MAX_BLOCK_SAMPLES = 1 << 22
SEQUENCES = 1 << 32

_HEAD = struct.Struct("<2sBBI3s")
HEAD_BYTES = _HEAD.size + 1
OVERHEAD = HEAD_BYTES + 4
"""Bytes of a packet besides its payload."""
_CRC = struct.Struct("<I")
_DESCRIPTION = struct.Struct(f"<B{IDENTITY_BYTES}sIHIBH")
DESCRIPTION_BYTES = _DESCRIPTION.size
_LOSSLESS, _SPIKES = 1, 2
"""Versions, by what packets hold."""


@dataclass(frozen=True)
class Packet:
    """One block of frames, or what restores one of a group's packets.

    stream : number of the stream, 0..255
    sequence : number of the block, modulo 2^32; of a parity packet, of its group's first one
    key : whether the state begins anew, with everything that a decoder needs to join
    last : whether the stream ends with it
    payload : bytes
    group : packets of a parity group, 0 in streams without parity
    parity : whether it is a parity packet
    """

    stream: int
    sequence: int
    key: bool
    last: bool
    payload: bytes
    group: int = 0
    parity: bool = False

    @property
    def flags(self) -> int:
        """The byte of flags."""
        return _KEY * self.key | _LAST * self.last | _PARITY * self.parity | self.group << _GROUP_SHIFT

    def pack(self) -> bytes:
        """Return the packet with sync marker, check and CRC."""
        size = len(self.payload).to_bytes(3, "little")
        head = _HEAD.pack(PACKETS, self.flags, self.stream, self.sequence % SEQUENCES, size)
        data = head + bytes([_check(head)]) + self.payload
        return data + _CRC.pack(zlib.crc32(data))


def _check(head: bytes) -> int:
    return zlib.crc32(head) & 255


def are_flags(flags: int) -> bool:
    """Return whether a packet may have these flags."""
    return not flags & _PARITY or flags >> _GROUP_SHIFT > 0 and not flags & (_KEY | _LAST)


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
        """Return the next whole packet, None if it has not arrived yet.

        Damage may give a head a wrong length and a right check. A packet that is not complete is given up when two
        whole ones in a row have come behind its head.
        """
        self.skipped = 0
        buffer, start, begun = self._buffer, 0, -1
        while (at := buffer.find(PACKETS, start)) >= 0:
            start, end = at + 1, self._end(at)
            if 0 <= end <= len(buffer) and self._is_good(at, end):
                if begun >= 0 and not self._is_good(end, self._end(end)):
                    break
                self.skipped += at
                data = bytes(buffer[at:end])
                del buffer[:end]
                return parse(data)
            begun = at if begun < 0 and end > len(buffer) else begun
        # the marker's first byte may be the last one here
        self._drop(begun if begun >= 0 else len(buffer) - (buffer[-1:] == PACKETS[:1]))
        return None

    def _end(self, at: int) -> int:
        """Return where a packet ends, -1 if there is none; behind all that is here where its head is not complete."""
        head = bytes(self._buffer[at : at + HEAD_BYTES])
        if len(head) < HEAD_BYTES:
            return len(self._buffer) + 1
        if not head.startswith(PACKETS) or head[-1] != _check(head[:-1]) or not are_flags(head[2]):
            return -1
        return at + OVERHEAD + int.from_bytes(head[-4:-1], "little")

    def _is_good(self, at: int, end: int) -> bool:
        """Return whether the bytes of a packet are here and right."""
        if not at < end <= len(self._buffer):
            return False
        data = self._buffer[at:end]
        return zlib.crc32(data[:-4]) == _CRC.unpack_from(data, len(data) - 4)[0]

    def _drop(self, count: int) -> None:
        """Drop the first bytes."""
        self.skipped += count
        del self._buffer[:count]

    def finish(self) -> bool:
        """Give up a packet that is not complete, since no more bytes will come.

        Returns
        -------
        bool
            Whether `next` may find other packets behind it.
        """
        if not self._buffer:
            return False
        self.skipped = 1
        del self._buffer[:1]
        return True


def parse(data: bytes) -> Packet:
    """Return the packet that a whole good one's bytes are."""
    _, flags, stream, sequence, _ = _HEAD.unpack_from(data)
    return of_flags(flags, stream, sequence, data[HEAD_BYTES:-4])


def of_flags(flags: int, stream: int, sequence: int, payload: bytes) -> Packet:
    """Return the packet with a byte of flags."""
    key, last, parity = (bool(flags & bit) for bit in (_KEY, _LAST, _PARITY))
    return Packet(stream, sequence, key, last, payload, flags >> _GROUP_SHIFT, parity)


@dataclass(frozen=True)
class Description:
    """What a key packet begins with: the stream that it is of.

    model : bytes, identity
    sample_rate : Hz
    block : frames of a block
    period : blocks from one key packet to the next
    max_error : bound of the error, 0 for lossless
    channels : of the stream
    spikes : whether packets hold spike chunks, and the bound is that of windows
    """

    model: bytes
    sample_rate: int
    block: int
    period: int
    max_error: int
    channels: int
    spikes: bool = False

    def pack(self) -> bytes:
        """Return the first bytes of a key packet's payload."""
        version = _SPIKES if self.spikes else _LOSSLESS
        numbers = self.sample_rate, self.block - 1, self.period, self.max_error, self.channels
        return _DESCRIPTION.pack(version, self.model, *numbers)

    @classmethod
    def parse(cls, payload: bytes) -> Description:
        """Parse the first bytes of a key packet's payload. Raises `CorruptError`."""
        if len(payload) < DESCRIPTION_BYTES:
            raise CorruptError("a key packet is too short")
        version, model, sample_rate, block, period, max_error, channels = _DESCRIPTION.unpack_from(payload)
        if version not in (_LOSSLESS, _SPIKES):
            raise CorruptError(f"a stream of version {version}; a newer version of this program may read it")
        made = cls(model, sample_rate, block + 1, period, max_error, channels, version == _SPIKES)
        if made.block * channels > MAX_BLOCK_SAMPLES:
            raise CorruptError("a stream's blocks are beyond the limits")
        if channels < 1 or period < 1:
            raise CorruptError("a key packet holds impossible values")
        return made
