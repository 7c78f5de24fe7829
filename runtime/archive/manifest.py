"""What an archive of folders says of the originals in it: a JSON file beside the coded files."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ..core.errors import CorruptError, UsageError
from ..recording.outputs.output_file import Output, make_folders

_FORMAT, _VERSION = "middleout archive", 1
_NAME = re.compile(r"manifest(-[0-9]+-of-[0-9]+)?\.json")


@dataclass(frozen=True)
class Original:
    """A file that was encoded.

    path : of the original, below the folder that was archived; with `/`
    coded : of its coded file, below the archive
    bytes, mtime_ns, mode, sha256 : of the original; no sha256 where another file comes back, as in a lossy mode
    waits : whether it could not be encoded yet
    """

    path: str
    coded: str
    bytes: int
    mtime_ns: int
    mode: int
    sha256: str
    waits: bool = False


@dataclass(frozen=True)
class Folder:
    """A folder of the originals: its path below the one that was archived, permissions and time."""

    path: str
    mtime_ns: int
    mode: int


@dataclass
class Manifest:
    """The originals of an archive, and their folders, empty ones included."""

    files: list[Original] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)

    def write(self, archive: str, share: tuple[int, int] | None = None) -> None:
        """Write the manifest into an archive, in place of an older one; that of one share of the files apart."""
        made = {"format": _FORMAT, "version": _VERSION, "written_ns": time.time_ns(), **asdict(self)}
        text = json.dumps(made, indent=1, ensure_ascii=False)
        make_folders(archive)
        Output(os.path.join(archive, _name(share)), force=True).complete(text.encode("utf-8", "surrogateescape"))
        for older, content in _found(archive) if share is None else ():  # this one has what they say
            if os.path.basename(older) != _name(share) and content is not None:
                os.unlink(older)

    @property
    def exists(self) -> bool:
        """Whether there is one: it names something."""
        return bool(self.folders or self.files)

    @classmethod
    def read(cls, archive: str, share: tuple[int, int] | None = None) -> Manifest:
        """Read all manifests of an archive, or that of one share; empty if there is none. The latest one counts.

        Raises
        ------
        CorruptError
            One of them is not what `write` wrote, or names a path outside of the archive.
        """
        files: dict[str, Original] = {}
        folders: dict[str, Folder] = {}
        found = []
        for path, content in _found(archive):
            if content is None:
                logging.getLogger("runtime").warning("%r is no manifest of an archive", path)
            else:
                found.append((path, content))
        for path, content in sorted(found, key=lambda each: _written(*each)):
            if share is not None and os.path.basename(path) != _name(share):
                continue
            try:
                if content["version"] != _VERSION:
                    raise ValueError("another format, or a newer version")
                files |= {entry["coded"]: _checked(Original(**entry)) for entry in content["files"]}
                folders |= {entry["path"]: _checked(Folder(**entry)) for entry in content["folders"]}
            except (KeyError, TypeError, ValueError) as error:
                raise CorruptError(f"{os.path.basename(path)} is damaged: {error}") from None
        return cls(list(files.values()), list(folders.values()))

    @classmethod
    def refuse_others(cls, archive: str, share: tuple[int, int] | None) -> None:
        """Raise `UsageError` where a file is in the way that is no manifest of an archive."""
        for path, content in _found(archive):
            if content is None and os.path.basename(path) == _name(share):
                raise UsageError(f"{path} is no manifest of an archive, which is to have this name")


def _found(archive: str) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Yield the files with names of manifests and what is in them; None where these are another program's.

    Raises `CorruptError` for what is no JSON.
    """
    for name in sorted(os.listdir(archive) if os.path.isdir(archive) else ()):
        if _NAME.fullmatch(name) is None:
            continue
        path = os.path.join(archive, name)
        try:
            content = json.loads(Path(path).read_bytes().decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError) as error:
            raise CorruptError(f"{name} is damaged: {error}") from None
        yield path, content if isinstance(content, dict) and content.get("format") == _FORMAT else None


def _written(path: str, content: dict[str, Any]) -> int:
    """Return when a manifest was written, in ns; a copy may have another time of modification."""
    written = content.get("written_ns")
    return written if isinstance(written, int) else os.stat(path).st_mtime_ns


def _name(share: tuple[int, int] | None) -> str:
    return "manifest.json" if share is None else "manifest-{}-of-{}.json".format(*share)


def _checked(entry: Any) -> Any:
    """Return an entry whose types and paths are what they should be. Raises `ValueError`."""
    for name, value in asdict(entry).items():
        if not isinstance(value, str if name in ("path", "coded", "sha256") else int):
            raise ValueError(f"{name} is {value!r}")
        if name in ("path", "coded") and not _is_below(str(value)):
            raise ValueError(f"{value!r} is not below the archive")
    return entry


def _is_below(path: str) -> bool:
    inside = not PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts
    return inside and "\0" not in path and not (os.name == "nt" and "\\" in path)
