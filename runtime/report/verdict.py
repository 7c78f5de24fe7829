"""Whether a coded file is what it should be: decoded in full, digested, and compared with the original."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..access.reader import Reader
from ..batch.files import decode_files
from ..container.metadata import holes_of
from ..container.random_access import read_layout
from ..core import sample_formats
from ..core.errors import CorruptError, FileFormatError, MiddleoutError, ModelError, UsageError, as_error
from ..core.file_io import file_digest
from ..core.implant_table import codes_of
from ..core.terms import CHANNEL_TIME, FILES, RECORDS, TIME_CHANNEL
from ..recording.input_file import Input
from ..recording.outputs.originals import layout_of, members_of
from ..recording.records import Description, RecordsReader
from ..recording.source import Source
from ..recording.sources import Given, Recording

GOOD, LOSSY, BAD = "good", "lossy", "bad"
_AT_ONCE = 1 << 22
"""Samples that are compared at once."""


@dataclass(frozen=True)
class Verdict:
    """What became of checking a file.

    Attributes
    ----------
    state : GOOD, LOSSY or BAD
    title : the verdict in a few words
    lines : what it rests on
    digests : SHA-256 of the decoded original, by the names of its files
    exit_code : of the command
    """

    state: str
    title: str
    lines: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    exit_code: int = 0


@dataclass
class Difference:
    """How decoded samples differ from the original ones.

    Attributes
    ----------
    samples, equal : how many there are, and how many of them are the same
    guaranteed : how many are guaranteed to be within the bound
    largest : largest error of the guaranteed samples, in codes of the implant's table, else in sample units
    squares, power : sums over all samples of the squared error, and of the squared original
    """

    samples: int = 0
    equal: int = 0
    guaranteed: int = 0
    largest: float = 0.0
    squares: float = 0.0
    power: float = 0.0


def check(
    path: str,
    facts: dict[str, Any],
    original: str | None,
    folder: str,
    model: str | None,
    advance: Callable[[int], None],
) -> Verdict:
    """Decode a coded file into a folder, and judge it.

    Parameters
    ----------
    path : of the coded file
    facts : of `batch.info.describe`
    original : path of the original, a folder where it is several files; None to do without
    folder : an empty one, for the decoded original
    model : name or path of the model, where the file needs that
    advance : called with numbers of samples as they are decoded
    """
    restored = os.path.join(folder, "original" + facts["original_suffix"])
    (outcome,) = decode_files([path], output=restored, model=model, advance=advance, sums=True)
    if outcome.error is not None:
        return failed(outcome.error)
    digests = _digests(restored) if outcome.sha256 is None else {"": outcome.sha256}
    all_chunks = f"All {facts['chunks']} chunks were decoded" if facts["chunks"] != 1 else "Its chunk was decoded"
    checked = f"{all_chunks}: {facts['samples']:,} samples have the checksums that the encoder took."
    found = Verdict(GOOD, "Lossless and verified", [checked], digests)
    if not facts["lossless"]:
        found = replace(found, state=LOSSY, title=_lossy_title(facts), lines=[checked, *_lossy_lines(facts)])
    if lost := holes_of(facts["metadata"]):
        text = ", ".join(f"{start} to {stop - 1}" for start, stop in lost)
        lines = [*found.lines, f"It was salvaged from a damaged file. Frames that were lost, and filled: {text}."]
        found = replace(found, state=LOSSY, title="Salvaged: not all of the original is there", lines=lines)
    if original is None:
        more = ["Give --original to measure what was lost."] if found.state == LOSSY else []
        return replace(found, lines=found.lines + more)
    return _compared(found, path, facts, restored, original)


def failed(error: Exception) -> Verdict:
    """Return the verdict on a file that can't be decoded. Other errors than that it or its model is bad are raised."""
    if isinstance(error, ModelError):
        return Verdict(BAD, "Not decoded: its model is missing", [str(error)], exit_code=error.exit_code)
    if isinstance(error, FileFormatError):
        return Verdict(BAD, "Not a coded file", [f"{error}."], exit_code=error.exit_code)
    if isinstance(error, CorruptError):
        return Verdict(BAD, "Damaged", [f"Decoding stopped: {error}."], exit_code=error.exit_code)
    raise error


def _lossy_title(facts: dict[str, Any]) -> str:
    if facts["spikes"] is not None:
        return "Spike mode: only windows around spikes are kept"
    return f"Near-lossless: every sample within {facts['max_error']['max']:g} of the original"


def _lossy_lines(facts: dict[str, Any]) -> list[str]:
    units = "codes of the implant's table, in sample units for other channels"
    bound, kept = facts["max_error"]["max"], facts["spikes"]
    if kept is None:
        return [f"The bound is {bound:g}, in {units}."]
    return [
        f"{kept['events']:,} windows hold {100 * kept['share_kept']:.2f} % of the samples, each within {bound:g}, in "
        f"{units}. All else is only sketched.",
        f"Spikes are crossings of {kept['threshold']:.2f} robust deviations.",
    ]


def _digests(restored: str) -> dict[str, str]:
    """Return the SHA-256 of a file, or of each file in a folder by its name."""
    if not os.path.isdir(restored):
        return {"": file_digest(restored).hex()}
    return {name: file_digest(os.path.join(restored, name)).hex() for name in sorted(os.listdir(restored))}


