"""Batches of chunks in, batches of chunks out: what threads run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..codec.coding import DecodeTask, EncodeTask
from ..container.header import Header
from ..core.errors import MiddleoutError, ModelError, as_error
from ..predictor import model
from . import codings


def model_of(
    header: Header, embedded: bytes | None, given: model.Model | None, embedded_model: bool = True
) -> model.Model:
    """Return the model for decoding a file: the one given, else the embedded one, else a shipped one.

    Parameters
    ----------
    embedded_model : bool
        Whether an embedded one may be taken; else one that is shipped too is taken from there.

    Raises
    ------
    ModelError
        The one given is another one, or there is none.
    """
    if given is None and embedded is not None and embedded_model:
        return model.load(embedded)
    if given is None:
        try:
            return model.find(header.model)
        except ModelError:
            if embedded is None:
                raise
            raise ModelError(
                f"the file holds its model ({header.model.hex()}), and models in files are refused; supply it with "
                "--model PATH"
            ) from None
    if given.identity != header.model:
        raise ModelError(f"made with model {header.model.hex()}; the one given is {given.identity.hex()}")
    return given


@dataclass(frozen=True)
class Encoder:
    """Encode batches of chunks; with `verify` also decode them and check every sample."""

    model: model.Model
    verify: bool = True

    def run(self, tasks: list[EncodeTask]) -> list[bytes | MiddleoutError]:
        """Return the payload of each task's chunk, or its error."""
        try:
            payloads = codings.encode(tasks, self.model)
        except Exception as error:
            return [as_error(error)] if len(tasks) == 1 else _halves(self.run, tasks)
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

    model: model.Model

    def run(self, tasks: list[DecodeTask]) -> list[np.ndarray | MiddleoutError]:
        """Return the plain samples [frames, channels] of each task, or its error, which leaves the others alone."""
        try:
            return list(codings.decode(tasks, self.model))
        except Exception as error:
            return [as_error(error)] if len(tasks) == 1 else _halves(self.run, tasks)


def _halves(run: Callable[[list[Any]], list[Any]], tasks: list[Any]) -> list[Any]:
    """Run each half of some tasks alone, so that an error of one, which may be another file's, spares the others."""
    half = len(tasks) // 2
    return run(tasks[:half]) + run(tasks[half:])


def _verified(task: EncodeTask, payload: bytes, decoded: np.ndarray | MiddleoutError) -> bytes | MiddleoutError:
    """Return the payload, or an error where it does not decode to what it should."""
    if isinstance(decoded, np.ndarray) and codings.coding_of(payload).verify(task, payload, decoded):
        return payload
    why = f": {decoded}" if isinstance(decoded, MiddleoutError) else ""
    return MiddleoutError(f"verification failed, nothing was written{why}; please report this")
