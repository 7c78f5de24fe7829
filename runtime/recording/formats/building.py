"""What parsers build descriptions of: channels as metadata, and as many records as there are."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...container.metadata import ANNOTATIONS, CHANNEL_IDS, GAIN, OFFSET, START_TIME, UNITS
from ...container.records import Field, Layout, Records, Samples
from ...core import limits, sample_formats
from ..records import Description
from ..source import missing
from .found import Found

APART = "its records do not follow each other in time"
_DRIFT = 1e-4
"""How much a clock may differ from the sample rate that a header tells."""
_MICROVOLTS = {"nv": 1e-3, "uv": 1.0, "µv": 1.0, "μv": 1.0, "microvolts": 1.0, "mv": 1e3, "v": 1e6, "volts": 1e6}


@dataclass(frozen=True)
class Channel:
    """What a format says of a channel: a sample s is s * gain + offset of its unit.

    gain : NaN if unknown
    """

    name: str = ""
    gain: float = math.nan
    offset: float = 0.0
    unit: str = "uV"


def metadata(
    channels: Sequence[Channel], start: datetime.datetime | None = None, annotations: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return what channels and a file tell, as metadata of docs/format.md section 2.7.

    Gains are there if all of them are known and a channel is of volts. If others are not, then `units` in the
    annotations is the list of all units, and gains and offsets are in these. If none is, all three are annotations.
    """
    found: dict[str, Any] = {}
    notes = dict(annotations or {})
    if any(channel.name for channel in channels):
        found[CHANNEL_IDS] = _unique([channel.name for channel in channels])
    factors = [_MICROVOLTS.get(channel.unit.strip().lower()) for channel in channels]
    numbers = [value for channel in channels for value in (channel.gain, channel.offset)]
    if all(map(math.isfinite, numbers)):
        pairs = list(zip(channels, factors, strict=True))
        scaled, keys = (found, (GAIN, OFFSET)) if any(factors) else (notes, ("gain", "offset"))
        scaled[keys[0]] = [_short(channel.gain * (factor or 1.0)) for channel, factor in pairs]
        offsets = [_short(channel.offset * (factor or 1.0)) for channel, factor in pairs]
        if any(offsets):
            scaled[keys[1]] = offsets
        if not all(factors):
            notes[UNITS] = ["uV" if factor else channel.unit.strip() for channel, factor in pairs]
    if start is not None:
        found[START_TIME] = start.isoformat()
    if notes:
        found[ANNOTATIONS] = notes
    return found


def counted(
    found: Found, at: int, fields: Sequence[Field], dtype: str, claimed: int | None = None
) -> tuple[Records, tuple[str, ...]]:
    """Return the records that fill a file from an offset to its end, and what is odd about them.

    There are no more than the header tells; what is behind these is kept as it is.

    Parameters
    ----------
    found : Found
    at : offset of the first record
    fields : of a record
    dtype : of the samples
    claimed : records by the header; None if it does not tell

    Raises
    ------
    ValueError
        The file does not hold one of them.
    """
    record = Records(1, tuple(fields))
    there, left = divmod(found.size - at, record.size(sample_formats.width(dtype)))
    if there < 1:
        raise ValueError("no record is whole")
    count = there if claimed is None else min(claimed, there)
    warnings = []
    if left and count == there:
        warnings.append(f"the file ends inside {'a record' if record.kept or record.frames > 1 else 'a frame'}")
    if claimed is not None:
        warnings += missing(claimed, there, "records")
    return Records(count, record.fields), tuple(warnings)


def apart(clock: float, samples: float, record: float) -> tuple[str, ...]:
    """Return what is to be told where time stamps and samples differ by more than a record and the drift of a clock.

    Parameters
    ----------
    clock : seconds from the first time stamp to the last
    samples : seconds that the samples between these last
    record : seconds of a record
    """
    if abs(clock - samples) <= record + _DRIFT * samples:
        return ()
    return (f"its clock runs over {clock:.3f} s, its samples over {samples:.3f} s: {APART}",)


def claimed_frames(found: Found, at: int, channels: int, dtype: str, claimed: int) -> tuple[Records, tuple[str, ...]]:
    """Return samples frame by frame from an offset on, as many of those that the header tells of as are there.

    What is odd about them is the second result. Raises `ValueError` if not one frame is there.
    """
    fields = (Samples(channels),)
    count = min(claimed, (found.size - at) // Records(1, fields).size(sample_formats.width(dtype)))
    if count < 1:
        raise ValueError("no frame is whole")
    return Records(count, fields), missing(claimed, count)


def interleaved(
    found: Found,
    form: str,
    sample_rate: float,
    dtype: str,
    channels: Sequence[Channel],
    annotations: dict[str, Any] | None = None,
) -> Description:
    """Describe a file without a header, of samples frame by frame. Raises `ValueError`."""
    records, warnings = counted(found, 0, [Samples(len(channels))], dtype)
    described = metadata(channels, None, annotations)
    return Description(form, len(channels), sample_rate, dtype, Layout((records,)), described, warnings)


def front(found: Found, size: int) -> tuple[bytes, ...]:
    """Return the sections in front of the first record. Raises `ValueError` if the file does not hold them."""
    if not 0 <= size <= min(found.size, limits.MAX_FOREIGN_PIECE):
        raise ValueError(f"a header of {size} bytes")
    return (found.read(0, size),) if size else ()


def text(data: bytes) -> str:
    """Return text of a fixed length without what fills it, or of an unknown encoding."""
    data = data.split(b"\0")[0]
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError:
        return data.decode("latin-1").strip()


def time(*numbers: int) -> datetime.datetime | None:
    """Return a time of year, month, day, hour, minute, second, microsecond; None for one that is none."""
    try:
        return datetime.datetime(*numbers)  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError):
        return None


def _short(value: float) -> float:
    """Return a number without the digits that a product of float32 or of decimal fractions adds."""
    return float(f"{value:.12g}")


def _unique(names: Sequence[str]) -> list[str]:
    """Return names, of which those that are empty or there already get a number."""
    seen: set[str] = set()
    found = []
    for number, name in enumerate(names):
        made, again = name or str(number), 1
        while made in seen:
            again += 1
            made = f"{name or number}-{again}"
        seen.add(made)
        found.append(made)
    return found
