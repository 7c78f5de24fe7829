"""Recordings as they come in: which kind a file is of, and one way to read them all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from ..container.header import kept_time
from ..container.metadata import FORMAT
from ..container.records import Layout, Records, Samples
from ..core import sample_formats
from ..core.errors import FileFormatError, MiddleoutError, UsageError
from ..core.file_io import read_up_to
from ..core.limits import whole
from ..core.names import channel_names
from ..core.terms import CHANNEL_TIME, KEPT, NPY, RAW_SUFFIXES, STREAM, TIME_CHANNEL, WAV
from . import mtscomp, npy
from .arrays import check_axes, check_layout, to_sample_rate
from .audio import AudioReader
from .channel_files import MonoFilesReader
from .formats import spikeglx, table
from .formats.found import Found
from .input_file import Input, ahead
from .kept import KeptReader
from .outputs import paths
from .raw import Form, RawReader
from .records import Description, RecordsReader
from .signatures import SAMPLES_ALONE, refuse_known
from .source import Source
from .wav import WavReader, is_wav


@dataclass(frozen=True)
class Given:
    """What a caller knows of recordings whose files do not hold it.

    Attributes
    ----------
    channels : int or None
        Of raw files; with it, everything that is no WAV and no .npy file is raw. In an archive, .bin, .dat and .raw
        files of no known format are.
    sample_rate : float
        Hz, of raw and .npy files; 0 if unknown.
    dtype : str or dtype
        Of raw files: int16, uint16, int8, uint8, int24, int32, uint32, float32 or float64, little-endian.
    layout : str or None
        Axes of raw and .npy files, "time-channel" or "channel-time"; without it, files with more channels than time
        steps are refused.
    skip : int
        Bytes of raw files in front of their samples, which are kept as they are.
    samples_only : bool
        Keep no more than the samples of files that are neither WAV nor .npy: FLAC, AIFF, CAF, W64. A WAV file is
        restored in their place.
    archive : bool
        Keep every file that is not understood as it is, raw ones whose number of channels is not given included.

    Raises
    ------
    UsageError
    """

    channels: int | None = None
    sample_rate: float = 0
    dtype: str = "int16"
    layout: str | None = None
    skip: int = 0
    samples_only: bool = False
    archive: bool = False

    def __post_init__(self) -> None:
        check_layout(self.layout)
        object.__setattr__(self, "skip", whole(self.skip, 0, 1 << 62, "skip is a whole number from 0 on"))
        if (count := self.channels) is not None:
            object.__setattr__(self, "channels", whole(count, 1, 1 << 62, "channels is a whole number from 1 on"))
        object.__setattr__(self, "sample_rate", to_sample_rate(self.sample_rate))
        object.__setattr__(self, "dtype", sample_formats.parse(self.dtype))


NOTHING = Given()


class Recording:
    """An opened original, or several that are one; a context manager.

    Parameters
    ----------
    files : one path (`-` is standard input), or with `array` one for each channel
    given : Given
    array : whether the files are the channels of one recording
    keep : whether a file that is not understood is a recording without samples (`kept.KeptReader`), not an error

    Attributes
    ----------
    source : Source
    given : what of that which is given is meant for it
    seen : the regular files, as they were when they were opened
    size : bytes of all files, None where only reading will tell
    mtime : modification time in ns, the newest; None if there is none
    names : of the channels
    """

    def __init__(self, files: Sequence[str], given: Given, array: bool = False, keep: bool = False) -> None:
        self._input: Input | None = None
        self.given = given
        if array:
            if STREAM in files:
                raise UsageError("the channels of an array come from files, not from standard input")
            several = MonoFilesReader(list(files), lambda one: _reader(one, given))
            self.source: Source = several
            self.seen = several.seen
            self.size: int | None = sum(seen.size for seen in self.seen)
            self.mtime: int | None = kept_time(max(seen.mtime for seen in self.seen))
            self.names = [paths.split_name(path)[0] for path in files]
            return
        self._input = Input(files[0])
        try:
            self.given = given = _meant(self._input, given)
            self.source = _reader_or_kept(self._input, given) if keep else _reader(self._input, given)
        except BaseException:
            self.close()
            raise
        self.source.notes += tuple(_unused(self.source, given))
        self.size, self.mtime = self._input.size, self._input.mtime
        if self.source.restored_as is not None:  # the file is another form of it
            self.size = None
        self.seen = [] if self._input.seen is None else [self._input.seen]
        self.names = channel_names(self.source.channels)

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the input."""
        if self._input is not None:
            self._input.__exit__()

    @property
    def foreign(self) -> int:
        """Bytes to be stored besides the samples, as far as that is known before reading on."""
        source = self.source
        if source.canonical:
            return 0
        behind = 0
        if self.size is not None and source.frames is not None:
            samples = source.frames * source.channels * sample_formats.width(source.dtype)
            behind = max(self.size - source.outside - samples, 0)
        return len(source.front) + behind

    def excerpt(self, frames: int, pieces: int = 16) -> np.ndarray:
        """Read at most so many frames in all, plain samples [time, channel], in pieces spread over the recording.

        Of a recording of unknown length, these are the first ones. Nothing else can be read then.
        """
        source = self.source
        if source.frames is None or source.frames <= frames or frames < pieces:
            return source.read(frames)
        size, at = frames // pieces, 0
        samples = np.empty((pieces, size, source.channels), sample_formats.plain_type(source.dtype))
        for piece, start in zip(samples, np.linspace(0, source.frames - size, pieces).astype(np.int64).tolist()):
            source.skip(start - at)
            piece[:] = source.read(size)
            at = start + size
        return samples.reshape(pieces * size, source.channels)


