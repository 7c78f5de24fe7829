"""The coding `short`: chunks of few samples, of which nothing is known beforehand (docs/format.md section 3.4).

What the coding rANS tells of each channel, and where its lanes begin, takes more than it saves where a channel has
tens of frames. Here predictor and chances are learned from the samples before, over all channels.
"""

from __future__ import annotations

import struct

import numpy as np

from ..container import varint
from ..container.chunk_head import CHUNK_HEAD, SHORT, chunk_frames, sample_crc
from ..core.compiled import compiled_or_plain
from ..core.errors import CorruptError
from ..core.limits import MAX_SHORT_SAMPLES
from ..predictor.model import Model
from . import short_loop
from .coding import DecodeTask, EncodeTask
from .stored import smaller

_CRC = struct.Struct("<I")
_VALUE_BYTES = 4
_MOST_STEP = 65535
_RATES, _RATE_BITS = (3, 5, 7), 3
"""Of learning: those that are tried, and the bits of a number of one."""
_SECONDS = 2e-5
"""That Python takes for a sample."""
_FEW = 16
"""Frames in which parameters and lanes of the coding rANS never pay."""


def is_possible(task: EncodeTask) -> bool:
    """Return whether a chunk is to be tried with this coding, and can be."""
    lossless = not task.max_error and task.budget is None and task.spikes is None
    return task.short and lossless and task.samples.dtype == np.int16 and task.samples.size <= MAX_SHORT_SAMPLES


def is_best(task: EncodeTask) -> bool:
    """Return whether other codings, and the choice of a model, need not be tried."""
    return is_possible(task) and len(task.samples) <= _FEW


class ShortCoding:
    """See `coding.Coding`."""

    number = SHORT

    def encode(self, tasks: list[EncodeTask], model: Model) -> list[bytes]:
        """Return payloads."""
        return [smaller(_encoded(task.samples), task) for task in tasks]

    def decode(self, tasks: list[DecodeTask], model: Model) -> list[np.ndarray]:
        """Return the samples."""
        return [task.crop(_decoded(task)) for task in tasks]

    def segment_frames(self, task: DecodeTask) -> int:
        """Return all frames."""
        return chunk_frames(task.payload, task.channels)

    def verify(self, task: EncodeTask, payload: bytes, decoded: np.ndarray) -> bool:
        """Return whether the samples are the same."""
        return np.array_equal(task.samples, decoded)

    def guaranteed(self, task: DecodeTask) -> None:
        """Return None: all samples are exact."""

    def describe(self, task: DecodeTask) -> dict[str, int]:
        """Return how many channels there are: they are all of one kind."""
        return {"short": task.channels}


def _encoded(samples: np.ndarray) -> bytes:
    wide = samples.astype(np.int64)
    step = max(1, int(np.gcd.reduce((wide - wide[0, 0]).ravel())))
    step = step if step <= _MOST_STEP else 1
    offset = int(wide[0, 0]) % step
    numbers = ((wide - offset) // step).T.ravel()
    coded = [_coded(numbers, len(samples), rate) for rate in _RATES]
    best = min(range(len(_RATES)), key=lambda i: len(coded[i]))
    crc = _CRC.pack(sample_crc(samples))
    fields = varint.pack(step << _RATE_BITS | _RATES[best]) + varint.pack(offset)
    return CHUNK_HEAD.pack(len(samples), SHORT) + crc + fields + coded[best]


def _coded(numbers: np.ndarray, frames: int, rate: int) -> bytes:
    """Return the coder's bytes; more than samples take as they are where they would be."""
    data = bytearray(2 * numbers.size + _VALUE_BYTES)
    _, coder, _ = _run(numbers, frames, data, rate, decoding=False)
    if coder[short_loop.PLACE] > len(data):
        return bytes(data)
    data[coder[short_loop.PLACE] :] = _end(coder[short_loop.LOW], coder[short_loop.HIGH])
    return bytes(data.rstrip(b"\0"))


def _end(low: int, high: int) -> bytes:
    """Return the fewest bytes, behind which zeros follow, in an interval."""
    for kept in range(_VALUE_BYTES):
        rest = (1 << 8 * (_VALUE_BYTES - kept)) - 1
        if (value := (low + rest) & ~rest) <= high:
            return value.to_bytes(_VALUE_BYTES, "big")[:kept]
    return high.to_bytes(_VALUE_BYTES, "big")


def _decoded(task: DecodeTask) -> np.ndarray:
    payload, frames = task.payload, chunk_frames(task.payload, task.channels)
    if payload[CHUNK_HEAD.size - 1] != SHORT or frames * task.channels > MAX_SHORT_SAMPLES:
        raise CorruptError("a short chunk has unknown flags, or is too long")
    try:
        (crc,) = _CRC.unpack_from(payload, CHUNK_HEAD.size)
        step, at = varint.parse(payload, CHUNK_HEAD.size + _CRC.size)
        step, rate = step >> _RATE_BITS, step & ((1 << _RATE_BITS) - 1)
        offset, at = varint.parse(payload, at)
    except (struct.error, IndexError):
        raise CorruptError("a chunk ends too early") from None
    if not 1 <= step <= _MOST_STEP or offset >= step:
        raise CorruptError("a short chunk has an impossible step")
    data = bytearray(payload[at:])
    fine, coder, numbers = _run(np.zeros(frames * task.channels, np.int64), frames, data, rate, decoding=True)
    samples = numbers * step + offset
    top = 1 << (task.sample_bits - 1)
    if not fine or data.endswith(b"\0") or len(data) > coder[short_loop.PLACE]:
        raise CorruptError("a short chunk does not end where it should")
    if samples.min() < -top or samples.max() >= top:
        raise CorruptError("a short chunk has impossible samples")
    samples = np.ascontiguousarray(samples.reshape(-1, frames).T, np.int16)
    if sample_crc(samples) != crc:
        raise CorruptError("decoded samples do not have the checksum of the original ones")
    return samples


def _run(
    numbers: np.ndarray, frames: int, data: bytearray, rate: int, decoding: bool
) -> tuple[bool, list[int], np.ndarray]:
    """Encode or decode numbers int64 [channels * frames].

    Returns whether they are in their range, the coder at the end, and the numbers.
    """
    value = int.from_bytes(bytes(data[:_VALUE_BYTES]).ljust(_VALUE_BYTES, b"\0"), "big")
    coder = [0, (1 << 32) - 1, value, _VALUE_BYTES if decoding else 0, int(decoding), rate]
    loop = compiled_or_plain(short_loop.code_samples, numbers.size * _SECONDS, *short_loop.INNER)
    if loop is not short_loop.code_samples:
        state = np.array(coder)
        fine = loop(numbers, frames, state, np.frombuffer(data, np.uint8))
        return fine, state.tolist(), numbers
    samples = numbers.tolist()
    fine = loop(samples, frames, coder, data)
    return fine, coder, np.array(samples, np.int64)
