"""The blocks of a middleout file: docs/format.md, section 2.

A file is magic, version and a run of blocks; each carries a CRC-32 that also covers its place in the run and the
header's own CRC, so that nothing can be changed, moved, dropped or taken from another file unnoticed. Reading and
writing go strictly forward, so pipes work; `index.py` adds random access to files.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from ..core import limits
from ..core.compressed_bytes import pack_blob, pack_file
from ..core.errors import CorruptError, FileFormatError, MiddleoutError
from ..core.file_io import read_up_to, write_all
from ..core.terms import FILES, PACKETS, RECORDS
from . import metadata as metadata_block
from . import record_bytes
from .chunk_head import chunk_frames
from .header import BLOCK_OVERHEAD, DIGEST_BYTES, MAX_LENGTH, Header, check_chunk, parse_foreign, parse_sum
from .index import Index

MAGIC = b"\x8fMDO"
VERSION = 1

_BLOCK = struct.Struct("<cI")
_CRC = struct.Struct("<I")
BLOCK_HEAD = _BLOCK.size
"""Bytes of a block in front of its payload."""
_PLACE = struct.Struct("<II")
_ORDER = b"".join(MAX_LENGTH)


@dataclass(frozen=True)
class Block:
    """One block as read: its CRC has been checked.

    kept : of a chunk, what belongs to the original's records that begin in it (`record_bytes`)
    """

    tag: bytes
    payload: bytes
    kept: bytes = b""


def block_crc(sequence: int, header_crc: int, tag: bytes, payload: bytes) -> int:
    """Return the CRC-32 over a block and its place in the file."""
    crc = zlib.crc32(_BLOCK.pack(tag, len(payload)), zlib.crc32(_PLACE.pack(sequence, header_crc)))
    return zlib.crc32(payload, crc)


class BlockWriter:
    """Write a file from its header on; call `chunk` for every chunk and `end` at last.

    Parameters
    ----------
    file : binary file object, need not be seekable
    header : Header
    model_data : bytes of the model file, if it is to be embedded (`header.embedded`)
    metadata : payload of the block of metadata (`metadata.pack`), if there are any
    """

    def __init__(self, file: BinaryIO, header: Header, model_data: bytes | None = None, metadata: bytes = b"") -> None:
        self._file = file
        self.header = header
        self._sequence = 0
        self._header_crc = 0
        self._index: Index | None = None
        self.offset = len(MAGIC) + 1
        write_all(file, MAGIC + bytes([VERSION]))
        self._header_crc = self._block(b"H", header.pack())
        if header.embedded:
            self._block(b"M", pack_blob(model_data or b"", always=True)[1])
        if metadata:
            self._block(b"J", metadata)

    def front(self, data: bytes) -> None:
        """Append bytes of the original in front of the samples; they come before the first chunk."""
        self._foreign(b"F", data, self.header.has_front and self._index is None)

    def back(self, data: bytes) -> None:
        """Append bytes of the original behind the samples; they come after the last chunk."""
        self._begun()
        self._foreign(b"B", data, self.header.may_have_back)

    def _foreign(self, tag: bytes, data: bytes, possible: bool) -> None:
        if data and not possible:
            raise MiddleoutError("the file changed while it was read")
        for start in range(0, len(data), limits.MAX_FOREIGN_PIECE):
            coding, body = pack_file(data[start : start + limits.MAX_FOREIGN_PIECE])
            self._block(tag, bytes([coding]) + body)

    def _begun(self) -> Index:
        """Return the index of the chunks, the first of which comes here or has come."""
        if self._index is None:
            self._index = Index(self.offset)
        return self._index

    def chunk(self, payload: bytes, kept: bytes = b"") -> None:
        """Append one chunk, and what is kept of the original's records that begin in it."""
        index = self._begun()
        if len(index.frames) == limits.MAX_CHUNKS:
            raise MiddleoutError(f"a file holds at most {limits.MAX_CHUNKS} chunks; cut the recording")
        index.frames.append(chunk_frames(payload, self.header.channels))
        if self.header.source == RECORDS:
            payload = record_bytes.attach(payload, kept)
        index.sizes.append(len(payload) + BLOCK_OVERHEAD)
        self._block(b"C", payload)

    def end(self, digest: bytes | None = None) -> Index:
        """Write the end of the file, with the SHA-256 of the original if it is to hold one."""
        index = self._begun()
        if self.header.frames not in (None, index.total):
            raise MiddleoutError(f"{index.total} frames were there, not the {self.header.frames} expected")
        if self.header.summed:
            self._block(b"S", (digest or bytes(DIGEST_BYTES)) + self.header.pack())
        self._block(b"E", index.pack())
        return index

    def _block(self, tag: bytes, payload: bytes) -> int:
        crc = block_crc(self._sequence, self._header_crc, tag, payload)
        write_all(self._file, b"".join((_BLOCK.pack(tag, len(payload)), payload, _CRC.pack(crc))))
        self.offset += len(payload) + BLOCK_OVERHEAD
        self._sequence += 1
        return crc


