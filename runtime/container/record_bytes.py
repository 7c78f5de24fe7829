"""Records as bytes: their samples, and what a chunk holds of them besides these (docs/format.md section 2.9)."""

from __future__ import annotations

import struct

import numpy as np

from ..core import limits, sample_formats
from ..core.compressed_bytes import from_differences, pack_blob, parse_blob, to_differences
from ..core.errors import CorruptError
from .records import Bytes, Integers, Layout, Records, Run, Samples

_SIZE = struct.Struct("<I")


def attach(chunk: bytes, kept: bytes) -> bytes:
    """Return the payload of a block: a chunk, and the packed bytes of the records that begin in it."""
    return chunk + kept + _SIZE.pack(len(kept))


def detach(payload: bytes) -> tuple[bytes, bytes]:
    """Undo `attach`. Raises `CorruptError`."""
    end = len(payload) - _SIZE.size
    size = _SIZE.unpack_from(payload, end)[0] if end >= 0 else 0
    if size > end or end < 0:
        raise CorruptError("a chunk is too short for the bytes of its records")
    return payload[: end - size], payload[end - size : end]


def pack(parts: list[tuple[Records, np.ndarray]]) -> bytes:
    """Compress what is kept of records: for each run of them, their description and uint8 [records, bytes].

    Field by field; integers by their differences; bytes of equal place lie together.
    """
    columns = []
    for records, kept in parts:
        at = 0
        for field in records.fields:
            data, at = kept[:, at : at + field.kept], at + field.kept
            match field:
                case Bytes():
                    columns.append(data.T.tobytes())
                case Integers():
                    columns.append(to_differences(data.tobytes(), field.width))
    joined = b"".join(columns)
    if not joined:
        return b""
    coding, body = pack_blob(joined)
    return bytes([coding]) + body


def unpack(packed: bytes, layout: Layout, runs: list[Run]) -> list[np.ndarray]:
    """Undo `pack`: for each run of records, uint8 [records, bytes]. Raises `CorruptError`."""
    size = sum(run.count * layout.records(run).kept for run in runs)
    if size > limits.MAX_FOREIGN_BYTES or (not packed) != (size == 0):
        raise CorruptError("the bytes of records are not there, or too many")
    data = parse_blob(packed[0], packed[1:], size) if packed else b""
    if len(data) != size:
        raise CorruptError("the bytes of records have the wrong size")
    at, found = 0, []
    for run in runs:
        kept = []
        for field in layout.records(run).fields:
            size = run.count * field.kept
            column, at = data[at : at + size], at + size
            match field:
                case Bytes():
                    kept.append(np.frombuffer(column, np.uint8).reshape(field.count, run.count).T)
                case Integers():
                    values = from_differences(column, field.width)
                    kept.append(np.frombuffer(values, np.uint8).reshape(run.count, field.kept))
        found.append(np.concatenate([np.empty((run.count, 0), np.uint8), *kept], axis=1))
    return found


def split(data: bytes, records: Records, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Take records apart.

    Returns
    -------
    samples : plain ones [frames, channels]
    kept : uint8 [records, bytes of a record that are kept]
    """
    width, frames = sample_formats.width(dtype), records.frames
    rows = np.frombuffer(data, np.uint8).reshape(-1, records.size(width))
    samples = np.empty((len(rows), frames, records.channels), sample_formats.plain_type(dtype))
    kept, at, channel = [rows[:, :0]], 0, 0
    for field in records.fields:
        size = field.kept if not isinstance(field, Samples) else field.channels * frames * width
        part, at = rows[:, at : at + size], at + size
        if isinstance(field, Samples):
            shape = (field.channels, frames) if field.by_channel else (frames, field.channels)
            values = sample_formats.from_bytes(part.tobytes(), dtype, 1).reshape(len(rows), *shape)
            last = channel + field.channels
            samples[:, :, channel:last] = values.transpose(0, 2, 1) if field.by_channel else values
            channel = last
        else:
            kept.append(part)
    return samples.reshape(-1, records.channels), np.concatenate(kept, axis=1)


def join(samples: np.ndarray, kept: np.ndarray, records: Records, dtype: str) -> bytes:
    """Undo `split`."""
    width, frames, count = sample_formats.width(dtype), records.frames, len(kept)
    rows = np.empty((count, records.size(width)), np.uint8)
    values = samples.reshape(count, frames, -1)
    at = taken = channel = 0
    for field in records.fields:
        if isinstance(field, Samples):
            part = values[:, :, channel : channel + field.channels]
            part = np.ascontiguousarray(part.transpose(0, 2, 1) if field.by_channel else part)
            data = np.frombuffer(sample_formats.to_bytes(part, dtype), np.uint8).reshape(count, -1)
            channel += field.channels
        else:
            data, taken = kept[:, taken : taken + field.kept], taken + field.kept
        rows[:, at : at + data.shape[1]], at = data, at + data.shape[1]
    return rows.tobytes()
