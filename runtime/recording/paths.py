"""Names of outputs, and outputs that appear as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from ..core.errors import FileFormatError, UsageError
from ..core.names import is_suffix

SUFFIX = ".mdo"
STREAM = "-"
"""Stands for standard input or output."""


def split_name(name: str) -> tuple[str, str]:
    """Stem and suffix of an original's file name; a suffix that the format can't hold stays with the stem."""
    path = Path(name)
    return (path.stem, path.suffix) if is_suffix(path.suffix) else (path.name, "")


def coded_name(path: str) -> str:
    """The file name (without folder) for the coded form of a file."""
    return split_name(path)[0] + SUFFIX


def original_name(path: str, suffix: str) -> str:
    """The file name (without folder) for the original of a coded file."""
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
        """The path of an output for `source`; `derive` makes its file name from the source's, where none was given.

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
        """Folder and paths of the outputs of one source that have names of their own."""
        if self._output is None and source != STREAM:
            folder = self._folder if self._folder is not None else os.path.dirname(source)
        elif self._output in (None, STREAM):
            raise UsageError(f"{len(names)} files in one: say with -d or -o into which folder")
        else:
            folder = self._folder = self._output
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

    def open(self, target: str) -> Output:
        """Open a claimed output."""
        if self._folder is not None:
            os.makedirs(self._folder, exist_ok=True)
        return Output(target, self._force)


class Output:
    """A file that is written under another name in its folder, and gets its own with `commit`.

    Standard output and what is not a regular file (a device, a pipe) are written directly.
    """

    def __init__(self, target: str, force: bool = False) -> None:
        self._target = os.path.realpath(target)
        self._force = force
        self._temporary = None
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

    def commit(self, like: str | None = None, mtime: int | None = None) -> None:
        """Give the file its name, the permissions of the file `like` and a modification time in ns."""
        if self.file is sys.stdout.buffer:
            self.file.flush()
        else:
            self.file.close()
        if self._temporary is None:
            return
        if like is not None:
            shutil.copymode(like, self._temporary)
        if mtime is not None:
            with contextlib.suppress(OSError, OverflowError):  # a time that this file system can't hold
                os.utime(self._temporary, ns=(mtime, mtime))
        if os.path.lexists(self._target) and not self._force:
            raise UsageError(f"{self._target} exists; use -f to overwrite it")
        os.replace(self._temporary, self._target)
        self._temporary = None

    def abort(self) -> None:
        """Remove what was written."""
        if self.file is not sys.stdout.buffer:
            with contextlib.suppress(OSError):
                self.file.close()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)
            self._temporary = None


class Input:
    """An input by path, or standard input; a context manager.

    Attributes
    ----------
    file : binary file object
    size : bytes, None where only reading will tell
    mtime : modification time in ns, None if there is none
    """

    def __init__(self, path: str) -> None:
        self.path = path
        if path == STREAM:
            self.file: BinaryIO = sys.stdin.buffer
            self.size = self.mtime = None
            return
        if os.path.isdir(path):
            raise UsageError("is a folder")
        self.file = open(path, "rb")
        status = os.fstat(self.file.fileno())
        regular = stat.S_ISREG(status.st_mode)
        self.size = status.st_size if regular else None
        self.mtime = status.st_mtime_ns if regular else None

    def __enter__(self) -> Input:
        return self

    def __exit__(self, *_: object) -> None:
        if self.path != STREAM:
            self.file.close()


def usable_size(path: str) -> int | None:
    """Bytes of a regular file, None for anything else."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size if path != STREAM and stat.S_ISREG(status.st_mode) else None


def as_error(error: OSError) -> Exception:
    """One of our errors for one of the operating system's: what the caller could have known is a usage error."""
    text = error.strerror or str(error)
    known = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
    return UsageError(text) if isinstance(error, known) else FileFormatError(text)
