"""Where a decoded recording goes: one file as it comes, one file channel by channel, or one file for each channel."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator

import numpy as np

from ...container.file_table import Member, parse
from ...container.header import Header
from ...container.random_access import read_layout
from ...container.records import Layout
from ...core import sample_formats
from ...core.errors import CorruptError, UsageError
from ...core.terms import RECORDS
from ..input_file import Input
from ..records import Assembler
from ..wav import WavFormat, canonical_header
from . import paths
from .output_file import Check, Output, publish

_LARGEST = 1 << 62
"""Bytes of a file that no file system reaches."""


def members_of(header: Header, table: bytes) -> list[Member]:
    """Parse the table of the files that an original consists of. Raises `CorruptError`."""
    form = WavFormat.of(1, header.sample_rate, header.dtype)
    return parse(table, header.channels, canonical_header(form, header.frames))


def layout_of(header: Header, front: bytes) -> Layout:
    """Parse the layout of an original of records. Raises `CorruptError`."""
    layout = Layout.parse(front, header.channels, sample_formats.width(header.dtype))
    if layout.frames != header.frames:
        raise CorruptError("the layout of the original has other frames than the header")
    return layout


def canonical_front(header: Header, frames: int | None) -> bytes:
    """Return the header of a WAV file of so many frames, None if that is not known."""
    return canonical_header(WavFormat.of(header.channels, header.sample_rate, header.dtype), frames)


def wav_front(header: Header, source: Input) -> bytes:
    """Return the header of a WAV file, for a coded file that keeps none; its length is that of the index if need be."""
    frames = header.frames
    if frames is None and source.size is not None:
        back = source.file.tell()
        with contextlib.suppress(CorruptError):  # reading on will come across the damage too
            frames = read_layout(source.file).index.total
        source.file.seek(back)
    return canonical_front(header, frames)


class InOrder:
    """The bytes of an original of one file, in their order: what is restored, and what its SHA-256 is of.

    Parameters
    ----------
    header : Header
    """

    def __init__(self, header: Header) -> None:
        self._header, self._dtype = header, header.file_dtype
        self._assembler: Assembler | None = None

    def front(self, data: bytes) -> Iterator[bytes]:
        """Yield what is in front of the samples, of the foreign bytes there; of records, these are all of them."""
        if self._header.source != RECORDS:
            yield data
            return
        self._assembler = Assembler(layout_of(self._header, data), self._dtype)
        yield from self._assembler.start()

    def samples(self, samples: np.ndarray, rows: list[np.ndarray]) -> Iterator[bytes]:
        """Yield the next frames, of plain samples [frames, channels] and what is kept of the records in them."""
        if self._assembler is None:
            yield sample_formats.to_bytes(samples, self._dtype)
        else:
            yield from self._assembler.add(samples, rows)


class Sink:
    """Where an original goes: nowhere, unless a method says otherwise.

    Attributes
    ----------
    size : bytes of the original so far
    digest : SHA-256 of the original once it is complete, None where it is not computed
    """

    digest: bytes | None = None

    def __init__(self) -> None:
        self.size = 0

    def front(self, data: bytes) -> None:
        """Take bytes in front of the samples; of records, their layout."""

    def samples(self, samples: np.ndarray, rows: list[np.ndarray]) -> None:
        """Take the next frames, plain samples [frames, channels], and what is kept of the records in them."""

    def back(self, data: bytes) -> None:
        """Take bytes behind the samples."""

    def commit(self, mode: int | None, mtime: int | None, check: Check | None) -> None:
        """Complete what was written: give it its name, permissions and time."""

    def abort(self) -> None:
        """Remove what was written."""


class FileSink(Sink):
    """One file, whose bytes come in their order.

    Parameters
    ----------
    outputs : paths.Outputs, None to write nothing
    target : claimed path
    header : Header
    hashed : whether to compute the SHA-256 of the original, if its bytes come in their order
    """

    def __init__(self, outputs: paths.Outputs | None, target: str, header: Header, hashed: bool = False) -> None:
        super().__init__()
        self._outputs = outputs
        self._target = target
        self._dtype = header.file_dtype
        self._bytes = InOrder(header)
        self._hash = hashlib.sha256() if hashed and header.in_order else None
        self._output: Output | None = None

    @property
    def digest(self) -> bytes | None:  # type: ignore[override]
        """SHA-256 of what was taken."""
        return None if self._hash is None else self._hash.digest()

    def front(self, data: bytes) -> None:
        """Take bytes in front of the samples; of records, their layout."""
        for piece in self._bytes.front(data):
            self._write(piece)

    def samples(self, samples: np.ndarray, rows: list[np.ndarray]) -> None:
        """Take the next frames, plain samples [frames, channels], and what is kept of the records in them."""
        for piece in self._bytes.samples(samples, rows):
            self._write(piece)

    def back(self, data: bytes) -> None:
        """Take bytes behind the samples."""
        self._write(data)

    def commit(self, mode: int | None, mtime: int | None, check: Check | None) -> None:
        """Complete the file: give it its name, permissions and time."""
        if self._outputs is not None:
            self._opened().commit(mode, mtime, check)
            self._output = None

    def abort(self) -> None:
        """Remove what was written."""
        if self._output is not None:
            self._output.abort()

    def _write(self, data: bytes, offset: int | None = None) -> None:
        self.size += len(data)
        if self._hash is not None:
            self._hash.update(data)
        if self._outputs is not None:
            self._opened().write(data, offset)

    def _opened(self) -> Output:
        assert self._outputs is not None  # since there is something to write
        if self._output is None:
            self._output = self._outputs.open(self._target)
        return self._output


class ChannelTimeSink(FileSink):
    """One file in which the samples of each channel lie together: every chunk goes to one place for each channel."""

    def __init__(self, outputs: paths.Outputs | None, target: str, header: Header, hashed: bool = False) -> None:
        super().__init__(outputs, target, header, hashed)
        self._channels, self._frames = header.channels, header.frames or 0  # known where samples lie so
        self._width = sample_formats.width(self._dtype)
        self._start = self._done = 0
        self._behind = False
        if self._frames * self._channels * self._width > _LARGEST:
            raise CorruptError("the header announces more than any file can hold")

    def front(self, data: bytes) -> None:
        """Take bytes in front of the samples."""
        self._start += len(data)
        super().front(data)

    def back(self, data: bytes) -> None:
        """Take bytes behind the samples."""
        self._write(data, None if self._behind else self._place(self._channels, 0))
        self._behind = True

    def samples(self, samples: np.ndarray, rows: list[np.ndarray]) -> None:
        """Take the next frames, plain samples [frames, channels]."""
        if self._done + len(samples) > self._frames:
            raise CorruptError("the chunks do not add up to the frames that the header announces")
        for channel, values in enumerate(samples.T):
            self._write(sample_formats.to_bytes(values, self._dtype), self._place(channel, self._done))
        self._done += len(samples)

    def _place(self, channel: int, frame: int) -> int:
        return self._start + (channel * self._frames + frame) * self._width

    def _opened(self) -> Output:
        output = super()._opened()
        if not output.seekable:
            raise UsageError(
                "its samples lie channel by channel, which only a file can take; say with -o (output) which"
            )
        return output


def sink_of(outputs: paths.Outputs | None, target: str, header: Header, hashed: bool) -> FileSink:
    """Return where an original of one file goes; parameters are those of `FileSink`."""
    return (ChannelTimeSink if header.channel_time else FileSink)(outputs, target, header, hashed)


class MembersSink(Sink):
    """A file for each channel, never all open at once.

    Parameters
    ----------
    outputs : paths.Outputs, None to write nothing
    targets : claimed paths
    header : Header
    members : one for each channel
    """

    def __init__(
        self, outputs: paths.Outputs | None, targets: list[str], header: Header, members: list[Member]
    ) -> None:
        super().__init__()
        self._outputs, self._targets, self._members, self._dtype = outputs, targets, members, header.dtype
        self._open: list[Output] | None = None
        self.size = sum(len(member.front) + len(member.back) for member in members)

    def samples(self, samples: np.ndarray, rows: list[np.ndarray]) -> None:
        """Take the next frames, plain samples [frames, channels]."""
        self.size += samples.size * sample_formats.width(self._dtype)
        if self._outputs is not None:
            self._append(self._outputs, lambda channel: sample_formats.to_bytes(samples[:, channel], self._dtype))

    def commit(self, mode: int | None, mtime: int | None, check: Check | None) -> None:
        """Complete the files: give them their permissions and times, and their names once all are on the disk."""
        if self._outputs is None:
            return
        outputs = self._append(self._outputs, lambda channel: self._members[channel].back)
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

    def _append(self, made: paths.Outputs, data: Callable[[int], bytes]) -> list[Output]:
        if self._open is None:
            self._open = []
            for target, member in zip(self._targets, self._members, strict=True):
                self._open.append(made.open(target, make_folder=True))
                self._open[-1].append(member.front)
        for channel, output in enumerate(self._open):
            output.append(data(channel))
        return self._open
