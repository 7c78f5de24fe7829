"""Neuralynx's .ncs files, by its "Neuralynx Data File Formats"."""

from __future__ import annotations

import datetime
import re
import struct

from ...container.records import Integers, Layout, Samples
from ..records import Description
from .building import Channel, apart, counted, front, metadata
from .found import Found

SIGNATURE = b"########"
_HEADER = 16384
_RECORD = (Integers(8), Integers(4), Integers(4), Integers(4), Samples(1, 512))
"""Time stamp in microseconds, channel, sample rate, valid samples, samples."""
_RECORD_BYTES = 1044


def describe(found: Found) -> Description | None:
    """Describe a file of one channel; files of spikes and events have the same header. Raises `ValueError`."""
    header = found.read(0, _HEADER).decode("latin-1")
    fields = dict(re.findall(r"^\s*-(\w+)[ \t]+(.*?)[ \t\r]*$", header, re.MULTILINE))
    size, kind = fields.get("RecordSize"), fields.get("FileType", "").upper()
    if size not in (None, str(_RECORD_BYTES)) or kind not in ("", "NCS", "CSC"):
        return None
    if size is None and not kind and found.suffix != ".ncs":
        return None
    first, number, rate, valid = struct.unpack("<QIII", found.read(_HEADER, 20))
    if valid > 512:
        raise ValueError(f"{valid} samples in a record of 512")
    records, warnings = counted(found, _HEADER, _RECORD, "<i2")
    said_rate = float(fields.get("SamplingFrequency", rate))
    last, _, _, valid = struct.unpack("<QIII", found.read(_HEADER + (records.count - 1) * _RECORD_BYTES, 20))
    if said_rate > 0:
        warnings += apart((last - first) / 1e6, (records.count - 1) * 512 / said_rate, 512 / said_rate)
    if valid != 512:
        warnings += (f"{valid} samples of its last record are valid, all 512 are kept",)
    sign = -1 if fields.get("InputInverted", "").lower() == "true" else 1
    gain = sign * float(fields.get("ADBitVolts", "nan").split()[0])
    channel = Channel(fields.get("AcqEntName", str(number)), gain, 0.0, "V")
    layout = Layout((*front(found, _HEADER), records))
    said_of = metadata([channel], _start(fields.get("TimeCreated", "")))
    return Description("Neuralynx file", 1, said_rate, "<i2", layout, said_of, warnings)


def _start(written: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.strptime(written, "%Y/%m/%d %H:%M:%S")
    except ValueError:
        return None
