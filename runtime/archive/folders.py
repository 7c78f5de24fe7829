"""Whole folders: what is noted of their files as these are encoded, and how they come back."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..batch.outcome import Outcome
from ..container.blocks import BlockReader
from ..core.errors import CorruptError, UsageError
from ..core.file_io import file_digest
from ..recording.outputs.paths import split_name
from .manifest import Folder, Manifest, Original

Call = Callable[..., list[Outcome]]


@dataclass(frozen=True)
class Archive:
    """Folders that are encoded into another one, or restored from it; its methods take the place of a codec's calls.

    Attributes
    ----------
    folder : of the coded files
    roots : folders of the originals; of an archive that is decoded, itself
    below : for each input by path, its folder below its root
    share : which of how many shares of the files is done
    """

    folder: str
    roots: Sequence[str]
    below: Mapping[str, str]
    share: tuple[int, int] | None = None

    def encode(self, call: Call, files: list[str], **options: Any) -> list[Outcome]:
        """Encode files, and note in the manifest what they are."""
        status = {path: os.stat(path) for path in files}
        outcomes = call(files, **options)
        note(self, outcomes, status)
        return outcomes

    def decode(self, call: Call, target: str, files: list[str], **options: Any) -> list[Outcome]:
        """Decode files, hold them against the manifest, and give them and their folders what it says of them."""
        outcomes = call(files, **options)
        manifest = self._manifest()
        outcomes = outcomes + compare(self.folder, manifest, outcomes, options["done"])
        settle(manifest, target)
        return outcomes

    def test(self, call: Call, files: list[str], **options: Any) -> list[Outcome]:
        """Decode files, with or without writing them, and hold them against the manifest."""
        outcomes = call(files, **options)
        return outcomes + compare(self.folder, self._manifest(), outcomes, options["done"])

    def _manifest(self) -> Manifest:
        """Return the manifest; warns where there is none."""
        manifest = Manifest.read(self.folder)
        if not manifest.exists:
            text = f"{self.folder} has no manifest: nothing tells whether files of an archive are missing"
            logging.getLogger("runtime").warning(text)
        return manifest


def note(archive: Archive, outcomes: Sequence[Outcome], status: Mapping[str, os.stat_result]) -> None:
    """Write the manifest of an archive, if all its files were encoded.

    Parameters
    ----------
    outcomes : of the originals, with their SHA-256
    status : of the originals by path, before they were encoded
    """
    if any(outcome.error is not None for outcome in outcomes):
        return
    made = Manifest()
    for outcome in outcomes:
        one, name = status[outcome.path], os.path.join(archive.below[outcome.path], os.path.basename(outcome.path))
        coded = os.path.relpath(outcome.output or "", archive.folder)
        made.files.append(
            Original(
                *(_posix(name), _posix(coded), one.st_size, one.st_mtime_ns, stat.S_IMODE(one.st_mode)),
                outcome.sha256 or "" if _comes_back(outcome) else "",
            )
        )
    for root in archive.roots:
        for folder, *_ in os.walk(root):
            one = os.stat(folder)
            path = os.path.relpath(folder, root)
            made.folders.append(Folder(_posix(path), one.st_mtime_ns, stat.S_IMODE(one.st_mode)))
    made.write(archive.folder, archive.share)


def compare(
    archive: str, manifest: Manifest, outcomes: Sequence[Outcome], done: Callable[[Outcome], None]
) -> list[Outcome]:
    """Hold what was decoded of an archive against its manifest.

    Returns
    -------
    list of Outcome
        One with an error for each original that is missing or another one, and each coded file that the manifest does
        not name; `done` was called with them.
    """
    wrong, found = [], {_posix(os.path.relpath(outcome.path, archive)): outcome for outcome in outcomes}
    unknown = found.keys() - {one.coded for one in manifest.files} if manifest.exists else set()
    for coded in sorted(unknown):
        wrong.append(Outcome(os.path.join(archive, coded), error=CorruptError("not named in the archive's manifest")))
        done(wrong[-1])
    for one in manifest.files:
        outcome = found.get(one.coded)
        text = None
        if outcome is None:
            text = "missing from the archive; its manifest names it"
        elif outcome.error is None and one.sha256:
            if (outcome.original_bytes, _sum(outcome) or one.sha256) != (one.bytes, one.sha256):
                text = "decodes to another file than the manifest says"
        if text is not None:
            wrong.append(Outcome(os.path.join(archive, one.coded), error=CorruptError(text)))
            done(wrong[-1])
    return wrong


def against(
    call: Call, original: str, files: list[str], done: Callable[[Outcome], None], **options: Any
) -> list[Outcome]:
    """Decode a file without writing it, and hold it against its original. Raises `UsageError`."""
    try:
        wanted = file_digest(original).hex()
    except OSError as error:
        raise UsageError(f"{original}: {error.strerror or error}") from None
    (outcome,) = call(files, done=lambda outcome: None, **options)
    if outcome.error is None and outcome.sha256 is None:
        outcome.error = UsageError("its bytes do not come in their order: decode it, and compare the files")
    elif outcome.error is None and outcome.sha256 != wanted:
        outcome.error = CorruptError(f"decodes to another file than {original}")
    done(outcome)
    return [outcome]


def settle(manifest: Manifest, target: str) -> None:
    """Give restored files and folders the permissions and times that the manifest has; make the empty folders."""
    for folder in manifest.folders:
        os.makedirs(os.path.join(target, folder.path), exist_ok=True)
    entries: list[Original | Folder] = [
        *manifest.files,
        *sorted(manifest.folders, key=lambda one: one.path, reverse=True),
    ]
    for entry in entries:
        path = os.path.join(target, entry.path)
        with contextlib.suppress(OSError, OverflowError):  # missing, or this file system has no such permissions
            os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))
            os.chmod(path, entry.mode)


def _comes_back(outcome: Outcome) -> bool:
    """Tell whether what was encoded decodes to the same bytes: not in a lossy mode, and not of the samples only."""
    with open(outcome.output or "", "rb") as file:
        header = BlockReader(file).header
    return not header.bounded and header.suffix in ("", split_name(outcome.path)[1])


def _sum(outcome: Outcome) -> str | None:
    """Return the SHA-256 of what was decoded; None if it was not written and its bytes did not come in their order."""
    if outcome.sha256 is None and outcome.output is not None and os.path.isfile(outcome.output):
        return file_digest(outcome.output).hex()
    return outcome.sha256


def _posix(path: str) -> str:
    return Path(path).as_posix()
