"""Intan's .rhd and .rhs files: a header, and blocks of all signals.

http://intantech.com/files/Intan_RHD2000_data_file_formats.pdf and Intan_RHS2000_data_file_formats.pdf
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ...container.records import Field, Integers, Layout, Samples, Signal
from ..records import Description
from .building import Channel, counted, front, metadata
from .found import Found

RHD, RHS = b"\x02\x27\x91\xc6", b"\xac\x27\x91\xd6"
_MAX_HEADER = 1 << 22
AMPLIFIER, AUXILIARY, SUPPLY, ADC, DIGITAL_IN, DIGITAL_OUT, ADC_OUT, DC, STIMULATION = range(9)
"""Types of signals, the first six as in headers of .rhd files."""
_RHS_TYPES = {0: AMPLIFIER, 3: ADC, 4: ADC_OUT, 5: DIGITAL_IN, 6: DIGITAL_OUT}
AMPLIFIER_GAIN = 0.195
_MIDDLE = 32768
_ADC = {0: (0.000050354, 0.0), 1: (0.00015259, -_MIDDLE * 0.00015259)}
"""Gain and offset of analog inputs, in V, by the mode of the board."""
_OTHER_ADC = (0.0003125, -_MIDDLE * 0.0003125)


@dataclass(frozen=True)
class Header:
    """The header of a file, which also stands alone as `info.rhd`.

    Attributes
    ----------
    size : bytes
    sample_rate : of the amplifiers, Hz
    block : frames of a block
    temperatures : sensors of temperature
    names : the names of all signals that are on, by their type and in the order of blocks
    adc : gain and offset of the board's analog inputs, in V
    dc : whether blocks hold a second, coarse signal of each amplifier
    stimulation : step of the stimulation's current, in A; None in .rhd files
    notes : texts of the user
    """

    size: int
    sample_rate: float
    block: int
    temperatures: int
    names: dict[int, list[str]]
    adc: tuple[float, float]
    dc: bool
    stimulation: float | None
    notes: list[str]

    def channels(self, kind: int, signed: bool = False) -> list[Channel]:
        """Return the channels of a type; `signed` are amplifiers in files without blocks."""
        source = AMPLIFIER if kind in (DC, STIMULATION) else kind
        names = self.names.get(source, [])
        offset = 0.0 if signed else -_MIDDLE * AMPLIFIER_GAIN
        made: dict[int, Any] = {
            AMPLIFIER: lambda name: Channel(name, AMPLIFIER_GAIN, offset),
            AUXILIARY: lambda name: Channel(name, 37.4, 0, "uV"),
            SUPPLY: lambda name: Channel(name, 74.8, 0, "uV"),
            ADC: lambda name: Channel(name, *self.adc, "V"),
            ADC_OUT: lambda name: Channel(name, *self.adc, "V"),
            DC: lambda name: Channel(f"{name}_DC", -19.23, 512 * 19.23, "mV"),
            STIMULATION: lambda name: Channel(f"{name}_STIM", 1, 0, "stimulation word"),
        }
        return [made[kind](name) for name in names]


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 4

    def take(self, form: str) -> tuple[Any, ...]:
        """Return numbers. Raises `struct.error`."""
        found = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return found

    def text(self) -> str:
        """Return a text: its bytes, 2^32 - 1 for none, and UTF-16. Raises `ValueError`."""
        (size,) = self.take("I")
        if size == 0xFFFFFFFF:
            return ""
        if size > len(self.data) - self.at:
            raise ValueError("a text beyond the header")
        self.at += size
        return self.data[self.at - size : self.at].decode("utf-16-le", "replace")


def read_header(data: bytes) -> Header:
    """Parse a header. Raises `ValueError` or `struct.error`."""
    cursor = _Cursor(data)
    rhs = data.startswith(RHS)
    if not rhs and not data.startswith(RHD):
        raise ValueError("no header of Intan's")
    major, minor, rate = cursor.take("hhf")
    version = (major, minor)
    temperatures = board = dc = 0
    stimulation = None
    if rhs:
        *_, stimulation, _, _ = cursor.take("h8fh2f2h3f")
        notes = [cursor.text() for _ in range(3)]
        dc, _ = cursor.take("hh")
    else:
        cursor.take("h6fh2f")
        notes = [cursor.text() for _ in range(3)]
        temperatures = cursor.take("h")[0] if version >= (1, 1) else 0
        board = cursor.take("h")[0] if version >= (1, 3) else 0
    if rhs or version >= (2, 0):
        cursor.text()  # the reference channel
    names = _names(cursor, rhs)
    adc = _OTHER_ADC if rhs else _ADC.get(board, _OTHER_ADC)
    block = 128 if rhs or version >= (2, 0) else 60
    if not 0 <= temperatures <= 64:
        raise ValueError(f"{temperatures} sensors of temperature")
    return Header(cursor.at, rate, block, temperatures, names, adc, bool(dc), stimulation, [n for n in notes if n])


def _names(cursor: _Cursor, rhs: bool) -> dict[int, list[str]]:
    """Return the names of the signals that are on, by type."""
    names: dict[int, list[str]] = {}
    (groups,) = cursor.take("h")
    for _ in range(groups):
        cursor.text(), cursor.text()
        enabled, signals, _ = cursor.take("hhh")
        for _ in range(signals if enabled else 0):
            name = cursor.text()
            cursor.text()
            _, _, kind, is_on, *_ = cursor.take("7h4h2f" if rhs else "6h4h2f")
            if is_on:
                names.setdefault(_RHS_TYPES[kind] if rhs else kind, []).append(name)
    return names


def describe(found: Found) -> Description:
    """Describe a file of blocks. Raises `ValueError`."""
    header = read_header(found.read(0, _MAX_HEADER))
    parts = _parts(header)
    analog = Counter({frames: 0 for _, frames in parts})
    for kind, frames in parts:
        analog[frames] += frames * len(header.channels(kind))
    frames = max(analog, key=lambda size: analog[size])
    fields: list[Field] = [Integers(4, header.block)]
    channels = []
    for kind, size in parts:
        some = header.channels(kind)
        if kind == ADC:  # sensors of temperature come in front of it
            fields += [Signal(2)] * header.temperatures
        if size != frames:
            fields += [Signal(2, size)] * len(some)
        elif some:
            fields.append(Samples(len(some), size, by_channel=True))
            channels += some
    digital = [kind for kind in (DIGITAL_IN, DIGITAL_OUT) if header.names.get(kind)]
    fields += [Signal(2, header.block)] * len(digital)
    records, warnings = counted(found, header.size, fields, "<u2")
    notes: dict[str, Any] = {"notes": header.notes} if header.notes else {}
    if header.stimulation is not None:
        notes["stimulation_step_A"] = header.stimulation
    form = "Intan RHD file" if header.stimulation is None else "Intan RHS file"
    rate = header.sample_rate * frames / header.block
    layout = Layout((*front(found, header.size), records))
    return Description(form, len(channels), rate, "<u2", layout, metadata(channels, None, notes), warnings)


def _parts(header: Header) -> list[tuple[int, int]]:
    """Return the types of analog signals in a block, in order, with the samples of each signal."""
    block = header.block
    if header.stimulation is not None:
        kinds = (AMPLIFIER, *([DC] if header.dc else []), STIMULATION, ADC, ADC_OUT)
        return [(kind, block) for kind in kinds]
    return [(AMPLIFIER, block), (AUXILIARY, block // 4), (SUPPLY, 1), (ADC, block)]
