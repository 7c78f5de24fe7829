"""Where the chunks of a file are: by the index at its end, or by scanning it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ..core.errors import CorruptError
from ..core.file_io import read_up_to
from .blocks import BlockReader
from .chunk_head import chunk_frames
from .header import BLOCK_OVERHEAD, MAX_LENGTH, Header, parse_model
from .index import NO_INDEX, Index


@dataclass(frozen=True)
class Layout:
    """Where the chunks of a file are, and what reading them takes."""

    header: Header
    header_crc: int
    index: Index
    first_sequence: int
    embedded: bytes | None
    table: bytes = b""
    metadata: dict[str, Any] = field(default_factory=dict)
    digest: bytes | None = None


def read_layout(file: BinaryIO) -> Layout:
    """Read everything of a seekable file but its chunks, by the index at its end."""
    file.seek(0)
    blocks = BlockReader(file)
    index = _read_index(file)
    if index is None:  # no or one chunk
        return _scan(file)
    if not index.fits(blocks.header.channels):
        raise CorruptError("the index holds impossible numbers of frames")
    file.seek(blocks.offset)
    embedded = None
    while blocks.offset < index.first:
        block = blocks.next()
        if block.tag == b"M":
            embedded = parse_model(block.payload, blocks.header.model)
    first_sequence = blocks.sequence
    if blocks.offset != index.first:
        raise CorruptError("the index does not agree with the chunks")
    blocks.skip_chunks(index)
    for _ in blocks:
        pass
    return _layout(blocks, index, first_sequence, embedded)


def _read_index(file: BinaryIO) -> Index | None:
    """Find the end block from the end of the file, without checking it. None where it has no index."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - BLOCK_OVERHEAD))
    last = read_up_to(file, BLOCK_OVERHEAD)
    if last.startswith(NO_INDEX):
        return None
    size = int.from_bytes(last[-8:-4], "little")
    if not BLOCK_OVERHEAD < size <= min(end, MAX_LENGTH[b"E"] + BLOCK_OVERHEAD):
        raise CorruptError("the file is truncated or damaged: its end block is missing")
    file.seek(end - size)
    block = read_up_to(file, size)
    if block[:1] != b"E" or int.from_bytes(block[1:5], "little") != size - BLOCK_OVERHEAD:
        raise CorruptError("the file is truncated or damaged: its end block is missing")
    return Index.parse(block[5:-4])


def scan_layout(file: BinaryIO) -> Layout:
    """Read the file from its start up to the first damage; the result is that of `read_layout`."""
    return _scan(file, damaged=True)


def _scan(file: BinaryIO, damaged: bool = False) -> Layout:
    file.seek(0)
    blocks = BlockReader(file)
    embedded = None
    index = None
    first_sequence = blocks.sequence
    try:
        while blocks.index is None:
            offset, sequence = blocks.offset, blocks.sequence
            block = blocks.next()
            if block.tag == b"M":
                embedded = parse_model(block.payload, blocks.header.model)
            if block.tag == b"C":
                if index is None:
                    index, first_sequence = Index(offset), sequence
                index.frames.append(chunk_frames(block.payload, blocks.header.channels))
                index.sizes.append(blocks.offset - offset)
    except CorruptError:
        if not damaged:
            raise
    found = index or Index(blocks.offset)
    return _layout(blocks, found, first_sequence, embedded)


def _layout(blocks: BlockReader, index: Index, first_sequence: int, embedded: bytes | None) -> Layout:
    """Return what was read, with header, file table and metadata."""
    header, crc = blocks.header, blocks.header_crc
    return Layout(header, crc, index, first_sequence, embedded, blocks.table, blocks.metadata, blocks.digest)