class BlockReader:
    """Read a file from its start on, block by block, and checks all that can be checked without decoding.

    The header has been read when the constructor returns. Raises FileFormatError for what is no middleout file of a
    known version, CorruptError for anything that is not as it was written. With the first chunk, or the end, `table` is
    complete, which describes the files of a recording that is several (`file_table`) or the records of its file
    (`records.Layout`), and so are `metadata`; at the end, `digest` is the SHA-256 of the original, None for none.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        start = read_up_to(file, len(MAGIC) + 1)
        if start[: len(MAGIC)] != MAGIC:
            packets = start.startswith(PACKETS)
            raise FileFormatError("not a middleout file" + ", but packets: stream decode" * packets)
        if len(start) == len(MAGIC):
            raise CorruptError("the file is truncated")
        if start[-1] != VERSION:
            raise FileFormatError(f"middleout format version {start[-1]} is not supported, only version {VERSION}")
        self.offset = len(start)
        self.sequence = 0
        self.header_crc = 0
        self._first_payload, self.header_crc, _ = self._read(b"H")
        self.header = Header.parse(self._first_payload)
        self.metadata: dict[str, Any] = {}
        self.index: Index | None = None
        self.digest: bytes | None = None
        self._table: list[bytes] = []
        self._seen = Index(0)
        self._first = 0  # offset of what comes behind the front, once it is known
        self._tag = b"H"

    def next(self) -> Block:
        """Read the next block; after `E`, whose payload is kept as `index`, the file must be at its end."""
        payload, _, tag = self._read()
        block = Block(tag, payload)
        self._check_order(block)
        self._tag = block.tag
        if block.tag == b"J":
            self.metadata = metadata_block.parse(payload, self.header.channels)
        if block.tag == b"F" and self.header.source in (FILES, RECORDS):
            self._read_table(block)
        if block.tag == b"C":
            self._seen.sizes.append(len(payload) + BLOCK_OVERHEAD)
            block = Block(tag, *chunk_parts(payload, self.header))
            self._seen.frames.append(chunk_frames(block.payload, self.header.channels))
        elif block.tag == b"S":
            self.digest, copy = parse_sum(payload)
            if copy != self._first_payload or self.digest and not self.header.in_order:
                raise CorruptError("the second copy of the header is another one, or a checksum is of nothing")
        elif block.tag == b"E":
            self._finish(payload)
        return block

    def _read_table(self, block: Block) -> None:
        self._table.append(parse_foreign(block.payload))
        if sum(map(len, self._table)) > limits.MAX_FOREIGN_BYTES:
            raise CorruptError("the table of files is beyond the limits")

    @property
    def table(self) -> bytes:
        """The table of files, as far as it has been read; empty where the recording is one file."""
        return b"".join(self._table)

    def __iter__(self) -> Iterator[Block]:
        while self.index is None:
            yield self.next()

    def skip_chunks(self, index: Index) -> None:
        """Take the chunks as read that a seekable file's index tells of, and go on behind them."""
        self._first = index.first
        self._seen = index
        self._tag = b"C"
        self.offset = index.first + sum(index.sizes)
        self.sequence += len(index.sizes)
        self._file.seek(self.offset)

    def _check_order(self, block: Block) -> None:
        header, tag = self.header, block.tag
        again = tag == self._tag and tag in b"HMJS"
        if again or _ORDER.index(tag) < _ORDER.index(self._tag):
            raise CorruptError(f"block {tag.decode()} in the wrong place")
        if self._tag == b"H" and header.embedded != (tag == b"M"):
            raise CorruptError("the header and the blocks disagree about an embedded model")
        if tag == b"F" and not header.has_front or tag == b"B" and not header.may_have_back:
            raise CorruptError("bytes that do not belong to the samples, against the header")
        if tag == b"E" and header.summed != (self._tag == b"S") or tag == b"S" and not header.summed:
            raise CorruptError("the header and the blocks disagree about a checksum of the original")
        if tag in b"CBSE" and not self._first:
            self._first = self.offset - len(block.payload) - BLOCK_OVERHEAD
            if header.has_front and self._tag != b"F":
                raise CorruptError("the original's header is missing")

    def _finish(self, payload: bytes) -> None:
        index = Index.parse(payload)
        seen = Index(self._first, self._seen.frames, self._seen.sizes)
        if index is None and len(seen.frames) <= 1:
            index = seen
        if index != seen:
            raise CorruptError("the index does not agree with the chunks")
        if self.header.frames not in (None, index.total):
            raise CorruptError("the chunks do not add up to the frames that the header announces")
        if self._file.read(1):
            raise CorruptError("there are bytes behind the end of the recording")
        self.index = index

    def _read(self, expected: bytes | None = None) -> tuple[bytes, int, bytes]:
        payload, crc, tag = read_block(self._file, self.sequence, self.header_crc, expected)
        self.offset += len(payload) + BLOCK_OVERHEAD
        self.sequence += 1
        return payload, crc, tag


