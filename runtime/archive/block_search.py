"""The blocks of a damaged file that can be proved: by tag, length and crc, which covers their place in the file.

The search goes on behind every damage. Candidates are bytes that look like the start of a block; the crc of one tells
its sequence number (`crc_inverse`), so that neither lost nor foreign bytes in between matter.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import zstandard

from ..container.blocks import BLOCK_HEAD, MAGIC, VERSION, block_crc
from ..container.chunk_head import CHUNK_HEAD, chunk_type, longest_chunk
from ..container.header import BLOCK_OVERHEAD, DIGEST_BYTES, MAX_LENGTH, Header, parse_sum
from ..core import limits, sample_formats
from ..core.compressed_bytes import RAW
from ..core.errors import CorruptError, FileFormatError
from ..core.file_io import PositionalFile
from ..core.terms import KEPT
from .crc_inverse import sequence_of

_WINDOW, _SECTOR = 1 << 20, 1 << 12
_BEHIND = CHUNK_HEAD.size + 1
"""Bytes of a chunk that tell whether it can be one."""
_BLOCK = re.compile(rb"(?=([MJFBSE].{3}[\x00-\x02]|C.{3}[\x00-\x20].{3}[\x00\x01]))", re.DOTALL)
_FIRST = re.compile(rb"(?=H[\x01-\x47]\x00\x00\x00)", re.DOTALL)
_COPY = re.compile(rb"(?=S[\x21-\x67]\x00\x00\x00)", re.DOTALL)
_HEADER_WITHIN = 1 << 16
"""Bytes from the start in which a header is looked for: one further behind is that of another file in this one."""
_NEAR, _MOST = 1 << 10, limits.MAX_CHUNKS + (1 << 10)
"""Blocks that may be missing without more evidence for the next one; sequence numbers of a file."""


class DamagedFile:
    """A file of which any part can be read; what the disk can't read is 0."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = PositionalFile(file)
        self.size = file.seek(0, os.SEEK_END)

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes from `offset` on, fewer only at the end of the file."""
        count = max(0, min(count, self.size - offset))
        try:
            return self._file.read_at(offset, count)
        except OSError:
            if count > _SECTOR:
                parts = range(offset, offset + count, _SECTOR)
                return b"".join(self.read(part, min(_SECTOR, offset + count - part)) for part in parts)
            return bytes(count)

    def find(self, pattern: re.Pattern[bytes], start: int, stop: int, longest: int) -> Iterator[int]:
        """Yield where a pattern of at most `longest` bytes matches, from `start` up to `stop`."""
        for at in range(start, stop, _WINDOW):
            data = self.read(at, min(_WINDOW, stop - at) + longest)
            for match in pattern.finditer(data):
                if match.start() < min(_WINDOW, stop - at):
                    yield at + match.start()


@dataclass(frozen=True)
class Found:
    """A block that is proved.

    offset : of its tag
    size, check : bytes of its payload, and their CRC-32
    """

    sequence: int
    tag: bytes
    offset: int
    size: int
    check: int

    @property
    def end(self) -> int:
        """The offset behind the block."""
        return self.offset + self.size + BLOCK_OVERHEAD

    def payload(self, file: DamagedFile) -> bytes:
        """Read the payload. Raises `CorruptError` where the disk gives other bytes than before."""
        data = file.read(self.offset + BLOCK_HEAD, self.size)
        if zlib.crc32(data) != self.check:
            raise CorruptError("the file changes while it is read")
        return data


@dataclass(frozen=True)
class FoundHeader:
    """A header that is proved.

    crc : of its block, which all others depend on
    end : offset behind its block
    how : what was done to get it, in words; empty where it is intact
    certain : whether `end` is; else, it is that of a block at the usual place with nothing lost or added
    """

    header: Header
    crc: int
    end: int
    how: str = ""
    certain: bool = True


def find_header(file: DamagedFile) -> FoundHeader:
    """Find the header of a damaged file: its own, one that a single changed byte makes whole, or the second copy.

    Raises
    ------
    FileFormatError
        There is none.
    """
    start = len(MAGIC) + 1
    usual = file.read(0, start) == MAGIC + bytes([VERSION])
    if found := _header_at(file.read(start, MAX_LENGTH[b"H"] + BLOCK_OVERHEAD), start):
        how = "" if usual else "the first bytes of the file are damaged"
        return FoundHeader(*found, how)
    copies = list(file.find(_COPY, 0, file.size, BLOCK_HEAD))
    for at in reversed(copies):
        if found := _second_copy(file, at):
            return FoundHeader(*found, "the header is damaged; its second copy took its place", certain=False)
    for at in file.find(_FIRST, 0, min(file.size, _HEADER_WITHIN), BLOCK_HEAD):
        if found := _header_at(file.read(at, MAX_LENGTH[b"H"] + BLOCK_OVERHEAD), at):
            return FoundHeader(*found, "the file does not begin with its header")
    for data, shift in _repaired(file.read(start, MAX_LENGTH[b"H"] + BLOCK_OVERHEAD)):
        if found := _header_at(data, start - shift):
            return FoundHeader(*found, "a damaged byte of the header was found by its checksum", certain=False)
    raise FileFormatError("neither the header of a middleout file is there nor its second copy; nothing can be saved")


def _header_at(data: bytes, offset: int) -> tuple[Header, int, int] | None:
    """Return the header, its crc and the offset behind it, if a proved one begins the data."""
    size = int.from_bytes(data[1:BLOCK_HEAD], "little")
    if data[:1] != b"H" or size > MAX_LENGTH[b"H"] or len(data) < size + BLOCK_OVERHEAD:
        return None
    payload, end = data[BLOCK_HEAD : BLOCK_HEAD + size], size + BLOCK_OVERHEAD
    crc = int.from_bytes(data[end - 4 : end], "little")
    header = _parsed(payload) if crc == block_crc(0, 0, b"H", payload) else None
    return None if header is None else (header, crc, offset + end)


def _second_copy(file: DamagedFile, offset: int) -> tuple[Header, int, int] | None:
    """Return what `_header_at` does, of the block `S` at an offset."""
    size = int.from_bytes(file.read(offset + 1, 4), "little")
    data = file.read(offset + BLOCK_HEAD, size + 4)
    if len(data) < size + 4 or size <= DIGEST_BYTES:
        return None
    copy = parse_sum(data[:-4])[1]
    header, crc = _parsed(copy), block_crc(0, 0, b"H", copy)
    sequence = sequence_of(int.from_bytes(data[-4:], "little"), crc, b"S", data[:-4])
    if header is None or not header.summed or not 0 < sequence <= _MOST:
        return None
    return header, crc, len(MAGIC) + 1 + len(copy) + BLOCK_OVERHEAD


def _parsed(payload: bytes) -> Header | None:
    try:
        return Header.parse(payload)
    except CorruptError:
        return None


def _repaired(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield what a block was if one byte of it has changed, got lost or was added; and how many bytes were added."""
    for at in range(min(len(data), MAX_LENGTH[b"H"] + BLOCK_OVERHEAD)):
        for value in range(256):
            byte = bytes([value])
            yield data[:at] + byte + data[at + 1 :], 0
            yield data[:at] + byte + data[at:], 1
        yield data[:at] + data[at + 1 :], -1


