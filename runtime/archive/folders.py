"""Whole folders: what is noted of their files as these are encoded, and how they come back."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..batch.outcome import Outcome
from ..container.blocks import BlockReader
from ..container.header import Header, kept_time
from ..core.errors import CorruptError, MiddleoutError, UsageError
from ..core.file_io import file_digest
from ..core.terms import SAMPLES
from ..recording.outputs.paths import SUFFIX
from .manifest import Folder, Manifest, Original

Call = Callable[..., list[Outcome]]
Done = Callable[[Outcome], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Archive:
    """A folder into which others are encoded, or out of which they are restored, and its manifest.

    Attributes
    ----------
    folder : of the coded files
    roots : folders of the originals, where they are encoded
    below : for each input by path, its folder below its root
    share : which of how many shares of the files is done
    """

    folder: str
    roots: Sequence[str]
    below: Mapping[str, str]
    share: tuple[int, int] | None = None

    def encode(self, call: Call, files: list[str], *, done: Done, **options: Any) -> list[Outcome]:
        """Encode files, and note in the manifest what they are, also where the run is given up."""
        status = {path: os.stat(path) for path in files if os.path.exists(path)}
        folders = [folder for root in self.roots for folder in _folders(root)]
        Manifest.refuse_others(self.folder, self.share)
        sums = {one.coded: one.sha256 for one in Manifest.read(self.folder).files}
        outcomes: dict[str, Outcome] = {}

        def seen(outcome: Outcome) -> None:
            known = sums.get(self._name(outcome.path) + SUFFIX)
            if outcome.skipped and known and outcome.sha256 not in (None, known):
                outcome.error = UsageError("is another file than the one that was archived; -f encodes it anew")
            outcomes[outcome.path] = outcome
            done(outcome)

        try:
            return call(files, done=seen, **options)
        finally:
            if outcomes and status:
                self._note(status, outcomes, folders)

    def _name(self, path: str) -> str:
        """Return the path of an original below its root."""
        return _posix(os.path.join(self.below.get(path, ""), os.path.basename(path)))

    def _note(
        self, status: Mapping[str, os.stat_result], outcomes: Mapping[str, Outcome], folders: Sequence[Folder]
    ) -> None:
        """Write the manifest: of files that were encoded now, or are to be, and of what was in the archive before."""
        everything = Manifest.read(self.folder)
        before = everything if self.share is None else Manifest.read(self.folder, self.share)
        now = {self._name(path): path for path in self.below}  # of all shares
        files = {one.coded: one for one in before.files if one.path not in now and not one.waits}
        files |= {one.coded: one for one in before.files if now.get(one.path) in status}
        for path, one in status.items():
            name = self._name(path)
            outcome = outcomes.get(path)
            if outcome is None or outcome.error is not None:
                mode = stat.S_IMODE(one.st_mode)
                waits = Original(name, name + SUFFIX, one.st_size, one.st_mtime_ns, mode, "", waits=True)
                files.setdefault(waits.coded, waits)
            else:
                files[name + SUFFIX] = _encoded(outcome, name, one)
        if self.share is None or self.share[0] == 1:
            named = {name + SUFFIX for name in now} | {one.coded for one in everything.files}
            old = {coded: one for coded, one in files.items() if one.path not in now}
            for coded in _coded_files(self.folder):
                if coded not in named or (coded in old and _is_other(self.folder, old[coded])):
                    files[coded] = _adopted(self.folder, coded)
        gone = {one.path for one in files.values()} - now.keys()
        parents = {_posix(os.path.dirname(name) or os.curdir) for name in gone}
        known = [one for one in before.folders if one.path in parents]  # as they were when these files were there
        by_path = {one.path: one for one in (*before.folders, *folders, *known)}
        Manifest(list(files.values()), list(by_path.values())).write(self.folder, self.share)

    def decoded(self, outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
        """Return outcomes of coded files of the archive by their paths in it."""
        return self._inside({outcome.path: outcome for outcome in outcomes})

    def _inside(self, found: Mapping[str, T]) -> dict[str, T]:
        """Return what is found by paths by their names below the archive's folder; other paths are left out."""
        root = Path(os.path.abspath(self.folder))
        paths = {Path(os.path.abspath(path)): value for path, value in found.items()}
        return {path.relative_to(root).as_posix(): value for path, value in paths.items() if path.is_relative_to(root)}

    def compare(self, manifest: Manifest, decoded: Mapping[str, Outcome], done: Done) -> list[Outcome]:
        """Hold what was `decoded` against the manifest; warns where there is none.

        Returns
        -------
        list of Outcome
            One with an error for each original that is missing or another one, and each coded file that the manifest
            does not name; `done` was called with them.
        """
        if not manifest.exists:
            text = f"{self.folder} has no manifest: nothing tells whether files of an archive are missing"
            logging.getLogger("runtime").warning(text)
            return []
        there = self._inside(self.below)
        unknown = decoded.keys() - {one.coded for one in manifest.files}
        wrong = dict.fromkeys(unknown, "not named in the archive's manifest")
        for one in manifest.files:
            outcome = decoded.get(one.coded)
            if one.coded not in there:
                wrong[one.coded] = "missing from the archive; its manifest names it"
            elif outcome is not None and outcome.error is None and one.sha256:
                if (outcome.original_bytes, _sum(outcome) or one.sha256) != (one.bytes, one.sha256):
                    wrong[one.coded] = "decodes to another file than the manifest says"
        found = [Outcome(os.path.join(self.folder, coded), error=CorruptError(wrong[coded])) for coded in sorted(wrong)]
        for outcome in found:
            done(outcome)
        return found


