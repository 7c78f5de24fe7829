"""The chunks of an open file: read, checked, decoded as far as needed, and kept for a while."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np

from ..batch.coders import Decoder
from ..batch.codings import coding_of
from ..codec.coding import DecodeTask, Part
from ..container.blocks import chunk_parts, read_block
from ..container.chunk_head import chunk_frames
from ..container.random_access import Layout
from ..core.errors import CorruptError, MiddleoutError
from ..core.limits import BATCH_SAMPLES
from ..core.sample_formats import width
from ..core.threads import ForkSafeLock
from .ranges import RangeFile, places_of

_ENTRY = 250
"""Bytes that an entry takes besides its data: key, array and their places."""


class ByteCache:
    """Keep arrays and bytes by key, those that were used last. Threads may share it.

    Parameters
    ----------
    most : int
        Bytes to keep; 0 for nothing.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._entries: OrderedDict[Hashable, Any] = OrderedDict()
        self._held = 0
        self._lock = ForkSafeLock()

    def get(self, keys: Iterable[Hashable]) -> dict[Hashable, Any]:
        """Return what is kept of some keys."""
        found = {}
        with self._lock:
            for key in keys:
                if key in self._entries:
                    self._entries.move_to_end(key)
                    found[key] = self._entries[key]
        return found

    def put(self, values: Mapping[Hashable, Any]) -> None:
        """Keep contiguous arrays or bytes; what was not used for longest goes. They must own their memory."""
        with self._lock:
            for key, value in values.items():
                size = _size(value)
                if size > self.most:
                    continue
                if key in self._entries:
                    self._held -= _size(self._entries.pop(key))
                self._entries[key] = value
                self._held += size
                while self._held > self.most and self._entries:
                    self._held -= _size(self._entries.popitem(last=False)[1])


def _size(value: Any) -> int:
    return memoryview(value).nbytes + _ENTRY


