"""EDF, EDF+ and BDF (https://www.edfplus.info/specs/edf.html, https://www.biosemi.com/faq/file_format.htm)."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Sequence

from ...container.metadata import BITS
from ...container.records import Bytes, Field, Layout, Samples, Signal
from ..records import Description
from .building import APART, Channel, counted, front, metadata, text, time
from .found import Found

EDF, BDF = b"0       ", b"\xffBIOSEMI"
_WORDS = "Status"
"""The label of BioSemi's triggers, digital words; files that were converted tell another unit of them."""
_FILE_HEADER = _SIGNAL_HEADER = 256
_WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
"""Bytes of what describes a signal: label, transducer, unit, limits, filter, samples, reserved."""
_ONSET = 16
"""Bytes of the first annotation that are read: when its record begins."""
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def describe(found: Found) -> Description:
    """Describe a file whose records hold so many samples of each signal. Raises `ValueError`."""
    form, dtype = ("EDF file", "<i2") if found.start.startswith(EDF) else ("BDF file", "<i3")
    signals = int(found.read(252, 4))
    if not 1 <= signals <= 9999:
        raise ValueError(f"{signals} signals")
    header = found.read(0, _FILE_HEADER + signals * _SIGNAL_HEADER)
    columns, at = [], _FILE_HEADER
    for width in _WIDTHS:
        columns.append([header[at + width * i : at + width * (i + 1)] for i in range(signals)])
        at += width * signals
    labels = [text(label) for label in columns[0]]
    samples = [int(count) for count in columns[8]]
    if min(samples) < 0:
        raise ValueError("a signal of fewer than no samples")
    is_note = [label in ("EDF Annotations", "BDF Annotations") for label in labels]
    sizes = Counter(count for count, note in zip(samples, is_note, strict=True) if not note and count)
    if not sizes:
        raise ValueError("no signals but annotations")
    frames = max(sizes, key=lambda size: sizes[size] * size)
    is_sample = [count == frames and not note for count, note in zip(samples, is_note, strict=True)]
    width = int(dtype[2])
    fields = _fields(samples, is_sample, is_note, width)
    claimed = _whole(header[236:244])
    records, warnings = counted(found, len(header), fields, dtype, claimed if claimed and claimed > 0 else None)
    if header[192:197] in (b"EDF+D", b"BDF+D"):
        warnings += (APART,)
    duration = float(header[244:252])
    channels = [_channel(i, labels, columns) for i in range(signals) if is_sample[i]]
    notes = {"patient": text(header[8:88]), "recording": text(header[88:168])}
    onset = b""
    if True in is_note:
        onset = found.read(len(header) + width * sum(samples[: is_note.index(True)]), _ONSET)
    described = metadata(channels, _start(header, onset), {key: note for key, note in notes.items() if note})
    layout = Layout((*front(found, len(header)), records))
    return Description(
        form, len(channels), frames / duration if duration > 0 else 0, dtype, layout, described, warnings
    )


def _fields(samples: Sequence[int], is_sample: Sequence[bool], is_note: Sequence[bool], width: int) -> list[Field]:
    fields: list[Field] = []
    for count, sample, note in zip(samples, is_sample, is_note, strict=True):
        last = fields[-1] if fields else None
        if sample and isinstance(last, Samples):
            fields[-1] = Samples(last.channels + 1, count, by_channel=True)
        elif sample:
            fields.append(Samples(1, count, by_channel=True))
        elif count:
            fields.append(Bytes(width * count) if note else Signal(width, count))
    return fields


def _channel(signal: int, labels: list[str], columns: list[list[bytes]]) -> Channel:
    unit = BITS if labels[signal] == _WORDS else text(columns[2][signal])
    try:
        low, high, first, last = (float(columns[row][signal]) for row in (3, 4, 5, 6))
        gain = (high - low) / (last - first)
    except (ValueError, ZeroDivisionError):
        return Channel(labels[signal], unit=unit)
    return Channel(labels[signal], gain, low - gain * first, unit)


def _start(header: bytes, onset: bytes) -> datetime.datetime | None:
    """Return the start time; its year has two digits, unless EDF+ says it again.

    onset : the beginning of the first annotation, which tells the fraction of a second
    """
    day = re.fullmatch(rb"(\d\d)\.(\d\d)\.(\d\d)(\d\d)\.(\d\d)\.(\d\d)", header[168:184])
    if day is None:
        return None
    date, month, year, *clock = map(int, day.groups())
    again = re.match(rb"Startdate (\d\d)-([A-Z]{3})-(\d{4})", header[88:168])
    if again and again[2].decode() in _MONTHS:
        date, month, year = int(again[1]), _MONTHS.index(again[2].decode()) + 1, int(again[3])
    else:
        year += 1900 if year >= 85 else 2000
    fraction = re.match(rb"\+0?\.(\d{1,6})\d*\x14", onset)
    return time(year, month, date, *clock, int(fraction[1].ljust(6, b"0")) if fraction else 0)


def _whole(data: bytes) -> int | None:
    try:
        return int(data)
    except ValueError:
        return None
