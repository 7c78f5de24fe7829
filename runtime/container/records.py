"""An original as records: which of its bytes are samples, and which are kept beside them (docs/format.md section 2.9).

A file is a run of sections: bytes as they are, and records, each of which holds fields. So a parser of an input format
says no more than where samples are; all other bytes come back whatever they mean.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from ..core import limits
from ..core.errors import CorruptError
from . import varint

_BYTES, _INTEGERS, _FRAMES, _CHANNELS, _SIGNAL = range(5)
WIDTHS = (1, 2, 4, 8)
_LITERAL, _RECORDS = 0, 1


@dataclass(frozen=True)
class Bytes:
    """Bytes that are no samples: labels, markers, text."""

    count: int

    @property
    def kept(self) -> int:
        """The bytes of the field that are kept beside the samples."""
        return self.count


@dataclass(frozen=True)
class Integers:
    """Little-endian integers that are no samples, each of which is close to the one before: time stamps, slow inputs.

    width : bytes of one: 1, 2, 4 or 8
    """

    width: int
    count: int = 1

    @property
    def kept(self) -> int:
        """The bytes of the field that are kept beside the samples."""
        return self.width * self.count


@dataclass(frozen=True)
class Samples:
    """Samples of the next channels of the recording.

    by_channel : whether all frames of a channel lie together, not all channels of a frame
    """

    channels: int
    frames: int = 1
    by_channel: bool = False

    kept = 0


@dataclass(frozen=True)
class Signal:
    """Samples of one signal that is none of the recording's channels: of another rate, or a word of digital inputs.

    width : bytes of a sample
    """

    width: int
    count: int = 1

    @property
    def kept(self) -> int:
        """The bytes of the field that are kept beside the samples of channels."""
        return self.width * self.count


Field = Bytes | Integers | Samples | Signal


@dataclass(frozen=True)
class Group:
    """The signals of a record that have the same number of samples in it; they are coded together.

    Attributes
    ----------
    signal : the field of each
    places : of their bytes, among those that are kept of a record
    """

    signal: Signal
    places: tuple[slice, ...]


@dataclass(frozen=True)
class Records:
    """Records, one after the other, that hold the same fields; the fields of samples hold each channel once."""

    count: int
    fields: tuple[Field, ...]

    @cached_property
    def frames(self) -> int:
        """The frames of a record; 0 if it has no samples."""
        return next((field.frames for field in self.fields if isinstance(field, Samples)), 0)

    @cached_property
    def kept(self) -> int:
        """The bytes of a record that are kept beside the samples."""
        return sum(field.kept for field in self.fields)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The groups of signals, in the order of the first one of each."""
        found: dict[Signal, list[slice]] = {}
        at = 0
        for field in self.fields:
            if isinstance(field, Signal):
                found.setdefault(field, []).append(slice(at, at + field.kept))
            at += field.kept
        return tuple(Group(signal, tuple(places)) for signal, places in found.items())

    @property
    def channels(self) -> int:
        """The channels of a record."""
        return sum(field.channels for field in self.fields if isinstance(field, Samples))

    def size(self, width: int) -> int:
        """Return the bytes of a record, whose samples are of `width` bytes."""
        return self.kept + self.channels * self.frames * width

    def check(self, channels: int) -> None:
        """Raise `ValueError` for records that can't be, or are beyond the limits."""
        frames = {field.frames for field in self.fields if isinstance(field, Samples)}
        widths = {field.width for field in self.fields if isinstance(field, Integers)}
        if self.count < 1 or len(frames) != 1 or self.channels != channels or not widths <= set(WIDTHS):
            raise ValueError("records without samples of each channel")
        if any(not group.signal.count for group in self.groups):
            raise ValueError("a signal without samples")
        if self.frames < 1 or self.frames * channels > limits.MAX_CHUNK_SAMPLES or self.kept > limits.MAX_RECORD_BYTES:
            raise ValueError("records beyond the limits")


@dataclass(frozen=True)
class Run:
    """Records of one section: `count` of them from the record `first` on."""

    section: int
    first: int
    count: int


