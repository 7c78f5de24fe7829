"""The calls that may run in another process: batches of chunks in, batches of chunks out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import spikes
from ..codec import codec
from ..container.header import Header, chunk_bound, is_activity
from ..core import near_lossless
from ..core.errors import CorruptError, MiddleoutError, ModelError
from ..fit.prediction_order import PredictionOrder
from ..predictor import model
from . import rate_control


@dataclass(frozen=True)
class ModelReference:
    """A model as another process can be told of it: its identity, and its file's bytes if it is not a shipped one."""

    identity: bytes
    data: bytes | None = None

    def load(self) -> model.Model:
        """Load the model."""
        return model.find(self.identity) if self.data is None else model.load(self.data)


def reference(header: Header, embedded: bytes | None, given: model.Model | None) -> ModelReference:
    """Return the model for decoding a file: the one given, else the embedded one, else a shipped one."""
    if given is not None:
        if given.identity != header.model:
            raise ModelError(f"made with model {header.model.hex()}; the one given is {given.identity.hex()}")
        return ModelReference(given.identity, given.data)
    return ModelReference(header.model, embedded)


@dataclass(frozen=True)
class EncodeTask:
    """One chunk to encode.

    Attributes
    ----------
    samples : int16 [frames, channels]
    sample_bits : width of a sample in the original, 8 or 16
    topology : of the channels; None to find out from the samples
    budget : bytes of payload, from which the bound of the error follows; None for no such
    spikes : what is kept of the chunk; None for everything
    """

    samples: np.ndarray
    sample_bits: int
    topology: PredictionOrder | None = None
    budget: int | None = None
    spikes: spikes.Activity | None = None


@dataclass(frozen=True)
class DecodeTask:
    """One chunk to decode: its payload, and what the file's header says of its samples."""

    payload: bytes
    channels: int
    sample_bits: int


@dataclass(frozen=True)
class Encoder:
    """Encode batches of chunks; with `verify` also decode them and check every sample."""

    model: ModelReference
    independent: bool = False
    max_error: int = 0
    verify: bool = True

    def run(self, tasks: list[EncodeTask]) -> list[bytes | MiddleoutError]:
        """Return the payload of each task's chunk, or its error."""
        payloads = self._payloads(tasks)
        if not self.verify:
            return payloads
        made = [
            DecodeTask(payload, task.samples.shape[1], task.sample_bits)
            for payload, task in zip(payloads, tasks, strict=True)
        ]
        decoded = Decoder(self.model).run(made)
        return [_verified(*parts) for parts in zip(tasks, payloads, decoded, strict=True)]

    def _payloads(self, tasks: list[EncodeTask]) -> list[bytes]:
        network = self.model.load()
        if all(task.spikes is not None for task in tasks):
            return [spikes.encode(task.samples, task.sample_bits, task.spikes, task.budget, network) for task in tasks]
        chunks, bits = [task.samples for task in tasks], [task.sample_bits for task in tasks]
        options = {"independent": self.independent, "topology": [task.topology for task in tasks]}
        if any(task.budget is None for task in tasks):
            return codec.encode_chunks(chunks, network, bits, max_error=self.max_error, **options)
        return rate_control.encode_within(chunks, network, bits, [task.budget for task in tasks], **options)


@dataclass(frozen=True)
class Decoder:
    """Decode batches of chunks."""

    model: ModelReference

    def run(self, tasks: list[DecodeTask]) -> list[np.ndarray | MiddleoutError]:
        """Return the samples int16 [frames, channels] of each task, or its error, which leaves the others alone."""
        try:
            return _decoded(tasks, self.model.load())
        except CorruptError as error:
            if len(tasks) == 1:
                return [error]
        half = len(tasks) // 2
        return self.run(tasks[:half]) + self.run(tasks[half:])


def _decoded(tasks: list[DecodeTask], network: model.Model) -> list[np.ndarray]:
    payloads, channels = [task.payload for task in tasks], [task.channels for task in tasks]
    return codec.decode_chunks(payloads, channels, network, [task.sample_bits for task in tasks])


def _verified(task: EncodeTask, payload: bytes, decoded: np.ndarray | MiddleoutError) -> bytes | MiddleoutError:
    """Return the payload, or an error where it does not decode to what it should."""
    if isinstance(decoded, np.ndarray) and _within(task, decoded, payload):
        return payload
    why = f": {decoded}" if isinstance(decoded, MiddleoutError) else ""
    return MiddleoutError(f"verification failed, nothing was written{why}; please report this")


def _within(task: EncodeTask, decoded: np.ndarray, payload: bytes) -> bool:
    """Whether decoded samples keep the bound of their payload."""
    if is_activity(payload):
        return spikes.within(task.samples, decoded, payload, task.sample_bits)
    return near_lossless.within(task.samples, decoded, chunk_bound(payload), task.sample_bits)
