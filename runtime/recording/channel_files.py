"""Several files, one for each channel, as one recording."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..container.file_table import Member, pack
from ..container.metadata import ANNOTATIONS, BITS, CHANNEL_IDS, GAIN, OFFSET, UNITS, digital_channels
from ..core import limits, sample_formats
from ..core.errors import FileFormatError, MiddleoutError, UsageError
from ..core.file_io import read_up_to
from ..core.names import is_file_name
from ..core.terms import FILES, NPY, RAW, SAMPLES, WAV
from .input_file import Input, Seen
from .source import Source
from .wav import WavFormat, canonical_header

_KINDS = WAV, NPY, RAW
"""Of originals that are a front, their samples one after the other, and bytes behind these."""


@dataclass(frozen=True)
class _Form:
    """What the files have in common."""

    frames: int
    dtype: str
    sample_rate: float

    def __str__(self) -> str:
        return f"{self.frames} samples of {sample_formats.name(self.dtype)} at {self.sample_rate} Hz"


@dataclass(frozen=True)
class _Part:
    """One file: where its samples begin, and all else of it."""

    path: str
    start: int
    form: _Form
    member: Member
    metadata: Mapping[str, Any]


class MonoFilesReader(Source):
    """Several files as the channels of a recording.

    Parameters
    ----------
    files : paths; `-` is not among them
    open_one : gives the reader of an opened input
    """

    kind = FILES

    def __init__(self, files: list[str], open_one: Callable) -> None:
        if not 1 <= len(files) <= limits.MAX_CHANNELS:
            raise UsageError(f"{len(files)} channels; possible are 1 to {limits.MAX_CHANNELS}")
        self.channels = len(files)
        self.outside = 0
        self._parts: list[_Part] = []
        self.seen: list[Seen] = []
        for path in files:
            self._parts.append(self._open(path, open_one))
        members = [part.member for part in self._parts]
        if len({member.name for member in members}) < len(members):
            raise UsageError("two of the files have the same name")
        common = self._parts[0].form
        self.frames, self.dtype, self.sample_rate = common.frames, common.dtype, common.sample_rate
        form = WavFormat.of(1, self.sample_rate, self.dtype)
        self.front = pack(members, canonical_header(form, self.frames))
        self.metadata = _joined([part.metadata for part in self._parts])
        self._done = 0

    def _open(self, path: str, open_one: Callable) -> _Part:
        """Read all of a file but its samples, which `read` reads."""
        name = os.path.basename(path)
        if not is_file_name(name):
            raise UsageError(f"{path}: such a name can't be restored everywhere; rename the file")
        with _opened(path) as source:
            if source.seen is None:
                raise UsageError(f"{path}: not a regular file")
            self.seen.append(source.seen)
            try:
                reader = open_one(source)
            except MiddleoutError as error:
                raise type(error)(f"{path}: {error}") from None
            if reader.kind == SAMPLES or reader.restored_as is not None:
                raise UsageError(f"{path}: an array keeps whole files, not samples only")
            if reader.kind not in _KINDS:
                raise UsageError(f"{path}: files of an array are WAV, .npy or bare samples; encode this one by itself")
            if reader.channels != 1:
                raise UsageError(f"{path}: {reader.channels} channels; files of an array hold one each")
            form = _Form(reader.frames, reader.dtype, reader.sample_rate)
            if self._parts and form != self._parts[0].form:
                raise UsageError(f"{path}: {form}, unlike the files before: {self._parts[0].form}")
            rest = source.seen.size - len(reader.front) - reader.frames * sample_formats.width(reader.dtype)
            if self.outside + len(reader.front) + rest > limits.MAX_FOREIGN_BYTES // 2:
                raise FileFormatError(f"{path}: too many bytes that are no samples")
            reader.skip(reader.frames)
            member = Member(name, source.mtime, reader.front, b"".join(reader.back()))
            self.outside += len(member.front) + len(member.back)
            return _Part(path, len(reader.front), form, member, reader.metadata)

    def read(self, frames: int) -> np.ndarray:
        """Read the next frames, plain samples [frames, channels]; fewer only at the end."""
        frames = min(frames, self._parts[0].form.frames - self._done)
        width = sample_formats.width(self.dtype)
        samples = np.empty((frames, self.channels), sample_formats.plain_type(self.dtype))
        for channel, part in enumerate(self._parts):
            with open(part.path, "rb") as file:
                file.seek(part.start + self._done * width)
                data = read_up_to(file, frames * width)
            if len(data) < frames * width:
                raise MiddleoutError(f"{part.path} changed while it was read")
            samples[:, channel] = sample_formats.from_bytes(data, self.dtype, 1)[:, 0]
        self._done += frames
        return samples

    def skip(self, frames: int) -> None:
        """Pass over frames, which must be there."""
        self._done += frames


def _joined(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return ids, gains and offsets of the channels, if each file tells its own, and whether all are digital words."""
    keys = (key for key in (CHANNEL_IDS, GAIN) if all(key in one for one in told))
    found: dict[str, Any] = {key: [one[key][0] for one in told] for key in keys}
    if len(set(found.get(CHANNEL_IDS, ()))) < len(told):
        found.pop(CHANNEL_IDS, None)
    if GAIN in found and any(OFFSET in one for one in told):
        found[OFFSET] = [one.get(OFFSET, [0])[0] for one in told]
    if all(digital_channels(one, 1) for one in told):
        found[ANNOTATIONS] = {UNITS: [BITS] * len(told)}
    return found


def _opened(path: str) -> Input:
    try:
        return Input(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
