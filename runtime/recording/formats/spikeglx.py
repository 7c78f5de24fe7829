"""SpikeGLX's .bin files, which a .meta file beside them describes.

https://billkarsh.github.io/SpikeGLX/Sgl_help/Metadata_30.html
"""

from __future__ import annotations

import datetime
import math
import re
from typing import Any

from ...container.metadata import BITS, PROBE
from ...container.records import Layout, Samples
from ..records import Description
from .building import Channel, counted, metadata, text
from .found import Found

_RATES = ("imSampRate", "niSampRate", "obSampRate")
_NOTES = (
    *("typeThis", "appVersion", "fileCreateTime", "firstSample", "fileName", "userNotes", "acqApLfSy", "snsApLfSy"),
    *("acqMnMaXaDw", "snsMnMaXaDw", "acqXaDwSy", "snsXaDwSy", "snsSaveChanSubset", "imDatPrb_type", "imDatPrb_pn"),
    *("imDatPrb_sn", "imDatPrb_port", "imDatPrb_slot", "imDatPrb_dock", "imAiRangeMax", "imMaxInt", "niAiRangeMax"),
)
"""Keys that are worth to be read without the .meta file, which is there as well."""
_DENSE_TYPES = (1100, 1110, 1120, 1121, 1122, 1123)
"""Types of probes with small contacts."""
_TABLE_TYPES = (0, 1015, 1020, 1022, 1030, 1031, 1032, *_DENSE_TYPES, 1200, 1300)
"""Types of probes whose table `imroTbl` has gains."""
_FIXED_GAINS = {21: 80.0, 24: 80.0, 2003: 100.0, 2004: 100.0, 2013: 100.0, 2014: 100.0}


def describe(found: Found) -> Description | None:
    """Describe a file by its .meta file. Raises `ValueError`."""
    fields = _said(found) if found.suffix == ".bin" else {}
    if "nSavedChans" not in fields:
        return None
    count = int(fields["nSavedChans"])
    rate = next((float(fields[key]) for key in _RATES if key in fields), 0.0)
    records, warnings = counted(found, 0, [Samples(count)], "<i2")
    if (size := int(fields.get("fileSizeBytes", found.size))) != found.size:
        warnings += (f"its .meta file tells of {size} bytes, and {found.size} are there",)
    return Description("SpikeGLX recording", count, rate, "<i2", Layout((records,)), _known(fields, count), warnings)


def metadata_beside(found: Found, count: int) -> dict[str, Any]:
    """Return the metadata of the .meta file beside a file of so many channels; none where it is of another one."""
    fields = _said(found)
    return _known(fields, count) if fields.get("nSavedChans") == str(count) else {}


def ignored(found: Found) -> tuple[str, ...]:
    """Return what is to be told of a file that is read as bare samples, if there is a .meta file of it."""
    told = _said(found).get("nSavedChans") if found.suffix == ".bin" else None
    return () if told is None else (f"its .meta file, which tells of {told} channels, is ignored",)


def _said(found: Found) -> dict[str, str]:
    """Return the entries of the .meta file beside a file; none where there is none."""
    data = found.beside(f"{found.stem}.meta") or b""
    return dict(line.partition("=")[::2] for line in text(data).replace("\r", "").split("\n") if "=" in line)


def _known(fields: dict[str, str], count: int) -> dict[str, Any]:
    notes: dict[str, object] = {key: fields[key] for key in _NOTES if fields.get(key)}
    channels = _channels(fields, count)
    return metadata(channels, _start(fields.get("fileCreateTime", "")), notes) | _probe(fields, channels)


def _channels(fields: dict[str, str], count: int) -> list[Channel]:
    """Return the channels, with their names if each has one: AP0, LF12, SY0, MN3, XA1, XD0."""
    names = [entry.partition(";")[0] for entry in re.findall(r"\(([^()]*;[^()]*)\)", fields.get("~snsChanMap", ""))]
    if len(names) != count:
        return [Channel()] * count
    try:
        gains = _Gains(fields)
        return [Channel(name, *gains.of(name)) for name in names]
    except (ValueError, LookupError, ZeroDivisionError):
        return [Channel(name) for name in names]


def _probe(fields: dict[str, str], channels: list[Channel]) -> dict[str, Any]:
    """Return the probe as probeinterface has it, if its contacts are known: 12 um wide, and each of a channel."""
    electrodes = [i for i, channel in enumerate(channels) if channel.name[:2] in ("AP", "LF")]
    pitch = re.match(r"\([^,()]*,\d+,([\d.]+),[\d.]+\)", fields.get("~snsGeomMap", ""))
    places = re.findall(r"\((\d+):(-?[\d.]+):(-?[\d.]+):[01]\)", fields.get("~snsGeomMap", ""))
    dense = fields.get("imDatPrb_type", "") in map(str, _DENSE_TYPES)
    if pitch is None or len(places) != len(electrodes) or not places or dense:
        return {}
    positions = [[int(shank) * float(pitch[1]) + float(x), float(y)] for shank, x, y in places]
    return {
        PROBE: {
            "ndim": 2,
            "si_units": "um",
            "contact_positions": positions,
            "contact_plane_axes": [[[1.0, 0.0], [0.0, 1.0]]] * len(places),
            "contact_shapes": ["square"] * len(places),
            "contact_shape_params": [{"width": 12.0}] * len(places),
            "shank_ids": [shank for shank, _, _ in places],
            "device_channel_indices": electrodes,
        }
    }


class _Gains:
    """What a bit of a channel is, by its name."""

    def __init__(self, fields: dict[str, str]) -> None:
        self._said = fields
        self._type = int(fields.get("imDatPrb_type", 0))
        entries = [entry.split() for entry in re.findall(r"\(([^()]*)\)", fields.get("~imroTbl", ""))]
        self._table = {int(entry[0]): entry for entry in entries if len(entry) > 1}
        self._shared: list[str] = next((entry[0].split(",") for entry in entries if entry), [])
        kind = fields.get("typeThis", "imec")
        prefix, default = {"nidq": ("ni", 32768), "obx": ("ob", 32768)}.get(kind, ("im", 512))
        if prefix == "im" and self._type not in _TABLE_TYPES:
            default = 8192
        self._volts = float(fields[f"{prefix}AiRangeMax"]) / int(fields.get(f"{prefix}MaxInt", default))

    def of(self, name: str) -> tuple[float, float, str]:
        """Return gain, offset and unit. Raises `ValueError` or `LookupError`."""
        matched = re.fullmatch(r"([A-Z]+)(\d+)(C\d+)?", name)
        kind, number = (matched[1], int(matched[2])) if matched else ("", 0)
        if kind in ("AP", "LF"):
            return self._volts * 1e6 / self._amplified(kind, number), 0.0, "uV"
        if kind in ("MN", "MA"):
            return self._volts / float(self._said[f"ni{kind}Gain"]), 0.0, "V"
        if kind == "XA":
            return self._volts, 0.0, "V"
        return (1.0 if kind in ("SY", "XD", "DW") else math.nan), 0.0, BITS

    def _amplified(self, kind: str, number: int) -> float:
        """Return how much a probe amplifies a channel."""
        key = "imChan0apGain" if kind == "AP" else "imChan0lfGain"
        if self._type == 1110:
            return float(self._shared[3 if kind == "AP" else 4])
        if self._type in _TABLE_TYPES:
            return float(self._table[number][3 if kind == "AP" else 4])
        return float(self._said[key]) if key in self._said else _FIXED_GAINS[self._type]


def _start(written: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(written)
    except ValueError:
        return None
