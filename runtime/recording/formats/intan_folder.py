"""Intan's files of one type of signals, or of one signal, which `info.rhd` or `info.rhs` beside them describes."""

from __future__ import annotations

import struct

from ...container.metadata import BITS
from ..records import Description
from . import intan
from .building import Channel, interleaved
from .found import Found

_TYPES = {
    "amplifier.dat": intan.AMPLIFIER,
    "lowpass.dat": intan.AMPLIFIER,
    "highpass.dat": intan.AMPLIFIER,
    "auxiliary.dat": intan.AUXILIARY,
    "supply.dat": intan.SUPPLY,
    "dcamplifier.dat": intan.DC,
    "stim.dat": intan.STIMULATION,
    "analogin.dat": intan.ADC,
    "analogout.dat": intan.ADC_OUT,
}
_PREFIXES = {
    "amp-": intan.AMPLIFIER,
    "low-": intan.AMPLIFIER,
    "high-": intan.AMPLIFIER,
    "aux-": intan.AUXILIARY,
    "vdd-": intan.SUPPLY,
    "dc-": intan.DC,
    "stim-": intan.STIMULATION,
    "board-analog-in-": intan.ADC,
    "board-adc-": intan.ADC,
    "board-analog-out-": intan.ADC_OUT,
    "board-dac-": intan.ADC_OUT,
}
_WORDS = ("digitalin.dat", "digitalout.dat", "board-digital-", "board-din-", "board-dout-")
_FORM = "Intan recording of several files"


def describe(found: Found) -> Description | None:
    """Describe a file of samples only. Raises `ValueError`."""
    name = found.name.lower()
    if found.suffix != ".dat":
        return None
    info = found.beside("info.rhd") or found.beside("info.rhs")
    if info is None:
        return None
    try:
        header = intan.read_header(info)
    except (ValueError, LookupError, struct.error) as error:
        raise ValueError(f"the file info beside it: {error}") from None
    rate = 0.0 if name.startswith("low") else header.sample_rate
    if name == "time.dat":
        return interleaved(found, _FORM, rate, "<i4", [Channel()])
    if name.startswith(_WORDS):
        return interleaved(found, _FORM, rate, "<u2", [Channel("", 1.0, 0.0, BITS)])
    kind = _TYPES.get(name)
    if kind is not None:
        channels = header.channels(kind, signed=True)
    else:
        kind = next((kind for prefix, kind in _PREFIXES.items() if name.startswith(prefix)), None)
        if kind is None:
            return None
        channels = _named(header.channels(kind, signed=True), found.stem)
    notes = {"notes": header.notes} if header.notes else {}
    return interleaved(found, _FORM, rate, "<i2" if kind == intan.AMPLIFIER else "<u2", channels, notes)


def _named(channels: list[Channel], stem: str) -> list[Channel]:
    """Return the one channel whose name a file has behind its prefix: `amp-A-000` for A-000."""
    by_name = {channel.name.lower().removesuffix("_dc").removesuffix("_stim"): channel for channel in channels}
    name = stem.partition("-")[2]
    found = by_name.get(name.lower()) or by_name.get(stem.lower().removeprefix("board-")) or Channel(name)
    return [found]
