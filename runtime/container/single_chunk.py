"""A recording of one chunk without the blocks around it, for stores of many small arrays (docs/format.md 2.10)."""

from __future__ import annotations

import io

from ..core.errors import CorruptError
from ..core.names import IDENTITY_BYTES
from . import varint
from .blocks import BlockReader, BlockWriter
from .chunk_head import RANS, SHORT, chunk_frames, coding_number
from .header import Header

_CODINGS = (RANS, SHORT)
"""Those whose chunks have a checksum."""
_FLAGS = Header(1, 0).pack()[:1]
"""Of the header of an array."""


def pack(file: bytes) -> bytes | None:
    """Return a coded file without its blocks; None if there is more in it, or if its chunk has no checksum."""
    blocks = BlockReader(io.BytesIO(file))
    payloads = [block.payload for block in blocks if block.tag != b"E"]
    header, packed = blocks.header, blocks.header.pack()
    if len(payloads) != 1 or coding_number(payloads[0]) not in _CODINGS:
        return None
    (payload,) = payloads
    kind = packed[1:2] + varint.pack(header.channels)
    if packed != _header(kind, payload, header.model):
        return None
    return kind + payload + (header.model if coding_number(payload) == RANS else b"")


def restore(data: bytes, model: bytes) -> bytes:
    """Return the coded file again; `model` is the identity of any model, for chunks that need none.

    Raises
    ------
    CorruptError
    """
    try:
        channels, at = varint.parse(data, 1)
    except IndexError:
        raise CorruptError("encoded data end too early") from None
    payload = data[at:]
    if coding_number(payload) == RANS:
        payload, model = payload[:-IDENTITY_BYTES], payload[-IDENTITY_BYTES:]
    header = Header.parse(_header(data[:at], payload, model))
    expected = Header(channels, 0, model, header.dtype, chunk_frames(payload))
    if coding_number(payload) not in _CODINGS or header != expected:
        raise CorruptError("encoded data are no chunk of an array")
    file = io.BytesIO()
    writer = BlockWriter(file, header)
    writer.chunk(payload)
    writer.end()
    return file.getvalue()


def _header(kind: bytes, payload: bytes, model: bytes) -> bytes:
    """Return the header of an array, of its sample format and channels (`kind`), its only chunk and its model."""
    return _FLAGS + kind + varint.pack(0) + varint.pack(chunk_frames(payload) + 1) + model
