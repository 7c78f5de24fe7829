"""Reading and writing files that may be pipes, and reading from files that several threads share."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from typing import BinaryIO

from .errors import UsageError
from .threads import ForkSafeLock

_READ_STEP = 1 << 22


def read_up_to(file: BinaryIO, count: int) -> bytes:
    """Return `count` bytes, fewer only at the end of the file; what is allocated follows what is there."""
    data = io.BytesIO()  # unlike a list of pieces, it is never there twice
    while count > 0 and (piece := file.read(min(count, _READ_STEP))):
        data.write(piece)
        count -= len(piece)
    return data.getvalue()


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write bytes to a file, which may take fewer at once. Raises `BlockingIOError` where it takes none now."""
    while size := memoryview(data).nbytes:
        count = file.write(data)
        if count == 0 or (count is None and isinstance(file, io.RawIOBase)):
            raise BlockingIOError(errno.EAGAIN, "the output takes no more bytes now")
        if count is None or count >= size:  # objects that return nothing have taken all
            return
        data = memoryview(data).cast("B")[count:]


def file_digest(path: str) -> bytes:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def skip_bytes(file: BinaryIO, count: int) -> None:
    """Pass over bytes of a file, which may be a pipe."""
    if file.seekable():
        file.seek(count, os.SEEK_CUR)
        return
    while count > 0 and (piece := file.read(min(count, _READ_STEP))):
        count -= len(piece)


class PositionalFile:
    """Read from places of a seekable file, also from several threads, and from processes that inherited it.

    Parameters
    ----------
    file : binary file object
        Reading from a file of the operating system leaves its position as it is. Other objects are locked meanwhile.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._lock = file, ForkSafeLock()
        raw = file.raw if isinstance(file, io.BufferedReader | io.BufferedRandom) else file
        self._positional = isinstance(raw, io.FileIO) and hasattr(os, "pread")

    def read_at(self, offset: int, count: int) -> bytes:
        """Return `count` bytes from `offset` on, fewer only at the end of the file. Raises `UsageError` once closed."""
        if getattr(self._file, "closed", False):  # the number of its descriptor may be another file's
            raise UsageError("the file was closed")
        if not self._positional:
            with self._lock:
                self._file.seek(offset)
                return read_up_to(self._file, count)
        data, handle = io.BytesIO(), self._file.fileno()
        while count > 0 and (piece := os.pread(handle, min(count, _READ_STEP), offset)):
            data.write(piece)
            offset += len(piece)
            count -= len(piece)
        return data.getvalue()
