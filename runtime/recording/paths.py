"""Names of outputs, and outputs that appear as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..core.errors import UsageError
from ..core.names import is_suffix

SUFFIX = ".mdo"
STREAM = "-"
"""Stands for standard input or output."""


def split_name(name: str) -> tuple[str, str]:
    """Return stem and suffix of an original's file name; a suffix that the format can't hold stays with the stem."""
    path = Path(name)
    return (path.stem, path.suffix) if is_suffix(path.suffix) else (path.name, "")


def coded_name(path: str) -> str:
    """Return the file name (without folder) for the coded form of a file."""
    return split_name(path)[0] + SUFFIX


def original_name(path: str, suffix: str) -> str:
    """Return the file name (without folder) for the original of a coded file."""
    name = Path(path).name
    if not name.endswith(SUFFIX) or name == SUFFIX:
        raise UsageError(f"its name does not end in {SUFFIX}: say with -o what to write")
    return name[: -len(SUFFIX)] + suffix


class Outputs:
    """Where a command's outputs go, and that no two of them are the same file.

    Parameters
    ----------
    output : name for the only output, `-` for standard output; None for a name made from the input's
    folder : where to put outputs; None for beside the input
    force : whether existing files may be replaced
    """

    def __init__(self, output: str | None = None, folder: str | None = None, force: bool = False) -> None:
        self._output = output
        self._folder = folder
        self._force = force
        self._taken: set[str] = set()

    def claim(self, source: str, derive: Callable[[str], str], others: Sequence[str] = ()) -> str:
        """Claim the path of an output for `source`; `derive` makes a file name from the source's where none was given.

        `others` are more inputs that go into the same output.
        """
        if self._output is not None:
            target = self._output
        elif source == STREAM:
            target = STREAM
        else:
            target = os.path.join(os.path.dirname(source) if self._folder is None else self._folder, derive(source))
        return self._claim(target, [source, *others])

    def claim_several(self, source: str, names: list[str]) -> tuple[str, list[str]]:
        """Claim folder and paths for the outputs of one source that have names of their own."""
        if self._output is None and source != STREAM:
            folder = self._folder if self._folder is not None else os.path.dirname(source)
        elif self._output in (None, STREAM):
            raise UsageError(f"{len(names)} files in one: say with -d or -o into which folder")
        else:
            folder = self._output
            if os.path.exists(folder) and not os.path.isdir(folder):
                raise UsageError(f"{len(names)} files in one, but {folder} is not a folder")
        return folder or os.curdir, [self._claim(os.path.join(folder, name), [source]) for name in names]

    def _claim(self, target: str, sources: Sequence[str]) -> str:
        if target == STREAM:
            return target
        real = os.path.normcase(os.path.realpath(target))
        if real in self._taken:
            raise UsageError(f"another input is written to {target} already")
        for source in sources:
            if source != STREAM and os.path.exists(target) and os.path.samefile(source, target):
                raise UsageError("would be overwritten by its own output")
        if os.path.lexists(target) and not self._force:
            raise UsageError(f"{target} exists; use -f to overwrite it")
        self._taken.add(real)
        return target

    def open(self, target: str, make_folder: bool = False) -> Output:
        """Open a claimed output."""
        if make_folder or self._folder is not None:
            os.makedirs(os.path.dirname(target) or os.curdir, exist_ok=True)
        return Output(target, self._force)


class Output:
    """A file that is written under another name in its folder, and gets its own with `commit`.

    Standard output and what is not a regular file (a device, a pipe) are written directly.
    """

    def __init__(self, target: str, force: bool = False) -> None:
        self._target = os.path.realpath(target)
        self._force = force
        self._temporary: str | None = None
        if target == STREAM:
            self.file: BinaryIO = sys.stdout.buffer
        elif os.path.exists(self._target) and not os.path.isfile(self._target):
            self.file = open(self._target, "wb")
        else:
            folder, name = os.path.split(self._target)
            self._temporary = os.path.join(folder, f".{name[:100]}.{uuid.uuid4().hex[:12]}.tmp")
            self.file = open(self._temporary, "x+b")
        self.seekable = self._temporary is not None

    def append(self, data: bytes) -> None:
        """Add to the file, which is left closed, so that many can be written in turn."""
        if self._temporary is None:
            raise UsageError(f"{self._target} is not a regular file")
        self.file.close()
        with open(self._temporary, "ab") as file:
            file.write(data)

    def commit(self, mode: int | None = None, mtime: int | None = None) -> None:
        """Give the file its name, permissions and a modification time in ns. It is on the disk then."""
        if self._temporary is None:
            self.file.flush()
            if self.file is not sys.stdout.buffer:
                self.file.close()
            return
        if self.file.closed:
            self.file = open(self._temporary, "r+b")
        self.file.flush()
        if mode is not None:
            os.chmod(self._temporary, mode)
        if mtime is not None:
            with contextlib.suppress(OSError, OverflowError):  # a time that this file system can't hold
                os.utime(self._temporary, ns=(mtime, mtime))
        os.fsync(self.file.fileno())
        self.file.close()
        self._rename(self._temporary)
        self._temporary = None
        _sync_folder(os.path.dirname(self._target))

    def _rename(self, written: str) -> None:
        """Give the file its name; without `force` never that of a file that is there."""
        if self._force:
            os.replace(written, self._target)
            return
        try:
            os.link(written, self._target)
        except FileExistsError:
            raise UsageError(f"{self._target} exists; use -f to overwrite it") from None
        except OSError:  # no links on this file system
            if os.path.lexists(self._target):
                raise UsageError(f"{self._target} exists; use -f to overwrite it") from None
            os.replace(written, self._target)
        else:
            os.unlink(written)

    def abort(self) -> None:
        """Remove what was written."""
        if self.file is not sys.stdout.buffer:
            with contextlib.suppress(OSError):
                self.file.close()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)
            self._temporary = None


def _sync_folder(folder: str) -> None:
    """Put a folder's entries on the disk, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder or os.curdir, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


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
    mtime : modification time in ns, None if there is none
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.seen: Seen | None = None
        self.size: int | None = None
        self.mtime: int | None = None
        if path == STREAM:
            self.file: BinaryIO = sys.stdin.buffer
            return
        if os.path.isdir(path):
            raise UsageError("is a folder")
        self.file = open(path, "rb")
        status = os.fstat(self.file.fileno())
        self.seen = Seen.of(path, status) if stat.S_ISREG(status.st_mode) else None
        if self.seen is not None:
            self.size, self.mtime = self.seen.size, self.seen.mtime

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
