"""The coding `spikes`: windows around spikes, and a smooth rendering between them (docs/format.md section 12)."""

from __future__ import annotations

import numpy as np

from ..codec.coding import DecodeTask, EncodeTask
from ..codec.stored import smaller
from ..container.chunk_head import SPIKES, chunk_frames
from ..predictor.model import Model
from . import codec, encoder, summary


class SpikeCoding:
    """See `codec.coding.Coding`."""

    number = SPIKES

    def encode(self, tasks: list[EncodeTask], model: Model) -> list[bytes]:
        """Return payloads that keep what the tasks' spike options say."""
        return [
            smaller(encoder.encode(task.samples, task.sample_bits, task.spikes, task.budget, model), task)
            for task in tasks
        ]

    def decode(self, tasks: list[DecodeTask], model: Model) -> list[np.ndarray]:
        """Return the samples, those between windows as they are rendered."""
        return [task.crop(codec.decode(task.payload, task.channels, task.sample_bits, model)) for task in tasks]

    def segment_frames(self, task: DecodeTask) -> int:
        """Return the frames of the chunk: it decodes as a whole."""
        return chunk_frames(task.payload, task.channels)

    def verify(self, task: EncodeTask, payload: bytes, decoded: np.ndarray) -> bool:
        """Return whether all samples in windows are within the bound."""
        return codec.within(task.samples, decoded, payload, task.sample_bits)

    def guaranteed(self, task: DecodeTask) -> np.ndarray:
        """Return which samples are in windows."""
        return codec.mask(task.payload, task.channels, task.sample_bits)

    def describe(self, task: DecodeTask) -> summary.Summary:
        """Return what is kept, and the bytes of its parts."""
        return summary.summary(task.payload, task.channels, task.sample_bits)
