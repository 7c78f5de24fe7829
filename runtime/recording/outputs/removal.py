"""Inputs are removed only while their paths hold what an output holds; how that is proved."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...container.blocks import BlockReader
from ...core.errors import MiddleoutError
from ...core.file_io import file_digest
from ...core.limits import BATCH_SAMPLES
from ..input_file import Input, Seen
from ..sources import Given, Recording


class Contents:
    """SHA-256 of what was read of an input, in the order in which a recording or a coded file is read."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, data: bytes | np.ndarray) -> None:
        """Add bytes, or samples [frames, channels]; it does not matter where these were cut."""
        self._hash.update(np.ascontiguousarray(data).data if isinstance(data, np.ndarray) else data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Contents) and self._hash.digest() == other._hash.digest()


def recording_contents(files: Sequence[str], given: Given, array: bool) -> Contents:
    """Read a recording, or several files that are one."""
    made = Contents()
    with Recording(files, given, array, keep=True) as recording:
        source = recording.source
        made.add(source.front)
        while len(samples := source.read(max(BATCH_SAMPLES // source.channels, 1))):
            made.add(samples)
        for piece in source.back():
            made.add(piece)
    return made


def coded_contents(path: str) -> Contents:
    """Read a coded file."""
    made = Contents()
    with Input(path) as source:
        blocks = BlockReader(source.file)
        made.add(blocks.header_crc.to_bytes(4, "little"))
        for block in blocks:
            made.add(block.payload)
            made.add(block.kept)
    return made


def done_with(seen: Sequence[Seen], before: Any, read_again: Callable[[], Any], output: str | None) -> None:
    """Check that inputs are still what was read, and remove them if that is asked for; none of them if one is not.

    Device, inode, size and modification time are compared. Before files are removed, they are read a second time. A
    file that was deleted meanwhile has not changed, and is as good as removed if it is the only one.

    Parameters
    ----------
    seen : the files as they were when they were opened
    before : what was read of them, if they are to be removed
    read_again : reads them once more
    output : path of what was written, for the message

    Raises
    ------
    MiddleoutError
        A file has changed, or is to be removed and can't be read any more.
    """
    remove = before is not None

    def compare() -> None:
        for one in seen:
            if one.changed():
                raise _changed(one.path, output, remove)

    compare()
    if not remove or not any(os.path.lexists(one.path) for one in seen):
        return
    what = seen[0].path if len(seen) == 1 else f"{seen[0].path}, or one of the others,"
    _check_same(what, before, read_again, output)
    compare()
    for one in seen:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(one.path)


def remove_same(path: str, sha256: str | None, output: str | None) -> None:
    """Remove a file that is still what an output holds; one that has gone has been removed. Raises `MiddleoutError`."""
    if os.path.lexists(path):
        _check_same(path, sha256, lambda: file_digest(path).hex(), output)
        os.unlink(path)


def _check_same(what: str, before: Any, read_again: Callable[[], Any], output: str | None) -> None:
    """Raise `MiddleoutError` where what is to be removed is not what was read before, or can't be read any more."""
    try:
        same = read_again() == before
    except (MiddleoutError, OSError):
        same = False
    if not same:
        raise _changed(what, output, remove=True)


def _changed(what: str, output: str | None, remove: bool) -> MiddleoutError:
    kept = "" if output is None else f"; {output} was written, and holds it as it was read"
    return MiddleoutError(f"{what} changed after it was read{kept}{'; it was not removed' if remove else ''}")
