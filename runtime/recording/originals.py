"""Where a decoded recording goes: one file as it comes, one file channel by channel, or one file for each channel."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np

from ..container.file_table import Member, parse
from ..container.header import Header
from ..container.random_access import read_layout
from ..core import sample_formats
from ..core.errors import CorruptError, UsageError
from . import paths
from .input_file import Input
from .output_file import Check, Output, publish
from .wav import WavFormat, canonical_header

_LARGEST = 1 << 62
"""Bytes of a file that no file system reaches."""


def members_of(header: Header, table: bytes) -> list[Member]:
    """Parse the table of the files that an original consists of. Raises `CorruptError`."""
    form = WavFormat.of(1, header.sample_rate, header.dtype)
    return parse(table, header.channels, canonical_header(form, header.frames))


def wav_front(header: Header, source: Input) -> bytes:
    """Return the header of a WAV file, for a coded file that keeps none; its length is that of the index if need be."""
    frames = header.frames
    if frames is None and source.size is not None:
        back = source.file.tell()
        with contextlib.suppress(CorruptError):  # reading on will come across the damage too
            frames = read_layout(source.file).index.total
        source.file.seek(back)
    return canonical_header(WavFormat.of(header.channels, header.sample_rate, header.dtype), frames)


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
        self._output: Output | None = None

    def front(self, data: bytes) -> None:
        """Write bytes in front of the samples."""
        self._opened().write(data)

    def back(self, data: bytes) -> None:
        """Write bytes behind the samples."""
        self._opened().write(data)

    def samples(self, samples: np.ndarray) -> None:
        """Write the next frames, plain samples [frames, channels]."""
        self._opened().write(sample_formats.to_bytes(samples, self._dtype))

    def commit(self, mode: int | None, mtime: int | None, check: Check | None) -> None:
        """Complete the file: give it its name, permissions and time."""
        self._opened().commit(mode, mtime, check)
        self._output = None

    def abort(self) -> None:
        """Remove what was written."""
        if self._output is not None:
            self._output.abort()

    def _opened(self) -> Output:
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
        self._opened().write(data, None if self._behind else self._place(self._channels, 0))
        self._behind = True

    def samples(self, samples: np.ndarray) -> None:
        """Write the next frames, plain samples [frames, channels]."""
        if self._done + len(samples) > self._frames:
            raise CorruptError("the chunks do not add up to the frames that the header announces")
        for channel, values in enumerate(samples.T):
            self._opened().write(sample_formats.to_bytes(values, self._dtype), self._place(channel, self._done))
        self._done += len(samples)

    def _place(self, channel: int, frame: int) -> int:
        return self._start + (channel * self._frames + frame) * self._width

    def _opened(self) -> Output:
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
        self._open: list[Output] | None = None

    def samples(self, samples: np.ndarray) -> None:
        """Write the next frames, plain samples [frames, channels]."""
        self._append(lambda channel: sample_formats.to_bytes(samples[:, channel], self._dtype))

    def commit(self, mode: int | None, _: int | None, check: Check | None) -> None:
        """Complete the files: give them their permissions and times, and their names once all are on the disk."""
        outputs = self._append(lambda channel: self._members[channel].back)
        for output, member in zip(outputs, self._members, strict=True):
            output.settle(mode, member.mtime)
            if check is not None:
                check(output)
            output.file.close()
        publish(outputs)
        self._open = None

    def abort(self) -> None:
        """Remove what was written."""
        for output in self._open or ():
            output.abort()

    def _append(self, data: Callable[[int], bytes]) -> list[Output]:
        if self._open is None:
            self._open = []
            for target, member in zip(self._targets, self._members, strict=True):
                self._open.append(self._outputs.open(target, make_folder=True))
                self._open[-1].append(member.front)
        for channel, output in enumerate(self._open):
            output.append(data(channel))
        return self._open