class Search:
    """The search for all blocks but the header.

    Parameters
    ----------
    file : DamagedFile
    header : FoundHeader
    """

    def __init__(self, file: DamagedFile, header: FoundHeader) -> None:
        self._file, self._header_crc = file, header.crc
        self._header = header.header
        self._most = _MOST
        self._start, self._from = header.end, header.end if header.certain else 0
        self._longest = longest_chunk(self._header.channels)
        self._frame_bytes = 2 * self._header.channels * (self._header.sample_bits // 8)
        self._extra = (1 << 16) + limits.MAX_FOREIGN_BYTES * self._header.has_front
        self._tags = b"BSE" if self._header.source == KEPT else b"MJFCBSE"

    def blocks(self) -> list[Found]:
        """Return all blocks that are proved, in their order."""
        end = self._end()
        self._most = end.sequence if end else _MOST
        found: list[Found] = []
        at, last = self._start, 0
        while at < self._file.size:
            block = self._block(at, last) or self._next(at if found else self._from, last)
            if block is None:
                break
            found.append(block)
            at, last = block.end, block.sequence
            if block.tag in b"CBSE":
                self._tags = b"CBSE" if self._header.source != KEPT else b"BSE"
            if block.tag == b"E":
                break
        return found

    def _end(self) -> Found | None:
        """Return the block `E` if the file ends with it."""
        last = self._file.read(self._file.size - BLOCK_OVERHEAD, BLOCK_OVERHEAD)
        size = int.from_bytes(last[-8:-4], "little")
        for offset in (self._file.size - BLOCK_OVERHEAD, self._file.size - size):
            if offset > 0 and self._file.read(offset, 1) == b"E" and (block := self._block(offset, 0)):
                return block
        return None

    def _next(self, start: int, last: int) -> Found | None:
        """Return the first block behind a damage."""
        head = self._head(start)
        if head is not None and (block := self._block(start + head[1] + BLOCK_OVERHEAD, last)):
            return block
        for offset in self._file.find(_BLOCK, start, self._file.size, BLOCK_HEAD + 4):
            if self._is_likely(offset) and (block := self._block(offset, last)):
                return block
        return None

    def _head(self, offset: int) -> tuple[bytes, int] | None:
        """Return tag and length of the block at an offset, if there can be one."""
        head = self._file.read(offset, BLOCK_HEAD)
        tag, size = head[:1], int.from_bytes(head[1:], "little")
        if len(head) < BLOCK_HEAD or tag not in MAX_LENGTH or tag not in self._tags or size > MAX_LENGTH[tag]:
            return None
        return (tag, size) if offset + size + BLOCK_OVERHEAD <= self._file.size else None

    def _is_likely(self, offset: int) -> bool:
        """Tell by its first bytes whether a block at an offset is worth its crc."""
        head = self._head(offset)
        if head is None:
            return False
        tag, size = head
        start = self._file.read(offset + BLOCK_HEAD, min(size, _BEHIND))
        if tag == b"C":
            frames = int.from_bytes(start[:4], "little")
            fits = 0 < frames <= self._longest and size <= frames * self._frame_bytes + self._extra
            return fits and chunk_type(start) == sample_formats.plain_type(self._header.dtype)
        if tag == b"E":
            if size == 0:
                return offset + BLOCK_OVERHEAD == self._file.size
            return int.from_bytes(self._file.read(offset + size + 1, 4), "little") == size + BLOCK_OVERHEAD
        if tag == b"M":
            return start.startswith(zstandard.FRAME_HEADER)
        if tag == b"S":
            return self._file.read(offset + size + BLOCK_OVERHEAD, 1) == b"E"
        return start[:1] == bytes([RAW]) or start[1:].startswith(zstandard.FRAME_HEADER)

    def _block(self, offset: int, last: int) -> Found | None:
        """Return the block at an offset, if it is proved and comes behind the block of the sequence number `last`."""
        head = self._head(offset)
        if head is None:
            return None
        tag, size = head
        body = self._file.read(offset + BLOCK_HEAD, size + 4)
        payload, crc = body[:size], int.from_bytes(body[size:], "little")
        sequence = last + 1
        if crc != block_crc(sequence, self._header_crc, tag, payload):
            sequence = sequence_of(crc, self._header_crc, tag, payload)
        block = Found(sequence, tag, offset, size, zlib.crc32(payload))
        near = last < sequence <= last + _NEAR
        further = last < sequence <= self._most and (block.end == self._file.size or self._head(block.end) is not None)
        return block if near or further else None
