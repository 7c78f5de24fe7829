"""The table of a recording in several files, one for each lead: docs/format.md, section 2.6.

It holds names, times and all bytes besides the samples, and takes the place of the bytes in front of the samples.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import accumulate

from .errors import CorruptError
from .records import is_file_name

_ENTRY = struct.Struct("<BqII")
_UNKNOWN_TIME = -(2**63)


@dataclass(frozen=True)
class Member:
    """A file: its name, its time (ns since 1970), and what it holds in front of the samples and behind them."""

    name: str
    mtime: int | None
    front: bytes
    back: bytes


def pack(members: list[Member]) -> bytes:
    """The table."""
    parts = []
    for member in members:
        name = member.name.encode("utf-8")
        mtime = _UNKNOWN_TIME if member.mtime is None else member.mtime
        parts += [_ENTRY.pack(len(name), mtime, len(member.front), len(member.back)), name, member.front, member.back]
    return b"".join(parts)


def parse(table: bytes, leads: int) -> list[Member]:
    """Undo `pack`. Raises `CorruptError`, also for names that are not fit for files of one folder."""
    members, at = [], 0
    for _ in range(leads):
        if len(table) < at + _ENTRY.size:
            raise CorruptError("the table of files ends too early")
        length, mtime, front, back = _ENTRY.unpack_from(table, at)
        ends = list(accumulate([at + _ENTRY.size, length, front, back]))
        if ends[-1] > len(table):
            raise CorruptError("the table of files ends too early")
        raw, *outside = (table[a:b] for a, b in zip(ends, ends[1:]))
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise CorruptError("the name of a file is not UTF-8") from None
        members.append(Member(name, None if mtime == _UNKNOWN_TIME else mtime, *outside))
        at = ends[-1]
    if at != len(table) or len({member.name for member in members}) < leads:
        raise CorruptError("the table of files has the wrong size, or a name twice")
    if not all(is_file_name(member.name) for member in members):
        raise CorruptError("the table of files holds a name that is not one")
    return members
