"""The index of the chunks in the end block `E` (docs/format.md section 2)."""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass, field

from ..core import limits
from ..core.compressed_bytes import index_from_bytes, index_to_bytes, pack_blob, parse_blob
from ..core.errors import CorruptError
from .chunk_head import longest_chunk
from .header import BLOCK_OVERHEAD

_END = struct.Struct("<BIQ")
NO_INDEX = b"E" + bytes(4)
"""How the last 9 bytes of a file without an index begin: its end block is empty."""


@dataclass(frozen=True)
class Index:
    """Block `E`: frames and block size of every chunk, and the file offset of the first one."""

    first: int
    frames: array = field(default_factory=lambda: array("I"))
    sizes: array = field(default_factory=lambda: array("I"))

    @property
    def total(self) -> int:
        """Frames of the recording."""
        return sum(self.frames)

    def fits(self, channels: int) -> bool:
        """Return whether all chunks can be as long as it says."""
        return 1 <= min(self.frames, default=1) and max(self.frames, default=1) <= longest_chunk(channels)

    def pack(self) -> bytes:
        """Return the payload of the block; no or one chunk need no index."""
        if len(self.frames) <= 1:
            return b""
        coding, body = pack_blob(index_to_bytes(self.frames, self.sizes))
        size = BLOCK_OVERHEAD + _END.size + len(body) + 4
        return _END.pack(coding, len(self.frames), self.first) + body + struct.pack("<I", size)

    @classmethod
    def parse(cls, payload: bytes) -> Index | None:
        """Parse a payload, whose CRC may still have to be checked; None where it is left out."""
        if not payload:
            return None
        if len(payload) < _END.size + 4:
            raise CorruptError("the end block is too short")
        coding, chunks, first = _END.unpack_from(payload)
        size = int.from_bytes(payload[-4:], "little")
        if size != len(payload) + BLOCK_OVERHEAD or not 1 < chunks <= limits.MAX_CHUNKS:
            raise CorruptError("the end block holds impossible values")
        body = parse_blob(coding, payload[_END.size : -4], chunks * 8)
        if len(body) != chunks * 8:
            raise CorruptError("the end block's index has the wrong size")
        frames, sizes = index_from_bytes(body)
        return cls(first, frames, sizes)
