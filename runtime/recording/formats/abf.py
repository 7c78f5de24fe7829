"""Axon's ABF files, versions 1 and 2 (https://swharden.com/pyabf/abf2-file-format/)."""

from __future__ import annotations

import datetime
import math
import struct
from collections.abc import Sequence

from ...container.records import Layout
from ...core import sample_formats
from ..records import Description
from .building import Channel, claimed_frames, front, metadata, text, time
from .found import Found

_BLOCK = 512
_TYPES = {0: "<i2", 1: "<f4"}
_SECTIONS = 76
_PROTOCOL, _ADC, _STRINGS, _DATA = 0, 1, 9, 10
"""Numbers of sections in the table of a file of version 2."""


def describe_first(found: Found) -> Description:
    """Describe a file of version 1. Raises `ValueError` or `struct.error`."""
    (block,) = struct.unpack_from("<i", found.start, 40)
    header = found.start[: max(block, 0) * _BLOCK]
    (samples, ignored), (day, clock) = struct.unpack_from("<ih", header, 10), struct.unpack_from("<ii", header, 20)
    (floats,) = struct.unpack_from("<h", header, 100)
    count, interval = struct.unpack_from("<hf", header, 120)
    dtype = _TYPES[floats]
    if not 1 <= count <= 16:
        raise ValueError(f"{count} channels")
    (full,), (resolution,) = struct.unpack_from("<f", header, 244), struct.unpack_from("<i", header, 252)
    order = [number for number in struct.unpack_from("<16h", header, 410) if number >= 0]
    if len(set(order[:count])) != count:
        order = list(range(count))
    scale = full / resolution if resolution else math.nan
    channels = [_first_channel(header, number, scale) for number in order[:count]]
    rate = 1e6 / (interval * count) if interval > 0 else 0.0
    start = _start(day, 1000 * clock + struct.unpack_from("<h", header, 366)[0])
    at = block * _BLOCK + ignored * sample_formats.width(dtype)
    return _describe(found, dtype, at, samples, rate, channels, start)


def _first_channel(header: bytes, number: int, scale: float) -> Channel:
    def one(form: str, at: int) -> float:
        return float(struct.unpack_from("<" + form, header, at + struct.calcsize(form) * number)[0])

    gains = [one("f", 922), one("f", 1050), one("f", 730)]
    if len(header) >= 4640 and one("h", 4512) == 1:
        gains.append(one("f", 4576))
    name, unit = header[442 + 10 * number :][:10], header[602 + 8 * number :][:8]
    return _channel(text(name), text(unit), scale, gains, one("f", 986) - one("f", 1114))


def describe_second(found: Found) -> Description:
    """Describe a file of version 2. Raises `ValueError` or `struct.error`."""
    day, clock = struct.unpack_from("<II", found.start, 16)
    (floats,) = struct.unpack_from("<H", found.start, 30)
    dtype = _TYPES[floats]
    places = [struct.unpack_from("<IIq", found.start, _SECTIONS + 16 * number) for number in range(18)]
    sections = [(block * _BLOCK, size, count) for block, size, count in places]
    protocol = found.read(sections[_PROTOCOL][0], 512)
    (interval,), (full,), (resolution,) = (
        struct.unpack_from("<f", protocol, 2),
        struct.unpack_from("<f", protocol, 110),
        struct.unpack_from("<i", protocol, 118),
    )
    at, size, count = sections[_ADC]
    if not 1 <= count <= 64 or size < 82:
        raise ValueError(f"{count} channels")
    strings = _strings(found, *sections[_STRINGS])
    scale = full / resolution if resolution else math.nan
    channels = [_second_channel(found.read(at + size * number, 82), strings, scale) for number in range(count)]
    rate = 1e6 / interval if interval > 0 else 0.0
    at, size, samples = sections[_DATA]
    if size != sample_formats.width(dtype):
        raise ValueError(f"samples of {size} bytes")
    return _describe(found, dtype, at, samples, rate, channels, _start(day, clock))


def _strings(found: Found, at: int, size: int, count: int) -> list[bytes]:
    """Return the texts of a file, of which the first is empty; they begin with the name of the program."""
    data = found.read(at, min(size * max(count, 0), 1 << 20))
    lower = data.lower()
    begins = [lower.find(b"\0" + name) for name in (b"clampex", b"axoscope", b"patchxpress", b"clampfit", b"axengn")]
    begin = min((place for place in begins if place >= 0), default=-1)
    return data[begin:].split(b"\0") if begin >= 0 else []


def _second_channel(entry: bytes, strings: list[bytes], scale: float) -> Channel:
    (telegraph,), (extra,) = struct.unpack_from("<h", entry, 2), struct.unpack_from("<f", entry, 6)
    (programmable,) = struct.unpack_from("<f", entry, 28)
    instrument, instrument_offset, signal, signal_offset = struct.unpack_from("<4f", entry, 40)
    name, unit = struct.unpack_from("<ii", entry, 74)
    gains = [instrument, signal, programmable, *([extra] if telegraph else [])]
    texts = [text(strings[number]) if 0 < number < len(strings) else "" for number in (name, unit)]
    return _channel(texts[0], texts[1], scale, gains, instrument_offset - signal_offset)


def _channel(name: str, unit: str, scale: float, gains: Sequence[float], offset: float) -> Channel:
    product = math.prod(gains)
    return Channel(name, scale / product if product else math.nan, offset, unit)


def _describe(
    found: Found,
    dtype: str,
    at: int,
    samples: int,
    rate: float,
    channels: list[Channel],
    start: datetime.datetime | None,
) -> Description:
    records, warnings = claimed_frames(found, at, len(channels), dtype, samples // len(channels))
    layout = Layout((*front(found, at), records))
    if sample_formats.is_float(dtype):
        channels = [Channel(channel.name, 1.0, 0.0, channel.unit) for channel in channels]
    return Description("ABF file", len(channels), rate, dtype, layout, metadata(channels, start), warnings)


def _start(day: int, milliseconds: int) -> datetime.datetime | None:
    start = time(day // 10000, day // 100 % 100, day % 100)
    if start is None or not 0 <= milliseconds < 86_400_000:
        return None
    return start + datetime.timedelta(milliseconds=milliseconds)
