"""One recording in several files, one for each lead: docs/format.md, section 2.6.

The bytes of the files besides the samples, their names and times are a table, which takes the place of the bytes in
front of the samples.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from . import formats, limits, paths
from .container import read_up_to
from .errors import CorruptError, FileFormatError, MiddleoutError, UsageError
from .records import is_file_name
from .terms import FILES

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
        ends = np.cumsum([at + _ENTRY.size, length, front, back]).tolist()
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


@dataclass(frozen=True)
class _Part:
    """Where the samples of a file are."""

    path: str
    start: int


class MembersReader:
    """Several files as the leads of a recording; attributes and methods are those of `sources.Source`.

    Parameters
    ----------
    files : paths; `-` is not among them
    open_one : gives the reader of an opened input
    """

    kind = FILES
    canonical = False
    lead_time = False

    def __init__(self, files: list[str], open_one: Callable) -> None:
        if len(files) > limits.MAX_LEADS:
            raise UsageError(f"{len(files)} leads; possible are 1 to {limits.MAX_LEADS}")
        self.leads = len(files)
        self.outside = 0
        self._form: tuple | None = None
        self._parts: list[_Part] = []
        members = [self._open(path, open_one) for path in files]
        names = [member.name for member in members]
        if len(set(names)) < len(names):
            raise UsageError("two of the files have the same name")
        self.front = pack(members)
        self.frames, self.dtype, self.rate = self._form
        self._done = 0

    def _open(self, path: str, open_one: Callable) -> Member:
        """Look at a file; its samples are read when it is their turn."""
        name = os.path.basename(path)
        if not is_file_name(name):
            raise UsageError(f"{path}: such a name can't be restored everywhere; rename the file")
        with _opened(path) as source:
            if source.size is None:
                raise UsageError(f"{path}: not a regular file")
            try:
                reader = open_one(source)
            except MiddleoutError as error:
                raise type(error)(f"{path}: {error}") from None
            if reader.leads != 1:
                raise UsageError(f"{path}: {reader.leads} leads; files of an array hold one each")
            form = (reader.frames, reader.dtype, reader.rate)
            self._form = self._form or form
            if form != self._form:
                raise UsageError(f"{path}: {_plain(form)}, unlike the files before: {_plain(self._form)}")
            rest = source.size - len(reader.front) - reader.frames * formats.width(reader.dtype)
            self.outside += len(reader.front) + rest
            if self.outside > limits.MAX_FOREIGN_BYTES // 2:
                raise FileFormatError(f"{path}: too many bytes that are no samples")
            reader.skip(reader.frames)
            self._parts.append(_Part(path, len(reader.front)))
            return Member(name, source.mtime, reader.front, b"".join(reader.back()))

    def read(self, frames: int) -> np.ndarray:
        """The next frames, int16 [frames, leads]; fewer only at the end."""
        frames = min(frames, self.frames - self._done)
        width = formats.width(self.dtype)
        samples = np.empty((frames, self.leads), np.int16)
        for lead, part in enumerate(self._parts):
            with open(part.path, "rb") as file:
                file.seek(part.start + self._done * width)
                data = read_up_to(file, frames * width)
            if len(data) < frames * width:
                raise MiddleoutError(f"{part.path} changed while it was read")
            samples[:, lead] = formats.from_bytes(data, self.dtype, 1)[:, 0]
        self._done += frames
        return samples

    def skip(self, frames: int) -> None:
        """Pass over frames that are there."""
        self._done += frames

    def back(self) -> Iterator[bytes]:
        """Nothing: it is in the table."""
        return iter(())


def _opened(path: str) -> paths.Input:
    try:
        return paths.Input(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None


def _plain(form: tuple) -> str:
    frames, dtype, rate = form
    return f"{frames} samples of {formats.name(dtype)} at {rate} Hz"