def decode(
    archives: Sequence[Archive], target: str | None, call: Call, files: list[str], *, done: Done, **options: Any
) -> list[Outcome]:
    """Decode files, hold them against the manifests of their archives, and give them and their folders what these say.

    `target` is the folder into which they are restored, if there is one.
    """
    outcomes = call(files, done=done, **options)
    held = [(archive, Manifest.read(archive.folder), archive.decoded(outcomes)) for archive in archives]
    wrong = [one for archive, manifest, decoded in held for one in archive.compare(manifest, decoded, done)]
    if target is not None:
        for _, manifest, decoded in held:
            settle(manifest, decoded, target)
    return outcomes + wrong


def settle(manifest: Manifest, decoded: Mapping[str, Outcome], target: str) -> None:
    """Give what was restored into a folder its permissions and times, by the manifest; make the empty folders."""
    for folder in manifest.folders:
        os.makedirs(os.path.join(target, folder.path), exist_ok=True)
    for one in manifest.files:
        outcome = decoded.get(one.coded)
        if outcome is not None and outcome.error is None and outcome.output is not None:
            _give(outcome.output, one.mtime_ns, one.mode & 0o777)  # no special rights
    for folder in sorted(manifest.folders, key=lambda folder: folder.path, reverse=True):
        _give(os.path.join(target, folder.path), folder.mtime_ns, folder.mode)


def _folders(root: str) -> Iterator[Folder]:
    """Yield a folder and all below it."""
    for folder, *_ in os.walk(root):
        one = os.stat(folder)
        yield Folder(_posix(os.path.relpath(folder, root)), one.st_mtime_ns, stat.S_IMODE(one.st_mode))


def _coded_files(archive: str) -> Iterator[str]:
    """Yield the coded files of an archive, by their paths in it."""
    for folder, _, names in os.walk(archive):
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith(SUFFIX) and os.path.isfile(path):
                yield _posix(os.path.relpath(path, archive))


def _header(path: str) -> Header | None:
    """Return the header of a coded file; None where it can't be read, of which decoding tells more."""
    with contextlib.suppress(MiddleoutError, OSError), open(path, "rb") as file:
        return BlockReader(file).header
    return None


def _encoded(outcome: Outcome, name: str, one: os.stat_result) -> Original:
    """Return what is to be known of an original that was encoded. Its SHA-256 matters if the same bytes come back."""
    with open(outcome.output or "", "rb") as file:
        header = BlockReader(file).header
    same = not header.bounded and not header.suffix and header.source != SAMPLES
    sha256 = (outcome.sha256 or "") if same else ""
    mtime = one.st_mtime_ns if header.mtime is None else header.mtime
    return Original(name, name + SUFFIX, outcome.original_bytes, mtime, stat.S_IMODE(one.st_mode), sha256)


def _is_other(archive: str, one: Original) -> bool:
    """Tell whether a coded file is of another original than its entry: it was made by a run that was killed."""
    path = os.path.join(archive, one.coded)
    if os.stat(path).st_mtime_ns == one.mtime_ns:
        return False
    header = _header(path)
    return header is not None and header.mtime != kept_time(one.mtime_ns)


def _adopted(archive: str, coded: str) -> Original:
    """Return what a coded file tells of its original, which is gone: a run was killed that encoded and removed it."""
    path = os.path.join(archive, coded)
    one, header = os.stat(path), _header(path)
    name, mtime = coded.removesuffix(SUFFIX), one.st_mtime_ns
    if header is not None:
        name, mtime = name + header.suffix, header.mtime or mtime
    return Original(name, coded, 0, mtime, stat.S_IMODE(one.st_mode), "")


def against(call: Call, original: str, files: list[str], *, done: Done, **options: Any) -> list[Outcome]:
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


def _give(path: str, mtime_ns: int, mode: int) -> None:
    """Give a path its time of modification and permissions, where its file system has such."""
    with contextlib.suppress(OSError, OverflowError):
        os.utime(path, ns=(mtime_ns, mtime_ns))
        os.chmod(path, mode)


def _sum(outcome: Outcome) -> str | None:
    """Return the SHA-256 of what was decoded; None if it was not written and its bytes did not come in their order."""
    if outcome.sha256 is None and outcome.output is not None and os.path.isfile(outcome.output):
        return file_digest(outcome.output).hex()
    return outcome.sha256


def _posix(path: str) -> str:
    return Path(path).as_posix()