@dataclass
class _Wanted:
    """Frames of a chunk that are wanted, and what is there of them.

    number : of the chunk
    low, high : frames of the chunk
    steps : frames of a segment; 0 where segments are not kept
    columns : samples of a segment's channel by both numbers; filled in as they are decoded
    task : what is to be decoded; None where nothing is
    """

    number: int
    low: int
    high: int
    steps: int = 0
    columns: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    task: DecodeTask | None = None

    @property
    def segments(self) -> range:
        """Numbers of the segments that hold the frames."""
        return range(self.low // self.steps, -(-self.high // self.steps))


class ChunkReader:
    """Reads and decodes chunks. Threads, and processes that inherited it by fork, may share one.

    Parameters
    ----------
    file : binary file object or RangeFile
    layout : Layout of the file
    cache_bytes : int
        Most bytes of coded chunks and decoded segments to keep.

    Attributes
    ----------
    starts : int64 [chunks + 1], first frames of the chunks, and the end of the last
    """

    def __init__(self, file: BinaryIO | RangeFile, layout: Layout, cache_bytes: int) -> None:
        self._places, self._layout, self._header = places_of(file), layout, layout.header
        index = layout.index
        self.starts = np.concatenate([[0], np.cumsum(np.asarray(index.frames, np.int64))])
        self._offsets = index.first + np.concatenate([[0], np.cumsum(np.asarray(index.sizes, np.int64))])
        self._steps = np.zeros(len(index.frames), np.int32)
        self._kept = ByteCache(cache_bytes)

    def task(self, number: int, part: Part | None = None, keep: bool = False) -> DecodeTask:
        """Read a chunk, and perhaps keep its payload. Raises `CorruptError`."""
        kept = self._kept.get([number])
        payload = kept[number] if kept else self._payload(number)
        if keep and not kept:
            self._kept.put({number: payload})
        return DecodeTask(payload, self._header.channels, self._header.sample_bits, part)

    def whole(self, decoder: Decoder) -> Iterator[np.ndarray]:
        """Decode all chunks, some at a time: plain samples [frames, channels] of each."""
        frames, channels = self._layout.index.frames, self._header.channels
        for group in _groups([count * channels for count in frames]):
            yield from _run(decoder, [self.task(number) for number in group])

    def read(self, decoder: Decoder, start: int, stop: int, channels: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Decode the frames from `start` to before `stop` of some channels: first frames, and plain samples.

        Parameters
        ----------
        channels : int64 [n], in any order
        """
        chosen, place = np.unique(channels, return_inverse=True)
        in_order = np.array_equal(chosen, channels)
        first = int(np.searchsorted(self.starts, start, "right")) - 1
        last = int(np.searchsorted(self.starts, stop, "left"))
        keep = width(self._header.dtype) * (stop - start) * len(chosen) < self._kept.most
        wanted = []
        for number, (at, end) in enumerate(pairwise(self.starts[first : last + 1].tolist()), first):
            wanted.append(_Wanted(number, max(start - at, 0), min(stop, end) - at))
        sizes = self._layout.index.sizes  # chunks are read and parsed as a whole
        for group in _groups([(part.high - part.low) * len(chosen) + sizes[part.number] for part in wanted]):
            parts = [wanted[i] for i in group]
            for part, samples in zip(parts, self._decoded(decoder, parts, chosen, keep), strict=True):
                yield int(self.starts[part.number]) + part.low, samples if in_order else samples[:, place]

    def _decoded(self, decoder: Decoder, parts: list[_Wanted], channels: np.ndarray, keep: bool) -> list[np.ndarray]:
        for part in parts:
            (self._look_up if keep else self._take)(part, channels)
        tasks = [part.task for part in parts if part.task is not None]
        results = iter(_run(decoder, tasks) if tasks else [])
        if not keep:
            return list(results)
        for part in parts:
            if part.task is not None:
                self._learn(part, part.task, next(results))
        return [_put_together(part, channels) for part in parts]

    def _take(self, wanted: _Wanted, channels: np.ndarray) -> None:
        """Plan to decode what is wanted."""
        frames = self._layout.index.frames[wanted.number]
        everything = wanted.high - wanted.low == frames and len(channels) == self._header.channels
        part = None if everything else Part(wanted.low, wanted.high, channels)
        wanted.task = self.task(wanted.number, part)

    def _look_up(self, wanted: _Wanted, channels: np.ndarray) -> None:
        """Plan to decode the segments and channels that are not kept."""
        number, frames = wanted.number, self._layout.index.frames[wanted.number]
        if not self._steps[number]:
            task = self.task(number, keep=True)
            self._steps[number] = coding_of(task.payload).segment_frames(task)
        wanted.steps = steps = int(self._steps[number])
        places = [(segment, channel) for segment in wanted.segments for channel in channels.tolist()]
        found = self._kept.get((number, *place) for place in places)
        wanted.columns = {place: found[number, *place] for place in places if (number, *place) in found}
        missing = [place for place in places if place not in wanted.columns]
        if missing:
            first, last = missing[0][0], missing[-1][0] + 1
            several = np.unique([channel for _, channel in missing])
            everything = (last - first) * steps >= frames and len(several) == self._header.channels
            part = None if everything else Part(first * steps, min(last * steps, frames), several)
            wanted.task = self.task(number, part, keep=True)

    def _learn(self, wanted: _Wanted, task: DecodeTask, samples: np.ndarray) -> None:
        """Keep what was decoded."""
        part = task.part or Part(0, len(samples), np.arange(task.channels))
        rows = np.ascontiguousarray(samples.T)
        made = {
            (part.start // wanted.steps + first // wanted.steps, channel): row[first : first + wanted.steps].copy()
            for channel, row in zip(part.channels.tolist(), rows, strict=True)
            for first in range(0, len(samples), wanted.steps)
        }
        wanted.columns |= made
        self._kept.put({(wanted.number, *key): column for key, column in made.items()})

    def _payload(self, number: int) -> bytes:
        layout = self._layout
        block = io.BytesIO(self._places.read_at(int(self._offsets[number]), layout.index.sizes[number]))
        payload, *_ = read_block(block, layout.first_sequence + number, layout.header_crc, b"C")
        chunk, _ = chunk_parts(payload, self._header)
        if chunk_frames(chunk, self._header.channels) != layout.index.frames[number]:
            raise CorruptError("the index does not agree with the chunks")
        return chunk


def _groups(samples: list[int]) -> Iterator[list[int]]:
    """Yield numbers of parts that are decoded together, by how many samples or bytes they have."""
    group: list[int] = []
    total = 0
    for number, count in enumerate(samples):
        group.append(number)
        total += count
        if total >= BATCH_SAMPLES:
            yield group
            group, total = [], 0
    if group:
        yield group


def _run(decoder: Decoder, tasks: list[DecodeTask]) -> list[np.ndarray]:
    results = []
    for result in decoder.run(tasks):
        if isinstance(result, MiddleoutError):
            raise result
        results.append(result)
    return results


def _put_together(wanted: _Wanted, channels: np.ndarray) -> np.ndarray:
    """Return the samples [frames, channels] of columns of segments."""
    dtype = next(iter(wanted.columns.values())).dtype
    samples = np.empty((len(channels), wanted.high - wanted.low), dtype)
    for segment in wanted.segments:
        at = segment * wanted.steps
        low, high = max(wanted.low, at), min(wanted.high, at + wanted.steps)
        for row, channel in zip(samples, channels.tolist(), strict=True):
            row[low - wanted.low : high - wanted.low] = wanted.columns[segment, channel][low - at : high - at]
    return samples.T
