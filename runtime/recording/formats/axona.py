"""Axona's raw recordings, and its .eeg and .egf files (http://space-memory-navigation.org/DacqUSBFileFormats.pdf)."""

from __future__ import annotations

import re

from ...container.records import Bytes, Integers, Layout, Samples
from ..records import Description
from .building import Channel, claimed_frames, counted, front, metadata
from .found import Found

_PACKET = (Bytes(4), Integers(4), Integers(2), Integers(2), Bytes(20), Samples(64, 3), Bytes(16))
"""Name, number, digital inputs and outputs, positions, samples, keys."""
_PACKET_BYTES = 432
_RATE = 48000
_START = b"data_start"


def describe(found: Found) -> Description | None:
    """Describe a file of packets. Raises `ValueError`."""
    if any(found.read(_PACKET_BYTES * number, 3) != b"ADU" for number in range(min(4, found.size // _PACKET_BYTES))):
        return None
    records, warnings = counted(found, 0, _PACKET, "<i2")
    channels = [Channel(str(_number(place))) for place in range(64)]
    return Description("Axona recording", 64, _RATE, "<i2", Layout((records,)), metadata(channels), warnings)


def _number(place: int) -> int:
    """Return the number, from 1 on, of the channel at a place of a packet: eights from both halves take turns."""
    eight, rest = divmod(place, 8)
    return 8 * (2 * eight + 1 if eight < 4 else 2 * (eight - 4)) + rest + 1


def describe_text(found: Found) -> Description | None:
    """Describe a file of one channel behind a header of text. Raises `ValueError`."""
    end = found.start.find(_START)
    fields = dict(re.findall(rb"^(\w+) (.*?)\r?$", found.start[: max(end, 0)], re.MULTILINE))
    if end < 0 or b"sample_rate" not in fields or not {b"num_EEG_samples", b"num_EGF_samples"} & set(fields):
        return None
    dtype = {1: "|i1", 2: "<i2"}[int(fields.get(b"bytes_per_sample", 1))]
    claimed = int(fields.get(b"num_EEG_samples") or fields[b"num_EGF_samples"])
    at = end + len(_START)
    records, warnings = claimed_frames(found, at, 1, dtype, claimed)
    rate = float(fields[b"sample_rate"].split()[0])
    return Description("Axona file", 1, rate, dtype, Layout((*front(found, at), records)), {}, warnings)
