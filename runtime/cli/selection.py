"""Which files a command works on: those of folders and lists, and the share of one job among several."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ..container.blocks import MAGIC
from ..core.errors import UsageError
from ..core.terms import RAW_SUFFIXES
from ..recording.formats import table
from ..recording.formats.found import Found
from ..recording.npy import MAGIC as NPY_MAGIC
from ..recording.outputs.paths import SUFFIX
from ..recording.outputs.temporary_names import is_temporary
from ..recording.wav import is_wav


def is_recording(path: str, raw: bool = False) -> bool:
    """Tell whether a file in a folder is to be encoded: by its contents; with `raw` also by its name."""
    with open(path, "rb") as file:
        found = Found.of(file, path)
        if is_wav(found.start) or found.start.startswith(NPY_MAGIC) or (raw and found.suffix in RAW_SUFFIXES):
            return True
        return table.describe(found) is not None


def is_any(path: str) -> bool:
    """Take every file of a folder."""
    return True


def is_coded(path: str) -> bool:
    """Tell whether a file in a folder is a coded one, by its first bytes, or by its name if these are damaged."""
    if is_temporary(os.path.basename(path)):
        return False
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC or path.endswith(SUFFIX)


def select(names: Iterable[str], wanted: Callable[[str], bool], but: str | None = None) -> dict[str, str]:
    """Return files, those of folders by name of the path, and the folder of each below the folder that was named.

    What can't be read is taken too, also folders: opening it gives an error like that of any other file.

    Parameters
    ----------
    names : paths of files, which are taken as they are, and of folders, all below which is looked at
    wanted : tells of a file in a folder whether it is to be taken
    but : a folder that is not looked into: that of the outputs

    Raises
    ------
    UsageError
        There is no such file in any of the folders.
    """
    found: dict[str, str] = {}
    folders = []
    for name in names:
        if not os.path.isdir(name):
            found[name] = ""
            continue
        if but is not None and _same(name, but):
            raise UsageError(f"{name}: outputs would be among their inputs; name another folder with -d")
        folders.append(name)
        unreadable: list[OSError] = []
        for folder, below, files in os.walk(name, onerror=unreadable.append):
            below[:] = sorted(one for one in below if but is None or not _same(os.path.join(folder, one), but))
            for file in sorted(files):
                path = os.path.join(folder, file)
                if not os.path.isfile(path):
                    logging.getLogger("runtime").warning("%r is no file, or a link to nothing: left out", path)
                elif _is_wanted(path, wanted):
                    found[path] = os.path.relpath(folder, name)
        for folder in (str(error.filename) for error in unreadable):
            found[folder] = "" if folder == name else os.path.relpath(os.path.dirname(folder), name)
    if folders and not found:
        raise UsageError(f"no such recordings in {', '.join(folders)}")
    return found


def _is_wanted(path: str, wanted: Callable[[str], bool]) -> bool:
    try:
        return wanted(path)
    except OSError:
        return True


def _same(one: str, other: str) -> bool:
    return os.path.exists(other) and os.path.samefile(one, other)


def listed(path: str) -> list[str]:
    """Return the paths in a text file, one a line. Raises `UsageError`."""
    try:
        return [line for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def share(paths: Iterable[str], number: int, shares: int) -> list[str]:
    """Return which files one of several jobs does, which all have the same list: about as many bytes as the others.

    Parameters
    ----------
    number : 1 to shares

    Raises
    ------
    UsageError
        There is no such share.
    """
    if not 1 <= number <= shares:
        raise UsageError(f"shard {number} of {shares}; they are 1/{shares} to {shares}/{shares}")
    sizes = {path: os.path.getsize(path) if os.path.exists(path) else 0 for path in paths}
    loads, own = [0] * shares, []
    for path in sorted(sizes, key=lambda path: (-sizes[path], path)):
        least = loads.index(min(loads))
        loads[least] += sizes[path] + 1
        if least == number - 1:
            own.append(path)
    return sorted(own)
