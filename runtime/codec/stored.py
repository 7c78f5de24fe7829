"""The coding `stored`: samples as they are in the original (docs/format.md section 3)."""

from __future__ import annotations

import numpy as np

from ..container.chunk_head import CHUNK_HEAD, STORED, chunk_frames
from ..core.errors import CorruptError
from ..predictor.model import Model
from .coding import DecodeTask, EncodeTask

_SEGMENT = 1 << 20
"""Samples that are kept together once they were read."""


def smaller(payload: bytes, task: EncodeTask) -> bytes:
    """Return the payload, or a stored one if that is not larger."""
    raw = CHUNK_HEAD.size + task.samples.size * task.sample_bits // 8
    return payload if len(payload) < raw else _pack(task)


def _pack(task: EncodeTask) -> bytes:
    samples = task.samples
    raw = (samples + 128).astype(np.uint8) if task.sample_bits == 8 else samples.astype("<i2")
    return CHUNK_HEAD.pack(len(samples), STORED) + raw.tobytes()


class StoredCoding:
    """See `coding.Coding`."""

    number = STORED

    def encode(self, tasks: list[EncodeTask], model: Model) -> list[bytes]:
        """Return payloads that hold the samples as they are."""
        return [_pack(task) for task in tasks]

    def decode(self, tasks: list[DecodeTask], model: Model) -> list[np.ndarray]:
        """Return the samples."""
        return [self._decoded(task) for task in tasks]

    @staticmethod
    def _decoded(task: DecodeTask) -> np.ndarray:
        frames = chunk_frames(task.payload, task.channels)
        if task.payload[CHUNK_HEAD.size - 1] != STORED:
            raise CorruptError(f"a chunk uses an unknown coding ({task.payload[4]}); a newer version may read it")
        if len(task.payload) != CHUNK_HEAD.size + frames * task.channels * task.sample_bits // 8:
            raise CorruptError("a stored chunk has the wrong size")
        if task.sample_bits == 8:
            samples = np.frombuffer(task.payload, np.uint8, offset=CHUNK_HEAD.size).astype(np.int16) - np.int16(128)
        else:
            samples = np.frombuffer(task.payload, "<i2", offset=CHUNK_HEAD.size).astype(np.int16)
        return task.crop(samples.reshape(frames, task.channels))

    def segment_frames(self, task: DecodeTask) -> int:
        """Return as many frames as are read at once: any would do."""
        return max(1, _SEGMENT // task.channels)

    def verify(self, task: EncodeTask, payload: bytes, decoded: np.ndarray) -> bool:
        """Return whether the samples are the same."""
        return np.array_equal(task.samples, decoded)

    def guaranteed(self, task: DecodeTask) -> None:
        """Return None: all samples are exact."""

    def describe(self, task: DecodeTask) -> dict[str, int]:
        """Return nothing: the channels of a stored chunk have no kinds."""
        return {}
