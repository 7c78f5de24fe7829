"""The coding `wide`: samples of 24 and 32 bits and floats, by int16 samples of other codings and the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..codec.coding import Coding, DecodeTask, EncodeTask
from ..codec.rans_coding import RansCoding
from ..codec.stored import StoredCoding
from ..container.chunk_head import BOUNDED, CHUNK_HEAD, CODING, RANS, STORED, WIDE
from ..core.errors import CorruptError
from ..predictor.model import Model
from . import payload as chunks
from .channels import WideChannel, fit
from .payload import WideChunk
from .steps import same_bits

STORED_WORDS = "stored, compressed by zstd"
"""What is written of channels without int16 samples: floats that are no multiples of a step."""
_SEGMENT = 1 << 20
"""Samples of a stored chunk that are kept together once they were read."""
_RANS = RansCoding()
_INNER: dict[int, Coding] = {RANS: _RANS, STORED: StoredCoding()}


@dataclass
class _Narrowed:
    """A chunk to be: its int16 samples [frames, channels], 0 where channels are stored, and the rest."""

    samples: np.ndarray
    chunk: WideChunk


def narrowed(samples: np.ndarray) -> np.ndarray:
    """Return what is coded of samples [frames, channels] as int16; int16 samples are returned as they are."""
    return samples if samples.dtype == np.int16 or not samples.size else _narrowed(samples).samples


def stored_floats(payload: bytes, channels: int) -> int:
    """Return how many channels of a chunk are floats that are stored as they are."""
    if payload[CHUNK_HEAD.size - 1] & CODING != WIDE:
        return 0
    dtype, known, _ = chunks.parse_channels(payload, channels)
    return sum(channel is None for channel in known) if dtype.kind == "f" else 0


class WideCoding:
    """See `codec.coding.Coding`. Samples are int32, float32 or float64, bit for bit."""

    number = WIDE

    def encode(self, tasks: list[EncodeTask], model: Model) -> list[bytes]:
        """Return the payloads; with all channels stored where these are smaller."""
        made = [_narrowed(task.samples) for task in tasks]
        coded = [i for i, one in enumerate(made) if any(channel is not None for channel in one.chunk.channels)]
        inner = _RANS.encode([replace(tasks[i], samples=made[i].samples, sample_bits=16) for i in coded], model)
        for i, payload in zip(coded, inner, strict=True):
            made[i].chunk.inner = payload
        return [_smaller(chunks.pack(one.chunk), task.samples) for one, task in zip(made, tasks, strict=True)]

    def decode(self, tasks: list[DecodeTask], model: Model) -> list[np.ndarray]:
        """Return the samples."""
        parsed = [chunks.parse(task.payload, task.channels) for task in tasks]
        values: dict[int, np.ndarray] = {}
        for number, coding in _INNER.items():
            group = [i for i, chunk in enumerate(parsed) if chunk.inner is not None and _inner_number(chunk) == number]
            results = coding.decode([_inner_task(parsed[i], tasks[i]) for i in group], model) if group else []
            values |= dict(zip(group, results, strict=True))
        return [_widened(chunk, task, values.get(i)) for i, (chunk, task) in enumerate(zip(parsed, tasks, strict=True))]

    def segment_frames(self, task: DecodeTask) -> int:
        """Return the frames of a segment."""
        chunk = chunks.parse(task.payload, task.channels)
        if chunk.inner is None:
            return max(1, _SEGMENT // task.channels)
        return _INNER[_inner_number(chunk)].segment_frames(_inner_task(chunk, task))

    def verify(self, task: EncodeTask, payload: bytes, decoded: np.ndarray) -> bool:
        """Return whether the samples are the same, bit for bit."""
        return task.samples.dtype == decoded.dtype and same_bits(decoded, task.samples)

    def guaranteed(self, task: DecodeTask) -> None:
        """Return None: all samples are exact."""

    def describe(self, task: DecodeTask) -> dict[str, int]:
        """Return how many channels are of each kind, in words."""
        chunk, words = chunks.parse(task.payload, task.channels), {}
        if chunk.inner is not None:
            words = dict(_INNER[_inner_number(chunk)].describe(_inner_task(chunk, task)))
        stored = sum(channel is None for channel in chunk.channels)
        if stored and words:  # these are constant among int16 samples
            words = {name: count - stored * (name == "constant") for name, count in words.items()}
        for channel in chunk.channels:
            name = STORED_WORDS if channel is None else channel.name()
            if name:
                words[name] = words.get(name, 0) + 1
        return {name: count for name, count in words.items() if count}


def _narrowed(samples: np.ndarray) -> _Narrowed:
    frames, count = samples.shape
    values = np.zeros((frames, count), np.int16)
    channels: list[WideChannel | None] = []
    stored, low_bits, known = [], [], []  # type: list[bytes], list[bytes], list[float]
    for number in range(count):
        column = np.ascontiguousarray(samples[:, number])
        found = fit(column, known)
        if found is None:
            channels.append(None)
            stored.append(chunks.stored_bytes(column))
            continue
        values[:, number] = found.values
        low_bits.append(chunks.low_bytes(found.low, found.channel.shift))
        channels.append(found.channel)
    chunk = WideChunk(frames, samples.dtype, channels, b"".join(stored), b"".join(low_bits), None)
    return _Narrowed(values, chunk)


def _smaller(payload: bytes, samples: np.ndarray) -> bytes:
    """Return the payload, or one of stored channels if that is smaller than this one is compressed to."""
    if len(payload) <= samples.nbytes:
        return payload
    frames, channels = samples.shape
    data = b"".join(chunks.stored_bytes(samples[:, number]) for number in range(channels))
    stored = chunks.pack(WideChunk(frames, samples.dtype, [None] * channels, data, b"", None))
    return min(payload, stored, key=len)


def _inner_number(chunk: WideChunk) -> int:
    """Return the number of the coding of the int16 samples. Raises `CorruptError`."""
    inner = chunk.inner or b""
    if len(inner) < CHUNK_HEAD.size or inner[CHUNK_HEAD.size - 1] & (CODING | BOUNDED) not in _INNER:
        raise CorruptError("a chunk uses an unknown coding; a newer version may read it")
    return inner[CHUNK_HEAD.size - 1] & CODING


def _inner_task(chunk: WideChunk, task: DecodeTask) -> DecodeTask:
    return DecodeTask(chunk.inner or b"", task.channels, 16, task.part)


def _widened(chunk: WideChunk, task: DecodeTask, values: np.ndarray | None) -> np.ndarray:
    """Return the samples that a task wants, from their int16 values."""
    part = task.part
    start, stop = (0, chunk.frames) if part is None else (part.start, part.stop)
    wanted = range(task.channels) if part is None else part.channels.tolist()
    samples = np.empty((stop - start, len(wanted)), chunk.dtype)
    for column, number in enumerate(wanted):
        channel = chunk.channels[number]
        if channel is None or values is None:
            samples[:, column] = chunk.stored_samples(number, start, stop)
        elif channel.plain:
            samples[:, column] = values[:, column]
        else:
            low = chunk.low(number, start, stop)
            samples[:, column] = channel.widened(values[:, column].astype(np.int64), low, start, chunk.dtype)
    return samples