def _compared(found: Verdict, path: str, facts: dict[str, Any], restored: str, original: str) -> Verdict:
    """Compare with the original, by its bytes first."""
    name = os.path.basename(os.path.normpath(original))
    if _digests_like(original, found.digests) == found.digests:
        what = "these files" if len(found.digests) > 1 else "this SHA-256"
        return replace(found, lines=[*found.lines, f"{name} has {what}: it is equal, byte for byte."])
    try:
        difference = _difference(path, facts, restored, original)
    except (MiddleoutError, OSError) as error:
        return _unequal(found, f"{name} is not the original of this file: {as_error(error)}.")
    if found.state == LOSSY:
        return _measured(found, facts, difference, name)
    if difference.equal == difference.samples:
        line = f"{name} has the same samples, all of them; other bytes of the two files differ."
        return replace(found, title="Lossless and verified: the samples are equal", lines=[*found.lines, line])
    count = difference.samples - difference.equal
    return _unequal(found, f"{name} differs in {count:,} of {difference.samples:,} samples.")


def _unequal(found: Verdict, line: str) -> Verdict:
    title = "Intact, but not equal to the given original"
    return replace(found, state=BAD, title=title, lines=[*found.lines, line], exit_code=1)


def _measured(found: Verdict, facts: dict[str, Any], difference: Difference, name: str) -> Verdict:
    """Add what was lost."""
    bound, total = facts["max_error"]["max"], max(difference.samples, 1)
    if difference.largest > bound:
        text = f"{name} differs by up to {difference.largest:g} where the file promises {bound:g} at most."
        return _unequal(found, text)
    line = f"Against {name}: the largest error is {difference.largest:g}"
    if facts["spikes"] is not None:
        line += " in the windows"
    line += f"; {100 * difference.equal / total:.1f} % of all samples are exact"
    if difference.squares:
        ratio = 10 * np.log10(max(difference.power, 1e-9) / difference.squares)
        error = np.sqrt(difference.squares / total)
        line += f"; the error is {error:.4g} rms in sample units; the signal is {ratio:.1f} dB above it"
    return replace(found, lines=[*found.lines, line + "."])


def _digests_like(original: str, digests: dict[str, str]) -> dict[str, str]:
    """Return the digests of an original in the form of others; files that there are not have none."""
    if not os.path.isdir(original):
        return {"": file_digest(original).hex()} if os.path.exists(original) else {}
    paths = {name: os.path.join(original, name) for name in digests if name}
    return {name: file_digest(path).hex() for name, path in paths.items() if os.path.isfile(path)}


@contextmanager
def open_original(path: str, coded: str, facts: dict[str, Any]) -> Iterator[Source]:
    """Open an original, whose form is known from its coded file. Raises `MiddleoutError` if it has another form.

    Parameters
    ----------
    path : a file, or the folder of the files of channels
    coded : path of the coded file
    facts : of `batch.info.describe`
    """
    with open(coded, "rb") as file:
        layout = read_layout(file)
    header, array = layout.header, facts["source"] == FILES
    if facts["source"] == RECORDS:
        records = layout_of(header, layout.table)
        described = Description(facts["source"], header.channels, header.sample_rate, header.dtype, records)
        with Input(path) as one:
            yield RecordsReader(one.file, described)
        return
    members = members_of(header, layout.table) if array else []
    files = [os.path.join(path, member.name) for member in members] or [path]
    layouts = (TIME_CHANNEL, CHANNEL_TIME) if facts["layout"] == TIME_CHANNEL else (CHANNEL_TIME, TIME_CHANNEL)
    dtype, channels = facts["dtype"].removeprefix("big-endian "), 1 if array else facts["channels"]
    for order in layouts:
        with Recording(files, Given(channels, facts["sample_rate"], dtype, order), array) as recording:
            source = recording.source
            if source.channels == facts["channels"] and source.frames in (None, facts["frames"]):
                yield source
                return
    raise UsageError(
        f"it has {source.channels} channels of {source.frames} frames, not {facts['channels']} of {facts['frames']}"
    )


def _difference(path: str, facts: dict[str, Any], restored: str, original: str) -> Difference:
    found = Difference()
    with open_original(original, path, facts) as first, open_original(restored, path, facts) as second:
        if facts["spikes"] is None:
            for before, after in _pieces(first, second, facts):
                _add(found, before, after, None)
            return found
        with Reader(path) as reader:
            at = 0
            for before, after in _pieces(first, second, facts):
                _add(found, before, after, reader.mask(at, at + len(before)))
                at += len(before)
    return found


def _pieces(first: Source, second: Source, facts: dict[str, Any]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    frames = max(_AT_ONCE // facts["channels"], 1)
    if first.dtype != second.dtype:
        names = (sample_formats.name(one.dtype) for one in (first, second))
        raise UsageError("its samples are {}, not {}".format(*names))
    while True:
        before, after = first.read(frames), second.read(frames)
        if len(before) != len(after):
            raise UsageError("it has another length")
        if not len(before):
            return
        yield before, after


def _add(found: Difference, before: np.ndarray, after: np.ndarray, mask: np.ndarray | None) -> None:
    """Add the difference of plain samples [frames, channels]; a mask says which are guaranteed."""
    found.samples += before.size
    found.equal += int(np.count_nonzero((before == after) | ((before != before) & (after != after))))
    found.guaranteed += before.size if mask is None else int(mask.sum())
    with np.errstate(over="ignore", invalid="ignore"):
        signal, error = before.astype(np.float64), after.astype(np.float64) - before
        found.squares += float(np.nansum(error**2))
        found.power += float(np.nansum((signal - signal.mean(axis=0)) ** 2))
    inside = np.abs(_in_units(before, after, error))
    found.largest = max(found.largest, float((inside if mask is None else inside * mask).max(initial=0)))


def _in_units(before: np.ndarray, after: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return errors in codes for channels in the implant's table, in sample units for others."""
    if before.dtype != np.int16:
        return error
    first, second = codes_of(np.ascontiguousarray(before)), codes_of(np.ascontiguousarray(after))
    in_table = (first.min(axis=0, initial=0) >= 0) & (second >= 0)
    return np.where(in_table, second.astype(np.float64) - first, error)
