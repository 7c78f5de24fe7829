"""What an archive of folders says of the originals in it: a JSON file beside the coded files."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ..core.errors import CorruptError
from ..recording.outputs.output_file import Output

_FORMAT, _VERSION = "middleout archive", 1
_PATTERN = "manifest*.json"


@dataclass(frozen=True)
class Original:
    """A file that was encoded.

    path : of the original, below the folder that was archived; with `/`
    coded : of its coded file, below the archive
    bytes, mtime_ns, mode, sha256 : of the original; no sha256 where another file comes back, as in a lossy mode
    """

    path: str
    coded: str
    bytes: int
    mtime_ns: int
    mode: int
    sha256: str


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
        name = "manifest.json" if share is None else "manifest-{}-of-{}.json".format(*share)
        made = {"format": _FORMAT, "version": _VERSION, **asdict(self)}
        text = json.dumps(made, indent=1, ensure_ascii=False)
        Output(os.path.join(archive, name), force=True).complete(text.encode("utf-8", "surrogateescape"))

    @property
    def exists(self) -> bool:
        """Whether there is one: it names the archive's own folder at least."""
        return bool(self.folders)

    @classmethod
    def read(cls, archive: str) -> Manifest:
        """Read all manifests of an archive; empty if there is none.

        Raises
        ------
        CorruptError
            One of them is not what `write` wrote, or names a path outside of the archive.
        """
        found = cls()
        for path in sorted(Path(archive).glob(_PATTERN)):
            try:
                content = json.loads(path.read_bytes().decode("utf-8", "surrogateescape"))
                if (content["format"], content["version"]) != (_FORMAT, _VERSION):
                    raise ValueError("another format, or a newer version")
                found.files += [_checked(Original(**entry)) for entry in content["files"]]
                found.folders += [_checked(Folder(**entry)) for entry in content["folders"]]
            except (KeyError, TypeError, ValueError, RecursionError) as error:
                raise CorruptError(f"{path.name} is damaged: {error}") from None
        return found


def _checked(entry: Any) -> Any:
    """Return an entry whose types and paths are what they should be. Raises `ValueError`."""
    for name, value in asdict(entry).items():
        if not isinstance(value, str if name in ("path", "coded", "sha256") else int):
            raise ValueError(f"{name} is {value!r}")
        if name in ("path", "coded") and not _is_below(str(value)):
            raise ValueError(f"{value!r} is not below the archive")
    return entry


def _is_below(path: str) -> bool:
    return not PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts and "\\" not in path