def _meant(source: Input, given: Given) -> Given:
    """Return what is meant for a file: in an archive, those of known formats are read as they are without options."""
    if source.seen is None or not given.archive or (given.channels is None and not given.samples_only):
        return given
    found = Found.of(source.file, source.path)
    known = table.describe(found) is not None
    raw = not known and found.suffix in RAW_SUFFIXES
    source.file.seek(0)
    samples_only = given.samples_only and not known and not raw
    return replace(given, channels=given.channels if raw else None, samples_only=samples_only)


def _reader_or_kept(source: Input, given: Given) -> Source:
    """Return the reader for what an input holds; a file that is not understood is kept as it is."""
    try:
        return _reader(source, given)
    except MiddleoutError as error:
        asked = given.samples_only or given.channels is not None or not isinstance(error, FileFormatError)
        if source.seen is None or (asked and not given.archive):
            raise
        source.file.seek(0)
        return KeptReader(source.file, str(error))


def _unused(source: Source, given: Given) -> Iterator[str]:
    """Say what a caller gave for a file that holds something else."""
    if given.channels not in (None, source.channels) and source.kind != KEPT:
        yield f"it has {source.channels} channels, as its header says; a number of channels is for raw files"
    if given.skip and source.kind in (WAV, NPY):
        yield "bytes in front of the samples (--skip) are for raw files; nothing is skipped"
    if given.layout is not None and source.kind == WAV:
        yield "an order of axes is for raw files and arrays; the samples of a WAV file lie frame by frame"
    if given.sample_rate not in (0, source.sample_rate) and source.sample_rate:
        yield f"its sample rate is {source.sample_rate} Hz, as its header says; a sample rate is for files without one"