def chunk_parts(payload: bytes, header: Header) -> tuple[bytes, bytes]:
    """Return the chunk in the payload of a block `C`, and what is kept of records (`Block.kept`)."""
    chunk, kept = record_bytes.detach(payload) if header.source == RECORDS else (payload, b"")
    check_chunk(chunk, header)
    return chunk, kept


def read_through(file: BinaryIO) -> Header:
    """Read a whole file and check its blocks. Returns its header; raises what `BlockReader` does."""
    blocks = BlockReader(file)
    for _ in blocks:
        pass
    return blocks.header


def read_block(
    file: BinaryIO, sequence: int, header_crc: int, expected: bytes | None = None
) -> tuple[bytes, int, bytes]:
    """Read one block and check its CRC. Returns payload, CRC and tag."""
    head = read_up_to(file, _BLOCK.size)
    if len(head) < _BLOCK.size:
        raise CorruptError("the file is truncated: its end block is missing")
    tag, length = _BLOCK.unpack(head)
    if tag not in MAX_LENGTH or expected not in (None, tag):
        raise CorruptError(f"damaged at block {sequence}: unknown or unexpected tag {tag!r}")
    if length > MAX_LENGTH[tag]:
        raise CorruptError(f"damaged at block {sequence}: impossible length {length}")
    body = read_up_to(file, length + _CRC.size)
    if len(body) < length + _CRC.size:
        raise CorruptError(f"the file is truncated, or damaged at block {sequence}")
    payload, (crc,) = body[:length], _CRC.unpack(body[length:])
    if crc != block_crc(sequence, header_crc, tag, payload):
        raise CorruptError(f"damaged at block {sequence}: its checksum is wrong")
    return payload, crc, tag
