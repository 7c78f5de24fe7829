"""Originals in records: what a parser says of a file, how it is read, how it is put together again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from ..container.record_bytes import Unpacked, join, split
from ..container.records import Layout, Records, Run
from ..core import limits, sample_formats
from ..core.errors import CorruptError, FileFormatError
from ..core.file_io import read_up_to
from ..core.terms import RECORDS
from .source import Source


@dataclass(frozen=True)
class Description:
    """What a parser of an input format found in a file.

    Attributes
    ----------
    form : in words: "EDF file", "Open Ephys binary recording"
    channels, sample_rate, dtype : of the samples; Hz, 0 if unknown; dtype as in `core.sample_formats`
    layout : where they are; all that is behind it is kept as it is
    metadata : what the format says besides (docs/format.md section 2.7)
    warnings : what is odd about the file, in words
    """

    form: str
    channels: int
    sample_rate: float
    dtype: str
    layout: Layout
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class RecordsReader(Source):
    """A recording in records.

    Parameters
    ----------
    file : seekable binary file object
    described : Description
    """

    kind = RECORDS

    def __init__(self, file: BinaryIO, described: Description) -> None:
        self._file = file
        self.metadata, self.notes = described.metadata, described.warnings
        self.channels, self.sample_rate, self.dtype = described.channels, described.sample_rate, described.dtype
        self._layout = described.layout
        self._width = sample_formats.width(self.dtype)
        self.frames = self._layout.frames
        self.front = self._layout.pack()
        self._places = self._layout.places(self._width)
        self.outside = self._places[-1] - self.frames * self.channels * self._width
        self._at = 0
        self._ahead = np.empty((0, self.channels), sample_formats.plain_type(self.dtype))
        self._kept: deque[tuple[int, Records, np.ndarray]] = deque()
        self._begun = 0

    def read(self, frames: int) -> np.ndarray:
        """Read the next frames, plain samples [frames, channels]; fewer only at the end of the samples."""
        frames = min(frames, self._layout.frames - self._at)
        parts = [self._ahead]
        for run in self._layout.begun(self._at + len(self._ahead), self._at + frames):
            records = self._layout.records(run)
            size = records.size(self._width)
            self._file.seek(self._places[run.section] + run.first * size)
            data = read_up_to(self._file, run.count * size)
            if len(data) < run.count * size:
                raise FileFormatError("the file is shorter than it was, or changed while it was read")
            samples, kept = split(data, records, self.dtype)
            parts.append(samples)
            self._kept.append((self._layout.frame(run), records, kept))
        joined = np.concatenate(parts)
        self._ahead = joined[frames:].copy()
        self._at += frames
        return joined[:frames]

    def skip(self, frames: int) -> None:
        """Pass over frames, which must be there."""
        target = self._at + frames
        start = self._layout.start_of_record(target)
        if start > self._at + len(self._ahead):
            self._at = self._begun = start
            self._ahead = self._ahead[:0]
            self._kept.clear()
        self.read(target - self._at)

    def record_bytes(self, frames: int) -> Unpacked:
        """Return what belongs to the next `frames` frames that were read: the bytes of the records that begin there."""
        parts = []
        self._begun += frames
        while self._kept and self._kept[0][0] < self._begun:
            start, records, kept = self._kept.popleft()
            count = min(len(kept), -(-(self._begun - start) // records.frames))
            parts.append((records, kept[:count]))
            if count < len(kept):
                self._kept.appendleft((start + count * records.frames, records, kept[count:]))
        return Unpacked(parts, self.dtype)

    def back(self) -> Iterator[bytes]:
        """Read the bytes behind the samples, in pieces of at most limits.MAX_FOREIGN_PIECE."""
        self._file.seek(self._places[-1])
        while piece := read_up_to(self._file, limits.MAX_FOREIGN_PIECE):
            yield piece


class Assembler:
    """Put an original together again, from chunks and what is kept of the records that begin in each.

    Parameters
    ----------
    layout : Layout
    dtype : sample format of the original
    """

    def __init__(self, layout: Layout, dtype: str) -> None:
        self._layout, self._dtype = layout, dtype
        self._section = self._frames = 0
        self._samples: list[np.ndarray] = []
        self._kept: deque[tuple[Run, np.ndarray]] = deque()

    def start(self) -> Iterator[bytes]:
        """Yield the bytes in front of the first record."""
        while self._section < len(self._layout.sections):
            part = self._layout.sections[self._section]
            if isinstance(part, Records):
                return
            yield part
            self._section += 1

    def add(self, samples: np.ndarray, rows: list[np.ndarray]) -> Iterator[bytes]:
        """Yield the bytes of the original up to the last record that is complete.

        Parameters
        ----------
        samples : the next frames, plain samples [frames, channels]
        rows : what is kept of the records that begin there, for each run of them uint8 [records, bytes]

        Raises
        ------
        CorruptError
        """
        runs = list(self._layout.begun(self._frames, self._frames + len(samples)))
        self._kept.extend(zip(runs, rows, strict=True))
        self._frames += len(samples)
        if self._frames > self._layout.frames:
            raise CorruptError("there are more frames than the layout of the original holds")
        self._samples.append(samples)
        there = sum(map(len, self._samples))
        while self._kept:
            run, kept = self._kept[0]
            records = self._layout.records(run)
            count = min(run.count, there // records.frames)
            if not count:
                return
            joined = np.concatenate(self._samples)
            taken, self._samples = joined[: count * records.frames], [joined[count * records.frames :]]
            there -= len(taken)
            yield join(taken, kept[:count], records, self._dtype)
            self._kept.popleft()
            if count < run.count:
                self._kept.appendleft((Run(run.section, run.first + count, run.count - count), kept[count:]))
            elif run.first + run.count == records.count:
                self._section = run.section + 1
                yield from self.start()
