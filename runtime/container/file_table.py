"""The table of a recording in several files, one for each channel: docs/format.md, section 2.6.

It holds names, times and all bytes besides the samples, and takes the place of the bytes in front of the samples.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ..core.errors import CorruptError
from ..core.names import is_file_name

_ENTRY = struct.Struct("<BqB")
_COUNTS = struct.Struct("<II")
_UNKNOWN_TIME = -(2**63)

_USUAL = 1
"""Flag: only a canonical WAV header is in front and nothing behind."""


@dataclass(frozen=True)
class Member:
    """A file: its name, its time (ns since 1970), and what it holds in front of the samples and behind them."""

    name: str
    mtime: int | None
    front: bytes
    back: bytes


def pack(members: list[Member], usual: bytes) -> bytes:
    """Return the table; `usual` is what a canonical WAV file of such samples has in front of them."""
    parts = []
    for member in members:
        with_header = member.front == usual and not member.back
        mtime = _UNKNOWN_TIME if member.mtime is None else member.mtime
        name = member.name.encode("utf-8")
        parts += [_ENTRY.pack(_USUAL * with_header, mtime, len(name)), name]
        if not with_header:
            parts += [_COUNTS.pack(len(member.front), len(member.back)), member.front, member.back]
    return b"".join(parts)


def parse(table: bytes, channels: int, usual: bytes) -> list[Member]:
    """Undo `pack`. Raises `CorruptError`, also for names that are not fit for files of one folder."""
    members, reader = [], _Reader(table)
    for _ in range(channels):
        flags, mtime, size = _ENTRY.unpack(reader.take(_ENTRY.size))
        if flags & ~_USUAL:
            raise CorruptError("the table of files has an unknown flag")
        name, front, back = _decoded(reader.take(size)), usual, b""
        if not flags & _USUAL:
            front, back = map(reader.take, _COUNTS.unpack(reader.take(_COUNTS.size)))
        members.append(Member(name, None if mtime == _UNKNOWN_TIME else mtime, front, back))
    if reader.at != len(table) or len({member.name for member in members}) < channels:
        raise CorruptError("the table of files has the wrong size, or a name twice")
    if not all(is_file_name(member.name) for member in members):
        raise CorruptError("the table of files holds a name that is not one")
    return members


def _decoded(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        raise CorruptError("the name of a file is not UTF-8") from None


class _Reader:
    """Take the next bytes of a table, or raise `CorruptError`."""

    def __init__(self, table: bytes) -> None:
        self._table, self.at = table, 0

    def take(self, count: int) -> bytes:
        self.at += count
        if self.at > len(self._table):
            raise CorruptError("the table of files ends too early")
        return self._table[self.at - count : self.at]
