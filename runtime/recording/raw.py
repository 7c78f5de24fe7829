"""Samples as they are: raw files, and what is in a .npy file behind its header."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from ..core import limits, sample_formats
from ..core.errors import FileFormatError, MiddleoutError, UsageError
from ..core.file_io import read_up_to, skip_bytes
from ..core.terms import NPY, RAW
from .arrays import check_axes
from .source import Source


@dataclass(frozen=True)
class Form:
    """How samples lie in a file.

    frames : None for "until the end"
    layout : which axis is which; None where the caller has not given it
    channel_time : whether the samples of a channel lie together, not those of a frame
    """

    channels: int
    sample_rate: float
    dtype: str
    frames: int | None = None
    layout: str | None = None
    channel_time: bool = False


class RawReader(Source):
    """A recording of bare samples.

    Parameters
    ----------
    file : binary file object, at the first sample
    size : bytes of the file from there on, None if that is not known (pipe)
    form : Form
    front : bytes in front of the samples, of a .npy file
    """

    def __init__(self, file: BinaryIO, size: int | None, form: Form, front: bytes = b"") -> None:
        self._file, self._form, self.front = file, form, front
        self.outside = len(front)
        self.kind = NPY if front else RAW
        self.channels, self.sample_rate, self.dtype = form.channels, form.sample_rate, form.dtype
        self.channel_time = form.channel_time and form.channels > 1
        self._width = sample_formats.width(form.dtype)
        if form.frames is not None:
            check_axes(form.frames, form.channels, form.layout)
        if not 1 <= form.channels <= limits.MAX_CHANNELS:
            raise UsageError(f"{form.channels} channels; possible are 1 to {limits.MAX_CHANNELS}")
        if self.channel_time and size is None:
            raise UsageError("samples lie channel by channel, which a pipe can't give frame by frame; use a file")
        self.frames = form.frames
        if self.frames is None and size is not None:
            self.frames = self._whole_frames(size)
        if self.frames is not None:
            check_axes(self.frames, self.channels, form.layout)
            if size is not None and size < self.frames * self.channels * self._width:
                raise FileFormatError("the file is shorter than its header says")
        self._start = file.tell() if self.channel_time else 0
        self._channel_bytes = (self.frames or 0) * self._width
        self._done = 0

    def read(self, frames: int) -> np.ndarray:
        """Read the next frames, plain samples [frames, channels]; fewer only at the end of the samples."""
        if self.frames is not None:
            frames = min(frames, self.frames - self._done)
        if self.channel_time:
            samples = np.empty((frames, self.channels), sample_formats.plain_type(self.dtype))
            for channel in range(self.channels):
                self._file.seek(self._start + channel * self._channel_bytes + self._done * self._width)
                samples[:, channel] = sample_formats.from_bytes(self._take(frames * self._width), self.dtype, 1)[:, 0]
        else:
            samples = sample_formats.from_bytes(
                self._take(frames * self.channels * self._width), self.dtype, self.channels
            )
        self._done += len(samples)
        return samples

    def skip(self, frames: int) -> None:
        """Pass over frames, which must be there."""
        if not self.channel_time:
            skip_bytes(self._file, frames * self.channels * self._width)
        self._done += frames

    def back(self) -> Iterator[bytes]:
        """Read the bytes behind the samples, in pieces of at most limits.MAX_FOREIGN_PIECE."""
        if self.frames is None:
            check_axes(self._done, self.channels, self._form.layout)
        if self.channel_time:
            self._file.seek(self._start + self.channels * self._channel_bytes)
        while piece := read_up_to(self._file, limits.MAX_FOREIGN_PIECE):
            if self.kind == RAW:
                raise MiddleoutError("the file changed while it was read")
            yield piece

    def _take(self, count: int) -> bytes:
        data = read_up_to(self._file, count)
        if len(data) < count:
            if self.frames is not None:
                raise FileFormatError("the file is shorter than its header says, or changed while it was read")
            self._whole_frames(len(data))
        return data

    def _whole_frames(self, size: int) -> int:
        """Return the frames of so many bytes. Raises `UsageError` if there is a rest: the file is of another form."""
        frames, rest = divmod(size, self.channels * self._width)
        if rest:
            raise UsageError(
                f"{size} bytes are no whole number of frames of {self.channels} "
                f"{sample_formats.name(self.dtype)} samples: check --channels and --dtype"
            )
        return frames
