"""Records as bytes: their samples, and what a chunk holds of them besides these (docs/format.md section 2.9)."""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator
from functools import cached_property

import numpy as np

from ..core import limits, sample_formats
from ..core.compressed_bytes import from_differences, pack_blob, parse_blob, to_differences
from ..core.errors import CorruptError
from . import varint
from .chunk_head import chunk_bound, chunk_frames, chunk_type, is_spikes, longest_chunk
from .records import WIDTHS, Bytes, Group, Integers, Layout, Records, Run, Samples, Signal

_SIZE = struct.Struct("<I")
_FRAME = 12
"""Bytes of a zstd frame besides what is compressed, which signals share with all else beside the samples."""
_Kept = Bytes | Integers | Signal


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


class Unpacked:
    """What belongs to the records that begin in a chunk besides its samples: as the original holds it.

    Parameters
    ----------
    parts : for each run of records, their description and what is kept of them, uint8 [records, bytes]
    dtype : sample format of the original
    """

    def __init__(self, parts: list[tuple[Records, np.ndarray]], dtype: str) -> None:
        self._parts, self._dtype = parts, dtype
        self._chunks: list[bytes] = []
        self._left = sum(_fits(group, len(kept)) for records, kept in parts for group in records.groups)

    @property
    def rows(self) -> list[np.ndarray]:
        """What is kept, for each run of records: uint8 [records, bytes]."""
        return [kept for _, kept in self._parts]

    @property
    def samples(self) -> int:
        """Samples of channels that take as many bytes."""
        return sum(kept.size for _, kept in self._parts) // sample_formats.width(self._dtype)

    def signals(self) -> Iterator[np.ndarray]:
        """Yield the samples of each group of signals that can be a chunk, plain ones [frames, signals]."""
        for records, kept in self._parts:
            for group in (group for group in records.groups if _fits(group, len(kept))):
                columns = [sample_formats.from_bytes(kept[:, at].tobytes(), self._dtype, 1) for at in group.places]
                yield np.concatenate(columns, axis=1)

    def take(self, chunk: bytes) -> bool:
        """Take the next group of signals as a chunk; False if there is none left to be taken."""
        if not self._left:
            return False
        self._chunks.append(chunk)
        self._left -= 1
        return True

    def pack(self) -> bytes:
        """Return all as bytes: groups as the chunks that were taken where these are smaller."""
        coded, columns = bytearray(), []
        chunks = iter(self._chunks)
        for records, kept in self._parts:
            apart = set()
            for group in records.groups:
                chunk = next(chunks, b"") if _fits(group, len(kept)) else b""
                plain = b"".join(_column(group.signal, kept[:, at]) for at in group.places)
                if chunk and len(chunk) + _FRAME < len(pack_blob(plain)[1]):
                    apart.add(group.signal)
                else:
                    chunk = b""
                coded += varint.pack(len(chunk)) + chunk
            columns += [_column(field, kept[:, at]) for field, at in _columns(records, apart)]
        joined = b"".join(columns)
        if joined:
            coding, body = pack_blob(joined)
            coded += bytes([coding]) + body
        return bytes(coded)


