"""Channels that repeat themselves, packed by zstd instead of rANS (docs/format.md section 4.5).

Digital lines, counters, rails and artefacts on nothing are long runs of one value or of one difference, and may have
periods. A predictor knows neither the lengths of runs nor periods.
"""

from __future__ import annotations

import numpy as np

from ..core import bits
from ..core.compressed_bytes import ZSTD, pack_blob, parse_blob
from ..core.errors import CorruptError
from ..predictor.channel_parameters import CONSTANT

_DIFFERENCES, _RUNS = 1, 2
_FORMS = (0, _DIFFERENCES, _RUNS, _DIFFERENCES | _RUNS)
_HEAD = 3
_LEVEL = 1
"""Of zstd, to compare."""


def pack(packed: dict[int, np.ndarray], kind: np.ndarray) -> bytes:
    """Serialise packed channels, int16 [frames] each, to whole bytes; b"" if there are none."""
    if not packed:
        return b""
    constant = np.flatnonzero(kind == CONSTANT)
    flags = bits.to_bytes(bits.pack(np.isin(constant, list(packed)), np.ones(len(constant), np.int64)))
    rows = b"".join(_packed(packed[channel], best_form(packed[channel])[0]) for channel in sorted(packed))
    _, body = pack_blob(rows, always=True)
    return flags + len(body).to_bytes(4, "little") + body


def parse_numbers(payload: bytes, offset: int, kind: np.ndarray) -> tuple[np.ndarray, int]:
    """Return which channels are packed, int64 [n], and the offset behind that. Raises `CorruptError`."""
    reader, constant = bits.BitReader(payload, offset), np.flatnonzero(kind == CONSTANT)
    channels = constant[reader.read_equal(len(constant), 1) > 0]
    return channels, reader.align()


def parse(payload: bytes, offset: int, kind: np.ndarray, frames: int) -> tuple[dict[int, np.ndarray], int]:
    """Return the samples int16 [frames] of packed channels by channel, and the offset behind. Raises `CorruptError`."""
    channels, offset = parse_numbers(payload, offset, kind)
    first = offset + 4
    end = first + int.from_bytes(payload[offset:first], "little")
    if not len(channels) or not first < end <= len(payload):
        raise CorruptError("packed channels have a wrong size")
    body = memoryview(parse_blob(ZSTD, payload[first:end], len(channels) * (_HEAD + 4 + 6 * frames)))
    found = {}
    for channel in channels.tolist():
        found[channel], body = _unpacked(body, frames)
    if len(body):
        raise CorruptError("packed channels have a wrong size")
    return found, end


def best_form(column: np.ndarray) -> tuple[int, int]:
    """Return the form in which a channel, int16 [frames], takes the fewest bytes compressed alone, and these."""
    sizes = {form: compressed_bytes(column, form) for form in _FORMS}
    form = min(sizes, key=sizes.__getitem__)
    return form, sizes[form]


def compressed_bytes(column: np.ndarray, form: int) -> int:
    """Return about how many bytes a channel, int16 [frames], takes in a form."""
    return len(pack_blob(_packed(column, form), always=True, level=_LEVEL)[1])


def _packed(column: np.ndarray, form: int) -> bytes:
    numbers = np.diff(column, prepend=np.int16(0)) if form & _DIFFERENCES else column
    starts = np.arange(len(numbers))
    if form & _RUNS:
        new = np.append(True, numbers[1:] != numbers[:-1])
        begin = np.flatnonzero(new)
        starts = begin if (np.diff(begin, append=len(numbers)) <= 1 << 16).all() else _split(begin, len(numbers))
    numbers = numbers[starts]
    places = numbers.astype(np.int32) - int(numbers.min())
    there = np.bincount(places) > 0
    values, places = np.flatnonzero(there) + int(numbers.min()), (np.cumsum(there) - 1)[places]
    parts = [bytes([form]), (len(values) - 1).to_bytes(2, "little"), values.astype("<i2").tobytes()]
    if form & _RUNS:
        parts.append(len(starts).to_bytes(4, "little"))
    parts += _planes(places, 1 if len(values) <= 256 else 2)
    if form & _RUNS:
        parts += _planes(np.diff(starts, append=len(column)) - 1, 2)
    return b"".join(parts)


def _split(starts: np.ndarray, frames: int) -> np.ndarray:
    """Return starts of runs of at most 65536 samples."""
    return np.unique(np.concatenate([np.arange(a, b, 1 << 16) for a, b in zip(starts, [*starts[1:], frames])]))


def _planes(numbers: np.ndarray, planes: int) -> list[bytes]:
    return [((numbers >> 8 * plane) & 255).astype(np.uint8).tobytes() for plane in range(planes)]


def _unpacked(body: memoryview, frames: int) -> tuple[np.ndarray, memoryview]:
    """Return a channel and the bytes behind it. Raises `CorruptError`."""
    head, body = _cut(body, _HEAD)
    form, count = head[0], 1 + int.from_bytes(head[1:], "little")
    if form not in _FORMS or count > frames:
        raise CorruptError("a packed channel is damaged")
    table, body = _cut(body, 2 * count)
    total = frames
    if form & _RUNS:
        field, body = _cut(body, 4)
        total = int.from_bytes(field, "little")
        if not 1 <= total <= frames:
            raise CorruptError("a packed channel is damaged")
    places, body = _from_planes(body, total, 1 if count <= 256 else 2)
    if places.max() >= count:
        raise CorruptError("a packed channel is damaged")
    numbers = np.frombuffer(table, "<i2").astype(np.int16)[places]
    if form & _RUNS:
        lengths, body = _from_planes(body, total, 2)
        if int(lengths.sum()) + total != frames:
            raise CorruptError("a packed channel has the wrong length")
        numbers = np.repeat(numbers, lengths + 1)
    return (np.cumsum(numbers, dtype=np.int16) if form & _DIFFERENCES else numbers), body


def _cut(body: memoryview, size: int) -> tuple[memoryview, memoryview]:
    if len(body) < size:
        raise CorruptError("a packed channel ends too early")
    return body[:size], body[size:]


def _from_planes(body: memoryview, count: int, planes: int) -> tuple[np.ndarray, memoryview]:
    part, body = _cut(body, count * planes)
    rows = np.frombuffer(part, np.uint8).reshape(planes, count).astype(np.int64)
    return rows.T @ (1 << 8 * np.arange(planes)), body
