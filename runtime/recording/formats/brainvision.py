"""BrainVision's files of samples, which a .vhdr file names and describes (BrainVision Core Data Format 1.0)."""

from __future__ import annotations

import math
import re

from ...container.records import Layout, Records, Samples
from ..records import Description
from .building import Channel, counted, metadata, text
from .found import Found

_FORMATS = {"INT_16": "i2", "INT_32": "i4", "IEEE_FLOAT_32": "f4", "IEEE_FLOAT_64": "f8"}


def describe(found: Found) -> Description | None:
    """Describe a file by its .vhdr file. Raises `ValueError`."""
    data = found.beside(f"{found.stem}.vhdr") if found.suffix in (".eeg", ".dat", ".seg", ".avg") else None
    if data is None or not data.lstrip(b"\xef\xbb\xbf").startswith(b"Brain"):
        return None
    fields = _sections(text(data))
    common = fields.get("common infos", {})
    named = re.split(r"[/\\]", common.get("datafile", "").replace("$b", found.stem))[-1]
    if named.lower() != found.name.lower():
        raise ValueError("the .vhdr file beside it describes another file")
    if common.get("dataformat", "").upper() != "BINARY":
        raise ValueError("its samples are text")
    binary = fields.get("binary infos", {})
    order = ">" if binary.get("usebigendianorder", "").upper() == "YES" else "<"
    dtype = order + _FORMATS[binary.get("binaryformat", "").upper()]
    count = int(common["numberofchannels"])
    rate = 1e6 / float(common["samplinginterval"])
    entries = fields.get("channel infos", {})
    channels = [_channel(entries.get(f"ch{number + 1}", "")) for number in range(count)]
    records, warnings = counted(found, 0, [Samples(count)], dtype)
    if common.get("dataorientation", "").upper() == "VECTORIZED":
        records = Records(1, (Samples(count, records.count, by_channel=True),))
        if warnings:
            raise ValueError("channel by channel, and not of equal length")
    return Description("BrainVision recording", count, rate, dtype, Layout((records,)), metadata(channels), warnings)


def _sections(written: str) -> dict[str, dict[str, str]]:
    """Return keys and values of each section, names and keys in lower case."""
    found: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for line in written.splitlines():
        if title := re.match(r"\s*\[(.*)\]", line):
            section = found.setdefault(title[1].lower(), {})
        elif "=" in line and not line.startswith(";"):
            key, _, value = line.partition("=")
            section.setdefault(key.strip().lower(), value.strip())
    return found


def _channel(entry: str) -> Channel:
    """Return a channel: its name, reference, resolution and unit are parted by commas."""
    parts = [part.replace("\\1", ",").strip() for part in entry.split(",")] + [""] * 4
    name, _, resolution, unit, *_ = parts
    try:
        gain = float(resolution) if resolution else 1.0
    except ValueError:
        gain = math.nan
    return Channel(name, gain if entry else math.nan, 0.0, unit or "uV")
