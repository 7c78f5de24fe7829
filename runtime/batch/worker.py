"""The calls that may run in another process: batches of chunks in, batches of chunks out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..codec.coding import DecodeTask, EncodeTask
from ..container.header import Header
from ..core.errors import CorruptError, MiddleoutError, ModelError
from ..predictor import model
from . import codings


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
class Encoder:
    """Encode batches of chunks; with `verify` also decode them and check every sample."""

    model: ModelReference
    verify: bool = True

    def run(self, tasks: list[EncodeTask]) -> list[bytes | MiddleoutError]:
        """Return the payload of each task's chunk, or its error."""
        payloads = codings.encode(tasks, self.model.load())
        if not self.verify:
            return list(payloads)
        made = [
            DecodeTask(payload, task.samples.shape[1], task.sample_bits)
            for payload, task in zip(payloads, tasks, strict=True)
        ]
        decoded = Decoder(self.model).run(made)
        return [_verified(*parts) for parts in zip(tasks, payloads, decoded, strict=True)]


@dataclass(frozen=True)
class Decoder:
    """Decode batches of chunks."""

    model: ModelReference

    def run(self, tasks: list[DecodeTask]) -> list[np.ndarray | MiddleoutError]:
        """Return the samples int16 [frames, channels] of each task, or its error, which leaves the others alone."""
        try:
            return list(codings.decode(tasks, self.model.load()))
        except CorruptError as error:
            if len(tasks) == 1:
                return [error]
        half = len(tasks) // 2
        return self.run(tasks[:half]) + self.run(tasks[half:])


def _verified(task: EncodeTask, payload: bytes, decoded: np.ndarray | MiddleoutError) -> bytes | MiddleoutError:
    """Return the payload, or an error where it does not decode to what it should."""
    if isinstance(decoded, np.ndarray) and codings.coding_of(payload).verify(task, payload, decoded):
        return payload
    why = f": {decoded}" if isinstance(decoded, MiddleoutError) else ""
    return MiddleoutError(f"verification failed, nothing was written{why}; please report this")
