"""Outputs that appear as a whole or not at all, and are on the disk when they appear."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import zlib
from collections.abc import Callable, Sequence
from typing import BinaryIO

from ...core.errors import MiddleoutError, UsageError
from ...core.file_io import write_all
from ...core.terms import STREAM
from .temporary_names import temporary_path

HOW_TO_REPLACE = "to overwrite it say -f on the command line, in Python force=True or overwrite=True"
_CHECK_STEP = 1 << 22
"""Bytes that are read again at a time."""


class Output:
    """A file that is written under another name in its folder, and gets its own with `commit`.

    Standard output and what is not a regular file (a device, a pipe) are written directly.

    Without `force`, the file never takes the place of another one. Where the file system has links, it gets its name
    by one: of several writers of one name exactly one succeeds. Where there are none (exFAT, some network file
    systems), an empty file of that name is created first, which only one writer can do, and then replaced. That holds
    as well, but a process that is killed in between leaves the empty file behind.

    Parameters
    ----------
    target : path, or `-`
    force : whether an existing file may be replaced
    only_copy : whether what is written is nowhere else: if the process is killed, it is left for `runtime salvage`

    Attributes
    ----------
    file : binary file object
    seekable : whether it is a file that can be read again
    """

    def __init__(self, target: str, force: bool = False, only_copy: bool = False) -> None:
        self._target = os.path.realpath(target)
        self._force = force
        self._temporary: str | None = None
        self._given: os.stat_result | None = None
        self._pieces: list[tuple[int, int, int]] = []
        self._standard = target == STREAM
        if self._standard:
            self.file: BinaryIO = _standard_output()
        elif os.path.exists(self._target) and not os.path.isfile(self._target):
            self.file = open(self._target, "wb")
        else:
            self._temporary = temporary_path(self._target, only_copy)
            try:
                self.file = open(self._temporary, "x+b")
            except OSError as error:
                error.filename = target
                raise
        self.seekable = self._temporary is not None

    @property
    def folder(self) -> str:
        """Where the file is."""
        return os.path.dirname(self._target)

    def write(self, data: bytes, offset: int | None = None) -> None:
        """Write bytes, at the end of what was written before or at an offset, and note them for `check`."""
        if offset is not None:
            self.file.seek(offset)
        write_all(self.file, data)
        start, size, crc = self._pieces[-1] if self._pieces else (0, 0, 0)
        if offset is None or offset == start + size:
            self._pieces[-1:] = [(start, size + len(data), zlib.crc32(data, crc))]
        else:
            self._pieces.append((offset, len(data), zlib.crc32(data)))

    def append(self, data: bytes) -> None:
        """Add to the file, which is left closed, so that many can be written in turn."""
        if self._temporary is None:
            raise UsageError(f"{self._target} is not a regular file")
        if self.file.closed:
            self.file = open(self._temporary, "ab")
        self.write(data)
        self.file.close()

    def settle(self, mode: int | None = None, mtime: int | None = None) -> None:
        """Put the file on the disk, with permissions and a modification time in ns where it can hold these.

        What is read of it afterwards comes from the disk, as far as the system can be told so.
        """
        if self.file.closed and self._temporary is not None:
            self.file = open(self._temporary, "r+b")
        self.file.flush()
        if self._temporary is None:
            return
        with contextlib.suppress(OSError, OverflowError):  # this file system has no such permissions or times
            if mode is not None:
                os.chmod(self._temporary, mode)
            if mtime is not None:
                os.utime(self._temporary, ns=(mtime, mtime))
        os.fsync(self.file.fileno())
        if hasattr(os, "posix_fadvise"):
            with contextlib.suppress(OSError):
                os.posix_fadvise(self.file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def check(self) -> None:
        """Read again what `write` and `append` wrote. Raises `MiddleoutError` where the file holds something else."""
        for offset, size, crc in self._pieces:
            self.file.seek(offset)
            found, left = 0, size
            while left and (data := self.file.read(min(left, _CHECK_STEP))):
                found, left = zlib.crc32(data, found), left - len(data)
            if left or found != crc:
                raise MiddleoutError(f"{self._target}: what was written is not what the disk holds; try another disk")

    def publish(self) -> None:
        """Give the file its name, after `settle`; its folder is still to be synced."""
        if not self._standard:
            self.file.close()
        if self._temporary is None:
            return
        written, self._given = self._temporary, os.stat(self._temporary)
        if self._force:
            os.replace(written, self._target)
        else:
            self._rename_new(written)
        self._temporary = None

    def commit(self, mode: int | None = None, mtime: int | None = None, check: Check | None = None) -> None:
        """Put the file on the disk, read it again by `check`, and give it its name, which is on the disk then too."""
        self.settle(mode, mtime)
        if check is not None and self.seekable:
            check(self)
        publish([self])

    def complete(self, data: bytes) -> None:
        """Write the whole file at once, and `commit`; nothing of it is left if that fails."""
        try:
            self.file.write(data)
            self.commit()
        except BaseException:
            self.abort()
            raise

    def withdraw(self) -> None:
        """Undo `publish` where it replaced nothing, and nothing has replaced the file."""
        if self._given is not None and self._temporary is None and not self._force:
            with contextlib.suppress(OSError):
                if os.path.samestat(self._given, os.stat(self._target)):
                    os.unlink(self._target)

    def _rename_new(self, written: str) -> None:
        """Give the file its name, never that of a file that is there."""
        try:
            os.link(written, self._target)
        except FileExistsError:
            raise self._exists() from None
        except OSError:  # no links on this file system
            try:
                os.close(os.open(self._target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except FileExistsError:
                raise self._exists() from None
            try:
                os.replace(written, self._target)
            except BaseException:
                os.unlink(self._target)
                raise
        else:
            with contextlib.suppress(OSError):
                os.unlink(written)

    def _exists(self) -> UsageError:
        return UsageError(f"{self._target} exists; {HOW_TO_REPLACE}")

    def abort(self) -> None:
        """Remove what was written, unless it has its name."""
        if (written := self.leave()) is not None:
            with contextlib.suppress(OSError):
                os.unlink(written)

    def leave(self) -> str | None:
        """Close the file as it is; return where it is, None if it has its name or never was a file of its own."""
        if not self._standard:
            with contextlib.suppress(OSError):
                self.file.close()
        written, self._temporary = self._temporary, None
        return written


Check = Callable[[Output], None]
"""Reads a file that is on the disk but has no name yet, and raises an error if it is not as it should be."""


def _standard_output() -> BinaryIO:
    """Return standard output for bytes. Raises `UsageError` where it is one of text, as in a notebook."""
    buffer: BinaryIO | None = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        raise UsageError("there is no standard output for bytes here: name an output")
    return buffer


def publish(outputs: Sequence[Output]) -> None:
    """Give files their names, all of them or none, after `settle`; they are on the disk then."""
    done = []
    try:
        for output in outputs:
            output.publish()
            done.append(output)
    except BaseException:
        for output in done:
            output.withdraw()
        raise
    for folder in {output.folder for output in outputs if output.seekable}:
        _sync_folder(folder)


def make_folders(folder: str) -> None:
    """Make a folder and those above it, where they are not there, and put their names on the disk."""
    missing = []
    while not os.path.exists(folder) and folder not in missing:
        missing.append(folder)
        folder = os.path.dirname(folder) or os.curdir
    for made in reversed(missing):
        os.makedirs(made, exist_ok=True)
        _sync_folder(os.path.dirname(made) or os.curdir)


def _sync_folder(folder: str) -> None:
    """Put a folder's entries on the disk, where the system can."""
    if os.name == "nt":  # folders can't be opened
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # of file systems that can't sync folders
            raise
    finally:
        os.close(handle)
