"""Open Ephys: the binary format with `structure.oebin`, and the older `.continuous` files of one channel each.

https://open-ephys.github.io/gui-docs/User-Manual/Recording-data/Binary-format.html and Open-Ephys-format.html
"""

from __future__ import annotations

import datetime
import json
import os
import re
import struct
from typing import Any

from ...container.records import Bytes, Integers, Layout, Records, Samples
from ..records import Description
from .building import Channel, apart, counted, front, interleaved, metadata
from .found import Found

LEGACY = b"header.format = 'Open Ephys"
_LEGACY_HEADER = 1024
_LEGACY_RECORD = (Integers(8), Integers(2), Integers(2), Samples(1, 1024), Bytes(10))
"""Time stamp, number of samples, number of the recording (of later versions only), samples, marker."""
_MARKER = bytes([*range(9), 255])
_DEEPEST = 4
"""Folders between a file of samples and `structure.oebin`."""


def describe(found: Found) -> Description | None:
    """Describe `continuous.dat` by the stream of `structure.oebin` whose folder it is in. Raises `ValueError`."""
    if found.name != "continuous.dat":
        return None
    for up in range(1, _DEEPEST + 1):
        structure = found.beside("structure.oebin", up)
        if structure is not None:
            break
    else:
        return None
    fields = json.loads(structure)
    for stream in fields["continuous"]:
        if re.split(r"[/\\]", stream["folder_name"].rstrip("/\\"))[-1] == os.path.basename(found.folders[0]):
            break
    else:
        raise ValueError("its folder is no stream of structure.oebin")
    channels = [_channel(channel) for channel in stream["channels"]]
    if len(channels) != int(stream.get("num_channels", len(channels))):
        raise ValueError("structure.oebin contradicts itself")
    named = {"stream": stream.get("stream_name"), "processor": stream.get("source_processor_name")}
    notes = {key: value for key, value in named.items() if isinstance(value, str)}
    return interleaved(found, "Open Ephys recording", float(stream["sample_rate"]), "<i2", channels, notes)


def _channel(fields: dict[str, Any]) -> Channel:
    name, about = str(fields["channel_name"]), str(fields.get("description", ""))
    unit = "V" if "ADC" in about or "analog input" in about.lower() else _unit(name)
    return Channel(name, float(fields["bit_volts"]), 0.0, str(fields.get("units") or unit))


def _unit(name: str) -> str:
    """Return the unit of a channel that tells none: analog inputs and auxiliary channels are of volts."""
    return "V" if re.match(r"(.*_)?(ADC|AUX)", name.upper()) else "uV"


def describe_legacy(found: Found) -> Description:
    """Describe a `.continuous` file. Raises `ValueError`."""
    header = found.read(0, _LEGACY_HEADER).decode("latin-1")
    fields = dict(re.findall(r"header\.(\w+) = '?([^';]*)'?;", header))
    if int(fields.get("blockLength", 1024)) != 1024:
        raise ValueError("blocks of another length")
    for record in (_LEGACY_RECORD, (*_LEGACY_RECORD[:2], *_LEGACY_RECORD[3:])):
        if found.read(_LEGACY_HEADER + Records(1, record).size(2) - len(_MARKER), len(_MARKER)) == _MARKER:
            break
    else:
        raise ValueError("no marker at the end of a record")
    records, warnings = counted(found, _LEGACY_HEADER, record, ">i2")
    rate, frames = float(fields["sampleRate"]), (records.count - 1) * records.frames
    last = _LEGACY_HEADER + (records.count - 1) * records.size(2)
    stamps = [struct.unpack("<q", found.read(at, 8))[0] for at in (_LEGACY_HEADER, last)]
    if rate > 0:
        warnings += apart((stamps[1] - stamps[0]) / rate, frames / rate, records.frames / rate)
    name = fields.get("channel", "")
    channel = Channel(name, float(fields.get("bitVolts", "nan")), 0.0, _unit(name))
    layout = Layout((*front(found, _LEGACY_HEADER), records))
    start = _start(fields.get("date_created", ""))
    return Description("Open Ephys file", 1, rate, ">i2", layout, metadata([channel], start), warnings)


def _start(written: str) -> datetime.datetime | None:
    """Return the start time; hours and seconds may be of one digit. None if there are two ways to read its digits."""
    day, _, clock = written.partition(" ")
    widths = (1,) if clock.startswith("0") else (1, 2)
    clocks = [clock] if ":" in clock else [f"{clock[:n]}:{clock[n : n + 2]}:{clock[n + 2 :]}" for n in widths]
    times = [time for one in clocks if (time := _time(f"{day} {one}"))]
    return times[0] if len(times) == 1 else None


def _time(written: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.strptime(written, "%d-%b-%Y %H:%M:%S")
    except ValueError:
        return None
