"""Where a decoded recording goes: one file as it comes, one file channel by channel, or one file for each channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from ..container.file_table import Member, parse
from ..container.header import Header
from ..core import sample_formats
from ..core.errors import CorruptError, UsageError
from . import paths
from .wav import WavFormat, canonical_header

_LARGEST = 1 << 62
"""Bytes of a file that no file system reaches."""


def members_of(header: Header, table: bytes) -> list[Member]:
    """Parse the table of the files that an original consists of. Raises `CorruptError`."""
    form = WavFormat.of(1, header.sample_rate, header.dtype)
    return parse(table, header.channels, canonical_header(form, header.frames))


class FileSink:
    """One file, whose bytes come in their order.

    Parameters
    ----------
    outputs : paths.Outputs
    target : claimed path
    header : Header
    """

    def __init__(self, outputs: paths.Outputs, target: str, header: Header) -> None:
        self._outputs = outputs
        self.target = target
        self._dtype = header.file_dtype
        self._output: paths.Output | None = None

    def front(self, data: bytes) -> None:
        """Write bytes in front of the samples."""
        self._file().write(data)

    def back(self, data: bytes) -> None:
        """Write bytes behind the samples."""
        self._file().write(data)

    def samples(self, samples: np.ndarray) -> None:
        """Write the next frames, plain samples [frames, channels]."""
        self._file().write(sample_formats.to_bytes(samples, self._dtype))

    def commit(self, mode: int | None, mtime: int | None) -> None:
        """Complete the file: give it its name, permissions and time."""
        self._opened().commit(mode, mtime)
        self._output = None

    def abort(self) -> None:
        """Remove what was written."""
        if self._output is not None:
            self._output.abort()

    def _file(self) -> BinaryIO:
        return self._opened().file

    def _opened(self) -> paths.Output:
        if self._output is None:
            self._output = self._outputs.open(self.target)
        return self._output


class ChannelTimeSink(FileSink):
    """One file in which the samples of each channel lie together: every chunk goes to one place for each channel."""

    def __init__(self, outputs: paths.Outputs, target: str, header: Header) -> None:
        super().__init__(outputs, target, header)
        self._channels, self._frames = header.channels, header.frames or 0  # known where samples lie so
        self._width = sample_formats.width(self._dtype)
        self._start = self._done = 0
        self._behind = False
        if self._frames * self._channels * self._width > _LARGEST:
            raise CorruptError("the header announces more than any file can hold")

    def front(self, data: bytes) -> None:
        """Write bytes in front of the samples."""
        self._start += len(data)
        super().front(data)

    def back(self, data: bytes) -> None:
        """Write bytes behind the samples."""
        if not self._behind:
            self._file().seek(self._place(self._channels, 0))
            self._behind = True
        super().back(data)

    def samples(self, samples: np.ndarray) -> None:
        """Write the next frames, plain samples [frames, channels]."""
        if self._done + len(samples) > self._frames:
            raise CorruptError("the chunks do not add up to the frames that the header announces")
        for channel, values in enumerate(samples.T):
            self._file().seek(self._place(channel, self._done))
            self._file().write(sample_formats.to_bytes(values, self._dtype))
        self._done += len(samples)

    def _place(self, channel: int, frame: int) -> int:
        return self._start + (channel * self._frames + frame) * self._width

    def _opened(self) -> paths.Output:
        output = super()._opened()
        if not output.seekable:
            raise UsageError("its samples lie channel by channel, which only a file can take; say with -o which")
        return output


class MembersSink:
    """A file for each channel, never all open at once.

    Parameters
    ----------
    outputs : paths.Outputs
    source : path of the coded file
    header : Header
    members : one for each channel
    """

    def __init__(self, outputs: paths.Outputs, source: str, header: Header, members: list[Member]) -> None:
        self._outputs, self._members, self._dtype = outputs, members, header.dtype
        self.target, self._targets = outputs.claim_several(source, [member.name for member in members])
        self._open: list[paths.Output] | None = None

    def samples(self, samples: np.ndarray) -> None:
        """Write the next frames, plain samples [frames, channels]."""
        self._append(lambda channel: sample_formats.to_bytes(samples[:, channel], self._dtype))

    def commit(self, mode: int | None, _: int | None) -> None:
        """Complete the files: give them their names, permissions and times."""
        outputs = self._append(lambda channel: self._members[channel].back)
        for output, member in zip(outputs, self._members, strict=True):
            output.commit(mode, member.mtime)
        self._open = None

    def abort(self) -> None:
        """Remove what was written."""
        for output in self._open or ():
            output.abort()

    def _append(self, data: Callable[[int], bytes]) -> list[paths.Output]:
        if self._open is None:
            self._open = []
            for target, member in zip(self._targets, self._members, strict=True):
                self._open.append(self._outputs.open(target, make_folder=True))
                self._open[-1].append(member.front)
        for channel, output in enumerate(self._open):
            output.append(data(channel))
        return self._open
