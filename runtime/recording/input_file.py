"""Inputs, what they were when they were opened, and their removal once an output holds them."""

from __future__ import annotations

import io
import os
import stat
import sys
from dataclasses import dataclass
from typing import BinaryIO, cast

from ..container.header import kept_time
from ..core.errors import UsageError
from ..core.file_io import read_up_to
from ..core.terms import STREAM


@dataclass(frozen=True)
class Seen:
    """A regular file as it was when it was opened."""

    path: str
    device: int
    inode: int
    size: int
    mtime: int
    mode: int

    @classmethod
    def of(cls, path: str, status: os.stat_result) -> Seen:
        """Note what identifies a file and its contents."""
        mode = stat.S_IMODE(status.st_mode)
        return cls(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, mode)

    def changed(self) -> bool:
        """Return whether another file, or another version of it, has that name now; a deleted file has not changed."""
        try:
            now = Seen.of(self.path, os.stat(self.path))
        except FileNotFoundError:
            return False
        return (now.device, now.inode, now.size, now.mtime) != (self.device, self.inode, self.size, self.mtime)


class Input:
    """An input by path, or standard input; a context manager.

    Attributes
    ----------
    file : binary file object
    seen : Seen, None for what is no regular file
    size : bytes, None where only reading will tell
    mtime : modification time in ns, None if there is none that a coded file can hold
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.seen: Seen | None = None
        self.size: int | None = None
        self.mtime: int | None = None
        if path == STREAM:
            if (file := getattr(sys.stdin, "buffer", None)) is None:
                raise UsageError("there is no standard input of bytes here")
            self.file: BinaryIO = file
            return
        if os.path.isdir(path):
            os.scandir(path).close()  # raises where it can't be read
            raise UsageError("is a folder; encode, decode and test take the recordings in it with -r")
        self.file = open(path, "rb")
        status = os.fstat(self.file.fileno())
        self.seen = Seen.of(path, status) if stat.S_ISREG(status.st_mode) else None
        if self.seen is not None:
            self.size, self.mtime = self.seen.size, kept_time(self.seen.mtime)

    def __enter__(self) -> Input:
        return self

    def __exit__(self, *_: object) -> None:
        if self.path != STREAM:
            self.file.close()


def usable_size(path: str) -> int | None:
    """Return the bytes of a regular file, None for anything else."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size if path != STREAM and stat.S_ISREG(status.st_mode) else None


def ahead(source: Input) -> tuple[bytes, BinaryIO]:
    """Return the first bytes, and the file with these still in front."""
    start = read_up_to(source.file, 12)
    if source.size is not None:
        source.file.seek(0)
        return start, source.file
    return start, cast(BinaryIO, _Rejoined(start, source.file))


class _Rejoined(io.RawIOBase):
    """A pipe with what was read of it put back."""

    def __init__(self, start: bytes, file: BinaryIO) -> None:
        self._start, self._file = start, file

    def read(self, count: int = -1) -> bytes:
        piece, self._start = self._start[:count], self._start[count:]
        return piece or self._file.read(count)
