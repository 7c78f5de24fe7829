"""Names of outputs, and that no two inputs go to the same one."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from ...core.errors import UsageError
from ...core.names import is_suffix
from ...core.terms import STREAM
from .output_file import HOW_TO_REPLACE, Output, make_folders
from .temporary_names import remove_left_behind

SUFFIX = ".mdo"


def as_list(files: str | os.PathLike | Iterable[str | os.PathLike]) -> list[str]:
    """Return paths; one by itself is taken too."""
    return [os.fspath(file) for file in ([files] if isinstance(files, str | os.PathLike) else files)]


def split_name(name: str) -> tuple[str, str]:
    """Return stem and suffix of an original's file name; a suffix that the format can't hold stays with the stem."""
    path = Path(name)
    return (path.stem, path.suffix) if is_suffix(path.suffix) else (path.name, "")


def coded_name(path: str, whole: bool = False) -> str:
    """Return the file name (without folder) for the coded form of a file, behind its `whole` name or its stem."""
    return (os.path.basename(path) if whole else split_name(path)[0]) + SUFFIX


def same_stems(below: Mapping[str, str]) -> frozenset[str]:
    """Return those of some files, each with the folder of its output, that have another one's folder and stem."""
    places: dict[tuple[str, str], list[str]] = {}
    for path, folder in below.items():
        places.setdefault((os.path.normpath(folder), os.path.normcase(split_name(path)[0]).lower()), []).append(path)
    return frozenset(path for paths in places.values() if len(paths) > 1 for path in paths)


def original_name(path: str, suffix: str) -> str:
    """Return the file name (without folder) for the original of a coded file."""
    name = Path(path).name
    if not name.endswith(SUFFIX) or name == SUFFIX:
        raise UsageError(f"its name does not end in {SUFFIX}: say with -o (output) what to write")
    return name[: -len(SUFFIX)] + suffix


class Outputs:
    """Where a command's outputs go, and that no two of them are the same file.

    Parameters
    ----------
    output : name for the only output, `-` for standard output; None for a name made from the input's
    folder : where to put outputs; None for beside the input
    force : whether existing files may be replaced
    below : the folder in `folder` for outputs of some inputs
    whole : inputs whose coded files have their whole names
    tidy : whether to remove what killed processes left in the folders of outputs
    """

    def __init__(
        self,
        output: str | None = None,
        folder: str | None = None,
        force: bool = False,
        below: Mapping[str, str] | None = None,
        whole: Collection[str] = (),
        tidy: bool = True,
    ) -> None:
        if folder is not None and not os.path.isdir(os.path.dirname(os.path.abspath(folder))):
            raise UsageError(f"there is no folder for {folder}; make it first")
        self._output = output
        self._folder = folder
        self._force = force
        self._below = below or {}
        self.whole = frozenset(whole)
        self._tidy = tidy
        self._taken: set[str] = set()
        self._visited: set[str] = set()

    def claim(
        self,
        source: str,
        derive: Callable[[str], str],
        others: Sequence[str] = (),
        hindered: Callable[[str], str] = lambda target: "exists",
    ) -> str:
        """Claim the path of an output for `source`.

        Parameters
        ----------
        derive : makes a file name from the source's where none was given
        others : more inputs that go into the same output
        hindered : tells of what is at the path why it is in the way; an empty text if it is not
        """
        target = self._output
        if target is None:
            target = STREAM if source == STREAM else os.path.join(self._folder_of(source), derive(source))
        return self._claim(target, [source, *others], hindered)

    def claim_coded(self, files: Sequence[str], hindered: Callable[[str], str]) -> str:
        """Claim the path of the coded form of one file or several."""
        return self.claim(files[0], partial(coded_name, whole=files[0] in self.whole), files[1:], hindered)

    def _folder_of(self, source: str) -> str:
        """Return the folder for outputs whose names are made from the input's."""
        if self._folder is None:
            return os.path.dirname(source)
        return os.path.normpath(os.path.join(self._folder, self._below.get(source, "")))

    def claim_several(self, source: str, names: list[str]) -> tuple[str, list[str]]:
        """Claim folder and paths for the outputs of one source that have names of their own."""
        if self._output is None and source != STREAM:
            folder = self._folder_of(source)
        elif self._output in (None, STREAM):
            raise UsageError(f"{len(names)} files in one: say with -d (folder) or -o (output) into which folder")
        else:
            folder = self._output
            if os.path.exists(folder) and not os.path.isdir(folder):
                raise UsageError(f"{len(names)} files in one, but {folder} is not a folder")
        return folder or os.curdir, [self._claim(os.path.join(folder, name), [source]) for name in names]

    def _claim(
        self, target: str, sources: Sequence[str], hindered: Callable[[str], str] = lambda target: "exists"
    ) -> str:
        if target == STREAM:
            return target
        real = os.path.normcase(os.path.realpath(target))
        if real in self._taken:
            raise UsageError(f"another input is written to {target} already; -r with their folder keeps the tree")
        for source in sources:
            if source != STREAM and os.path.exists(target) and os.path.samefile(source, target):
                raise UsageError("would be overwritten by its own output")
        if os.path.isdir(target):
            raise UsageError(f"{target} is a folder; name a file in it, or say -d on the command line")
        if os.path.lexists(target) and (why := hindered(target)) and not self._force:
            raise UsageError(f"{target} {why}; {HOW_TO_REPLACE}")
        self._taken.add(real)
        return target

    def open(self, target: str, make_folder: bool = False, only_copy: bool = False) -> Output:
        """Open a claimed output; what killed processes left in its folder is removed, if that is wanted."""
        if make_folder or self._folder is not None:
            make_folders(os.path.dirname(target) or os.curdir)
        try:
            output = Output(target, self._force, only_copy)
        except FileNotFoundError:
            raise UsageError(f"there is no folder for {target}; make it first") from None
        if self._tidy and output.seekable and output.folder not in self._visited:
            self._visited.add(output.folder)
            remove_left_behind(output.folder)
        return output
