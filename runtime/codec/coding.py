"""What a coding of chunks is: the way from the samples of a chunk to the payload of a block `C`, and back.

Codings stand in one table, `runtime.batch.codings`. The low bits of a payload's coding byte are the coding's number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..fit.prediction_order import PredictionOrder
from ..predictor.model import Model


@dataclass(frozen=True)
class EncodeTask:
    """One chunk to encode.

    samples : [frames, channels]: int16; of the coding `wide` int32, float32 or float64
    sample_bits : width of a sample in the original; of int16 samples 8 or 16
    max_error : 0..255, in codes for channels in the implant's table, in sample units for others; 0 for lossless
    independent : whether each channel is encoded alone
    order : the prediction order of the channels; found from the samples if there is none
    budget : bytes of payload, from which the bound of the error follows; None for no limit
    spikes : what is kept of the chunk (`spikes.SpikeOptions`); None for everything
    short : whether the coding for short chunks is tried too
    exact : channels without an error, whatever the bound is
    """

    samples: np.ndarray
    sample_bits: int = 16
    max_error: int = 0
    independent: bool = False
    order: PredictionOrder | None = None
    budget: int | None = None
    spikes: Any = None
    short: bool = False
    exact: Sequence[int] = ()


@dataclass(frozen=True)
class Part:
    """A part of a chunk: the frames from `start` to before `stop`, of some channels, int64 [n] in any order."""

    start: int
    stop: int
    channels: np.ndarray


@dataclass(frozen=True)
class DecodeTask:
    """One chunk to decode: its payload, and what the file's header says of its samples.

    part : what is wanted of it; None for everything
    """

    payload: bytes
    channels: int
    sample_bits: int = 16
    part: Part | None = None

    def crop(self, samples: np.ndarray) -> np.ndarray:
        """Return what is wanted of all samples [frames, channels]."""
        part = self.part
        return samples if part is None else samples[part.start : part.stop, part.channels]


class Coding(Protocol):
    """A coding of chunks.

    number : the low bits of the coding byte
    """

    number: int

    def encode(self, tasks: list[EncodeTask], model: Model) -> list[bytes]:
        """Return the payloads of chunks, many at once; stored ones where these are smaller."""

    def decode(self, tasks: list[DecodeTask], model: Model) -> list[np.ndarray]:
        """Return the plain samples [frames, channels] that are wanted, many at once. Raises `CorruptError`."""

    def segment_frames(self, task: DecodeTask) -> int:
        """Return the frames of a segment, which decodes as a whole; the beginning of the payload will do."""

    def verify(self, task: EncodeTask, payload: bytes, decoded: np.ndarray) -> bool:
        """Return whether decoded samples are what was asked for."""

    def guaranteed(self, task: DecodeTask) -> np.ndarray | None:
        """Return which samples are within the bound, bool [frames, channels], without decoding; None for all."""

    def describe(self, task: DecodeTask) -> Any:
        """Return what a payload says of itself without being decoded: a dictionary, or something that adds up."""