class Packed:
    """What belongs to the records that begin in a chunk besides its samples: as a coded file holds it.

    Parameters
    ----------
    packed : bytes
    layout : Layout
    runs : list of Run
    dtype : sample format of the original

    Attributes
    ----------
    chunks : groups of signals that are coded as chunks, each with its number of signals

    Raises
    ------
    CorruptError
    """

    def __init__(self, packed: bytes, layout: Layout, runs: list[Run], dtype: str) -> None:
        self.packed, self._dtype = packed, dtype
        self._runs = [(run.count, layout.records(run)) for run in runs]
        self.chunks: list[tuple[bytes, int]] = []
        self._apart: list[dict[Signal, int]] = []
        self._taken: list[np.ndarray] = []
        if sum(count * records.kept for count, records in self._runs) > limits.MAX_FOREIGN_BYTES:
            raise CorruptError("too many bytes of records")
        self._size = 0
        self._rest = self._without_chunks()

    def _without_chunks(self) -> bytes:
        """Take the chunks out; returns the packed form of the other bytes."""
        at = 0
        for count, records in self._runs:
            apart = {}
            for group in records.groups:
                try:
                    length, at = varint.parse(self.packed, at)
                except IndexError:
                    raise CorruptError("signals beside the samples are missing") from None
                chunk, at = self.packed[at : at + length], at + length
                if length:
                    if at > len(self.packed):
                        raise CorruptError("signals beside the samples are cut off")
                    apart[group.signal] = len(self.chunks)
                    _check(chunk, group, count, self._dtype)
                    self.chunks.append((chunk, len(group.places)))
            self._apart.append(apart)
            self._size += count * sum(field.kept for field, _ in _columns(records, apart))
        if (at == len(self.packed)) != (self._size == 0):
            raise CorruptError("the bytes of records are not there, or too many")
        return self.packed[at:]

    def take(self, samples: np.ndarray) -> bool:
        """Take the samples of the next of `chunks`, plain ones [frames, signals]; False if it has been the last."""
        if len(self._taken) == len(self.chunks):
            return False
        self._taken.append(samples)
        return True

    @property
    def whole(self) -> bool:
        """Whether the samples that were taken are those that should be there."""
        try:
            return len(self.rows) == len(self._runs)
        except CorruptError:
            return False

    @cached_property
    def rows(self) -> list[np.ndarray]:
        """What is kept, for each run of records: uint8 [records, bytes]. Raises `CorruptError`."""
        plain = parse_blob(self._rest[0], self._rest[1:], self._size) if self._size else b""
        if len(plain) != self._size:
            raise CorruptError("the bytes of records have the wrong size")
        at, found = 0, []
        for (count, records), apart in zip(self._runs, self._apart, strict=True):
            kept = np.empty((count, records.kept), np.uint8)
            for field, place in _columns(records, apart):
                size = count * field.kept
                kept[:, place], at = _from_column(field, plain[at : at + size], count), at + size
            for group in records.groups:
                if group.signal in apart:
                    samples = self._taken[apart[group.signal]]
                    if samples.shape != (count * group.signal.count, len(group.places)):
                        raise CorruptError("signals beside the samples are damaged")
                    for values, place in zip(samples.T, group.places, strict=True):
                        data = sample_formats.to_bytes(np.ascontiguousarray(values), self._dtype)
                        kept[:, place] = np.frombuffer(data, np.uint8).reshape(count, -1)
            found.append(kept)
        return found


def _fits(group: Group, records: int) -> bool:
    """Return whether a chunk can hold a group of signals."""
    signals = len(group.places)
    return signals <= limits.MAX_CHANNELS and records * group.signal.count <= longest_chunk(signals)


def _check(chunk: bytes, group: Group, records: int, dtype: str) -> None:
    """Refuse a chunk of signals that is not lossless, or of others."""
    frames = chunk_frames(chunk, len(group.places))
    if not _fits(group, records) or frames != records * group.signal.count:
        raise CorruptError("a chunk of signals beside the samples has other frames")
    if chunk_type(chunk) != sample_formats.plain_type(dtype):
        raise CorruptError("a chunk of signals beside the samples is of others")
    if chunk_bound(chunk) or is_spikes(chunk):
        raise CorruptError("a chunk of signals beside the samples is not lossless")


def _columns(records: Records, apart: Container[Signal]) -> Iterator[tuple[_Kept, slice]]:
    """Yield the fields beside the samples but for the signals that are apart, and their places in what is kept."""
    at = 0
    for field in records.fields:
        if not isinstance(field, Samples) and field not in apart:
            yield field, slice(at, at + field.kept)
        at += field.kept


def _column(field: _Kept, data: np.ndarray) -> bytes:
    """Return uint8 [records, bytes] of a field: integers by their differences, else bytes of equal place together."""
    if isinstance(field, Bytes) or field.width not in WIDTHS:
        return data.T.tobytes()
    return to_differences(data.tobytes(), field.width)


def _from_column(field: _Kept, column: bytes, records: int) -> np.ndarray:
    """Undo `_column`."""
    if isinstance(field, Bytes) or field.width not in WIDTHS:
        return np.frombuffer(column, np.uint8).reshape(field.kept, records).T
    return np.frombuffer(from_differences(column, field.width), np.uint8).reshape(records, field.kept)


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
