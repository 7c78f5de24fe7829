"""A file that is to be recognised, and the files beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

from ...core.file_io import read_up_to

_START_BYTES = 1 << 16
_MAX_SIDECAR = 1 << 24


@dataclass(frozen=True)
class Found:
    """A file, as parsers see it.

    Attributes
    ----------
    path : where it is; None if it has no name
    file : seekable binary file object; its position is of no meaning, and parsers move it
    size : bytes of the file
    start : its first 64 KiB, or all of a shorter file
    """

    path: str | None
    file: BinaryIO
    size: int
    start: bytes

    @classmethod
    def of(cls, file: BinaryIO, path: str | None = None) -> Found:
        """Look at a seekable file. Raises `OSError`."""
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return cls(path, file, size, read_up_to(file, _START_BYTES))

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes from `offset` on, fewer only at the end, none outside. Raises `OSError`."""
        if not 0 <= offset < self.size:
            return b""
        if offset + count <= len(self.start):
            return self.start[offset : offset + count]
        self.file.seek(offset)
        return read_up_to(self.file, count)

    @cached_property
    def name(self) -> str:
        """The file's name without its folder; empty if it has none."""
        return os.path.basename(self.path or "")

    @cached_property
    def stem(self) -> str:
        """The name up to its last dot."""
        return os.path.splitext(self.name)[0]

    @cached_property
    def suffix(self) -> str:
        """What the name has from its last dot on, in lower case."""
        return os.path.splitext(self.name)[1].lower()

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """The folders that the file is in, the nearest first; none if it has no name."""
        folders, at = [], os.path.abspath(self.path) if self.path else os.sep
        while (above := os.path.dirname(at)) != at:
            folders.append(above)
            at = above
        return tuple(folders)

    def beside(self, name: str, up: int = 0) -> bytes | None:
        """Return the contents of a file in the same folder, or `up` folders above; None if it can't be read."""
        if not name or up >= len(self.folders):
            return None
        path = os.path.join(self.folders[up], name)
        try:
            if not os.path.isfile(path):
                return None
            with open(path, "rb") as file:
                data = file.read(_MAX_SIDECAR + 1)
        except (OSError, ValueError):
            return None
        return data if len(data) <= _MAX_SIDECAR else None
