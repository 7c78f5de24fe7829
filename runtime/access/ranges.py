"""Files that are read in few requests: file objects, and URLs by fsspec."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from typing import Any, BinaryIO

from ..container.header import BLOCK_OVERHEAD
from ..container.index import NO_INDEX
from ..core.errors import UsageError
from ..core.file_io import PositionalFile, read_up_to
from ..core.threads import ForkSafeLock

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+(://|::)")
_END_BYTES = 1 << 18
"""Bytes that are fetched together at either end of a file."""
_MOST_BYTES = 1 << 26
"""Bytes that are fetched together at most where a file is read through."""


class RangeFile:
    """A file that is read by ranges of bytes, as few as can be; seekable, for one thread but for `read_at`.

    Parameters
    ----------
    fetch : callable
        Returns the bytes from a first place on up to a last one.
    size : int
        Bytes of the file.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        self._fetch, self._size, self._at = fetch, size, 0
        end = max(0, size - _END_BYTES)
        last = self._get(end, size)
        whole = last[-BLOCK_OVERHEAD:].startswith(NO_INDEX)  # it is read through
        begin = min(end, _MOST_BYTES if whole else _END_BYTES)
        first = self._get(0, begin) if begin else b""
        self._held = [(end, last), (0, first)]

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place; nothing is fetched."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def read(self, count: int) -> bytes:
        """Return bytes from the place on, at least one unless that is the end."""
        for start, data in self._held:
            if start <= self._at < start + len(data):
                found = data[self._at - start : self._at - start + count]
                self._at += len(found)
                return found
        if self._at >= self._size or count <= 0:
            return b""
        ahead = _MOST_BYTES if count > _END_BYTES else _END_BYTES
        self._held[2:] = [(self._at, self._get(self._at, min(self._at + ahead, self._size)))]
        return self.read(count)

    def read_at(self, offset: int, count: int) -> bytes:
        """Return `count` bytes from `offset` on, fewer only at the end of the file, by one request."""
        for start, data in self._held:
            if start <= offset and offset + count <= start + len(data):
                return data[offset - start : offset - start + count]
        stop = min(offset + count, self._size)
        return self._get(offset, stop) if offset < stop else b""

    def close(self) -> None:
        """Forget what was fetched."""
        self._held, self._size = [], 0

    def _get(self, start: int, stop: int) -> bytes:
        data = self._fetch(start, stop)
        if len(data) != stop - start:
            raise UsageError(f"{len(data)} bytes came where {stop - start} were asked for: the source has no ranges")
        return data


def is_url(source: object) -> bool:
    """Tell whether it is a URL of fsspec, and no path."""
    return isinstance(source, str) and _URL.match(source) is not None


def of_url(url: str, storage_options: dict[str, Any] | None) -> RangeFile:
    """Return what a URL names. Raises `UsageError` where fsspec, or what it needs, is not installed; `OSError`."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise UsageError(f"{url}: URLs need fsspec: pip install 'middleout[fsspec]'") from None
    options = storage_options or {}
    try:
        system, path = url_to_fs(url, **options)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{url}: {error}") from None
    size = system.info(path)["size"]
    if size is None:
        raise UsageError(f"{url}: its server does not tell its size")

    def fetch(start: int, stop: int) -> bytes:
        here, _ = url_to_fs(url, **options)  # the same one, but in a forked process, which needs its own
        return bytes(here.cat_file(path, start=start, end=stop))

    return RangeFile(fetch, int(size))


def of_object(file: BinaryIO) -> BinaryIO | RangeFile:
    """Return a file object, or what reads it in few pieces, where it is neither the system's nor in memory."""
    if isinstance(file, io.TextIOBase):
        raise UsageError("the file was opened as text: open it with mode 'rb'")
    raw = file.raw if isinstance(file, io.BufferedReader | io.BufferedRandom) else file
    if isinstance(raw, io.FileIO | io.BytesIO):
        return file
    if not file.seekable():
        raise UsageError("the file can't be read from places: use runtime.decode(file.read())")
    lock = ForkSafeLock()

    def fetch(start: int, stop: int) -> bytes:
        if getattr(file, "closed", False):
            raise UsageError("the file was closed")
        with lock:
            file.seek(start)
            return read_up_to(file, stop - start)

    return RangeFile(fetch, file.seek(0, os.SEEK_END))


def places_of(file: BinaryIO | RangeFile) -> PositionalFile | RangeFile:
    """Return what reads from places of a file, from several threads too."""
    return file if isinstance(file, RangeFile) else PositionalFile(file)