def _reader(source: Input, given: Given) -> Source:
    """Return the reader for what an input holds: .wav and .npy by their suffix, all else by its first bytes."""
    suffix = os.path.splitext(source.path)[1].lower()
    start, file = ahead(source)
    if suffix == ".npy" or (suffix != ".wav" and start.startswith(npy.MAGIC)):
        front, form = npy.read_header(file, given.sample_rate, given.layout)
        left = None if source.size is None else source.size - len(front)
        whole = (form.frames or 0) * form.channels * sample_formats.width(form.dtype)
        if source.seen is not None and left is not None and left < whole and not form.channel_time:
            if described := _cut(source.seen.size, front, form, "the file is shorter than its header says"):
                return RecordsReader(file, described)
        return RawReader(file, left, form, front)
    if is_wav(start):
        return WavReader(file, source.size)
    if given.samples_only:
        if source.size is None:
            raise UsageError("--samples-only, or samples_only, needs a file; this is a pipe")
        found = Found.of(file, source.path)
        fields = mtscomp.described_by(found)
        return AudioReader(source.path) if fields is None else mtscomp.MtscompReader(found, fields)
    told: tuple[str, ...] = ()
    if source.seen is not None:
        found = Found.of(file, source.path)
        if mtscomp.described_by(found):
            raise FileFormatError(f"this is compressed by mtscomp: {SAMPLES_ALONE}")
        if given.channels is not None:
            told = spikeglx.ignored(found)
        elif described := table.describe(found):
            return _described(described, file, source.seen.size)
        file.seek(0)
    if suffix == ".wav":
        return WavReader(file, source.size)
    refuse_known(start, source.seen is None)
    if given.channels is None:
        if not start:
            raise FileFormatError("an empty file")
        kind = "a raw file" if suffix in RAW_SUFFIXES else "this is no recording of a known format; if raw"
        wrong = UsageError if suffix in RAW_SUFFIXES or source.seen is None else FileFormatError
        raise wrong(f"{kind}: say with --channels how many channels it has, and --dtype if it is not int16")
    raw = _raw(source, file, given, given.channels)
    raw.notes += told
    return raw


def _raw(source: Input, file: BinaryIO, given: Given, channels: int) -> Source:
    """Return the reader for bare samples."""
    channel_time = given.layout == CHANNEL_TIME
    form = Form(channels, given.sample_rate, given.dtype, None, given.layout, channel_time)
    if given.skip and (source.seen is None or channel_time):
        raise UsageError(
            "bytes in front of the samples (--skip) are for files of samples frame by frame, not for pipes"
        )
    if source.seen is not None and not channel_time:
        front = read_up_to(file, given.skip)
        if described := _cut(source.seen.size, front, form):
            return RecordsReader(file, described)
        if given.skip:
            size = source.seen.size
            raise UsageError(f"{given.skip} bytes in front of the samples (--skip) leave no frame of the {size} bytes")
        file.seek(0)
    return RawReader(file, source.size, form)


def _described(described: Description, file: BinaryIO, size: int) -> Source:
    """Return the reader for a file that was described; bare samples that fill it need no more than a raw file."""
    described = replace(described, metadata={FORMAT: described.form, **described.metadata})
    records, channels = described.layout.sections[0], described.channels
    turned = described.layout.channel_by_channel
    bare = turned or (isinstance(records, Records) and records.fields == (Samples(channels),))
    if bare and described.layout.places(sample_formats.width(described.dtype)) == [0, size]:
        file.seek(0)
        layout = CHANNEL_TIME if turned else TIME_CHANNEL
        form = Form(channels, described.sample_rate, described.dtype, described.layout.frames, layout, turned)
        raw = RawReader(file, size, form)
        raw.metadata, raw.notes = described.metadata, described.warnings
        return raw
    return RecordsReader(file, described)


def _cut(size: int, front: bytes, form: Form, note: str = "") -> Description | None:
    """Describe a file of samples with other bytes in front or a part of a frame behind; None if there are neither."""
    fields = (Samples(form.channels),)
    frames, rest = divmod(size - len(front), Records(1, fields).size(sample_formats.width(form.dtype)))
    if not (front or rest) or frames < 1:
        return None
    check_axes(frames, form.channels, form.layout)
    layout = Layout(((front,) if front else ()) + (Records(frames, fields),))
    notes = [note] if note else []
    if rest:
        notes.append(f"{rest} bytes behind the last whole frame are kept as they are")
    kind = "samples and other bytes"
    return Description(kind, form.channels, form.sample_rate, form.dtype, layout, warnings=tuple(notes))