@dataclass(frozen=True)
class Layout:
    """Where the samples of a file are: `sections`, bytes or records, from its first byte on."""

    sections: tuple[bytes | Records, ...]

    @cached_property
    def frames(self) -> int:
        """The frames of all records."""
        return self._ends[-1] if self._ends else 0

    @cached_property
    def _ends(self) -> list[int]:
        """The frames up to the end of each section."""
        return list(accumulate(part.count * part.frames if isinstance(part, Records) else 0 for part in self.sections))

    @property
    def channel_by_channel(self) -> bool:
        """Whether it is all samples of a channel, then those of the next: as a raw file, of any size."""
        part = self.sections[0] if len(self.sections) == 1 else b""
        field = part.fields[0] if isinstance(part, Records) and part.count == len(part.fields) == 1 else None
        return isinstance(field, Samples) and field.by_channel

    def places(self, width: int) -> list[int]:
        """Return where in the file each section begins, and where the last one ends; samples are of `width` bytes."""
        sizes = (len(part) if isinstance(part, bytes) else part.count * part.size(width) for part in self.sections)
        return list(accumulate(sizes, initial=0))

    def begun(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the records whose first frame is one of those from `start` up to `stop`."""
        for number in range(bisect_right(self._ends, start), len(self.sections)):
            part, end = self.sections[number], self._ends[number]
            if isinstance(part, Records):
                begin = end - part.count * part.frames
                first = max(0, -(-(start - begin) // part.frames))
                last = min(part.count, -(-(stop - begin) // part.frames))
                if last > first:
                    yield Run(number, first, last - first)
            if end >= stop:
                return

    def start_of_record(self, frame: int) -> int:
        """Return the first frame of the record that holds a frame; the number of frames for one behind the last."""
        number = bisect_right(self._ends, frame)
        if number == len(self.sections):
            return self.frames
        part = self.sections[number]
        assert isinstance(part, Records)  # other sections end where the one before does
        return frame - (frame - (self._ends[number] - part.count * part.frames)) % part.frames

    def frame(self, run: Run) -> int:
        """Return the first frame of a run of records."""
        records = self.records(run)
        return self._ends[run.section] - (records.count - run.first) * records.frames

    def records(self, run: Run) -> Records:
        """Return the records that a run is some of."""
        part = self.sections[run.section]
        assert isinstance(part, Records)
        return part

    def check(self, channels: int) -> None:
        """Raise `ValueError` for what can't be, or is beyond the limits."""
        fields = sum(len(part.fields) for part in self.sections if isinstance(part, Records))
        if len(self.sections) + fields > limits.MAX_LAYOUT_PARTS:
            raise ValueError("a layout of too many parts")
        for part in self.sections:
            if isinstance(part, Records):
                part.check(channels)

    def pack(self) -> bytes:
        """Return the layout as bytes."""
        packed = bytearray()
        for part in self.sections:
            if isinstance(part, bytes):
                packed += bytes([_LITERAL]) + varint.pack(len(part)) + part
                continue
            packed += bytes([_RECORDS]) + varint.pack(part.count) + varint.pack(len(part.fields))
            for field in part.fields:
                match field:
                    case Bytes():
                        packed += bytes([_BYTES]) + varint.pack(field.count)
                    case Integers():
                        packed += bytes([_INTEGERS, field.width]) + varint.pack(field.count)
                    case Samples():
                        kind = _CHANNELS if field.by_channel else _FRAMES
                        packed += bytes([kind]) + varint.pack(field.channels) + varint.pack(field.frames)
                    case Signal():
                        packed += bytes([_SIGNAL]) + varint.pack(field.count)
        return bytes(packed)

    @classmethod
    def parse(cls, packed: bytes, channels: int, width: int) -> Layout:
        """Undo `pack`, for samples of `width` bytes. Raises `CorruptError`."""
        try:
            found = cls(tuple(_sections(packed, width)))
            found.check(channels)
        except (IndexError, ValueError):
            raise CorruptError("the layout of the original is not one") from None
        return found


def _sections(packed: bytes, width: int) -> Iterator[bytes | Records]:
    at = parts = 0
    while at < len(packed):
        kind, at = packed[at], at + 1
        count, at = varint.parse(packed, at)
        fields, at = varint.parse(packed, at) if kind == _RECORDS else (0, at)
        parts += 1 + fields
        if parts > limits.MAX_LAYOUT_PARTS:  # before there are any
            raise ValueError("a layout of too many parts")
        if kind == _LITERAL:
            part, at = packed[at : at + count], at + count
            if len(part) < count:
                raise ValueError("cut")
            yield part
        elif kind == _RECORDS:
            found: list[Field] = []
            for _ in range(fields):
                field, at = _field(packed, at, width)
                found.append(field)
            yield Records(count, tuple(found))
        else:
            raise ValueError("unknown section")


def _field(packed: bytes, at: int, width: int) -> tuple[Field, int]:
    kind, at = packed[at], at + 1
    if kind == _INTEGERS:
        count, end = varint.parse(packed, at + 1)
        return Integers(packed[at], count), end
    count, at = varint.parse(packed, at)
    if kind == _BYTES:
        return Bytes(count), at
    if kind == _SIGNAL:
        return Signal(width, count), at
    if kind not in (_FRAMES, _CHANNELS):
        raise ValueError("unknown field")
    frames, at = varint.parse(packed, at)
    return Samples(count, frames, kind == _CHANNELS), at
