"""Blackrock's .ns1 to .ns6 files, versions 2.1 to 3.0 of its specification of NEV and NSx files."""

from __future__ import annotations

import struct

from ...container.records import Bytes, Field, Integers, Layout, Records, Samples
from ...core import limits
from ..records import Description
from .building import Channel, apart, counted, front, metadata, text, time
from .found import Found

_HEADER = struct.Struct("<8sBBI16s256sII8HI")
_CHANNEL = struct.Struct("<2sH16sBB4h16sIIHIIH")
_CLOCK = 30000
"""Frames a second for a period of 1; the resolution of time stamps may be another."""
_LONG = 1024
"""Packets of more frames get records of one frame."""
_MOST_SECTIONS = limits.MAX_LAYOUT_PARTS // 6
"""Sections of packets, each of which has up to four fields."""


def describe_simple(found: Found) -> Description:
    """Describe a file of specification 2.1, which has no packets. Raises `ValueError` or `struct.error`."""
    period, count = struct.unpack_from("<II", found.start, 24)
    header = 32 + 4 * count
    ids = struct.unpack(f"<{count}I", front(found, header)[0][32:])
    records, warnings = counted(found, header, [Samples(count)], "<i2")
    layout = Layout((*front(found, header), records))
    channels = [Channel(str(number)) for number in ids]
    rate = _CLOCK / period
    return Description("Blackrock file", count, rate, "<i2", layout, metadata(channels), warnings)


def describe(found: Found) -> Description:
    """Describe a file of packets. Raises `ValueError` or `struct.error`."""
    _, major, _, size, _, comment, period, clock, *when, count = _HEADER.unpack_from(found.start)
    if size < _HEADER.size + count * _CHANNEL.size:
        raise ValueError(f"a header of {size} bytes for {count} channels")
    header = front(found, size)[0]
    channels = [_channel(header, _HEADER.size + i * _CHANNEL.size) for i in range(count)]
    year, month, _, day, hour, minute, second, millisecond = when
    start = time(year, month, day, hour, minute, second, 1000 * millisecond)
    packets = _Packets(found, count, 8 if major >= 3 else 4)
    sections, warnings = packets.sections(size)
    while sections and isinstance(sections[-1], bytes):
        sections.pop()  # it is kept with what is behind the samples
    layout, rate = Layout((header, *sections)), _CLOCK / period
    warnings += packets.apart(layout, clock, rate)
    described = metadata(channels, start, {"comment": text(comment)} if text(comment) else {})
    described |= {"start_time": f"{described['start_time']}Z"} if "start_time" in described else {}
    return Description("Blackrock file", count, rate, "<i2", layout, described, warnings)


def _channel(header: bytes, at: int) -> Channel:
    _, _, label, _, _, low, high, bottom, top, unit, *_ = _CHANNEL.unpack_from(header, at)
    if high == low:
        return Channel(text(label))
    gain = (top - bottom) / (high - low)
    return Channel(text(label), gain, bottom - low * gain, text(unit))


class _Packets:
    """Packets of data: a byte 1, the time stamp of the first frame, the number of frames, samples frame by frame."""

    def __init__(self, found: Found, channels: int, stamp: int) -> None:
        self._found, self._channels, self._stamp = found, channels, stamp
        self._head = struct.Struct("<BII" if stamp == 4 else "<BQI")

    def sections(self, at: int) -> tuple[list[bytes | Records], tuple[str, ...]]:
        """Return the sections from the first packet on, and what is odd about them."""
        found: list[bytes | Records] = []
        while (frames := self._frames(at)) is not None and len(found) < _MOST_SECTIONS:
            head = self._head.size
            if 0 < frames <= _LONG and self._size(frames) <= self._found.size - at:
                count = self._alike(at, frames)
                fields: tuple[Field, ...] = (Bytes(1), Integers(self._stamp), Integers(4))
                found.append(Records(count, (*fields, Samples(self._channels, frames))))
                at += count * self._size(frames)
                continue
            there = min(frames, (self._found.size - at - head) // (2 * self._channels))
            found.append(self._found.read(at, head))
            if there:
                found.append(Records(there, (Samples(self._channels),)))
            if there < frames:
                return found, (f"a packet of {frames} frames is cut, {there} of them are there",)
            at += self._size(frames)
        if frames is not None:
            return found, ("it has so many packets that its end is kept as it is",)
        left = self._found.size - at
        return found, (f"{left} bytes at its end are no packet",) if left else ()

    def apart(self, layout: Layout, clock: int, rate: float) -> tuple[str, ...]:
        """Return what is to be told of the time stamps of the first and the last packet, of 1 / clock seconds."""
        last, places = layout.sections[-1], layout.places(2)
        if not isinstance(last, Records) or not clock:
            return ()
        at = places[-1] - self._size(last.frames) if last.kept else places[-2] - self._head.size
        frames = layout.frames - (last.frames if last.kept else last.count)
        first, stamp = (self._head.unpack(self._found.read(place, self._head.size))[1] for place in (places[1], at))
        return apart((stamp - first) / clock, frames / rate, 1 / rate)

    def _size(self, frames: int) -> int:
        return self._head.size + frames * self._channels * 2

    def _frames(self, at: int) -> int | None:
        """Return the frames of the packet at an offset; None if there is none."""
        data = self._found.read(at, self._head.size)
        if len(data) < self._head.size:
            return None
        flag, _, frames = self._head.unpack(data)
        return frames if flag == 1 else None

    def _alike(self, at: int, frames: int) -> int:
        """Return how many packets of as many frames follow each other; steps that double and halve spare most looks."""
        size = self._size(frames)
        found, step, most = 1, 1, (self._found.size - at) // size
        growing = True
        while step:
            if found + step <= most and self._frames(at + (found + step - 1) * size) == frames:
                found += step
            else:
                growing = False
            step = 2 * step if growing else step // 2
        return found
