"""The calls that may run in another process: batches of chunks in, batches of chunks out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import spikes
from ..codec import codec
from ..container.header import Header, chunk_bound, is_spikes
from ..core import near_lossless
from ..core.errors import CorruptError, MiddleoutError, ModelError
from ..predictor import model
from . import rate_control


@dataclass(frozen=True)
class ModelReference:
    """A model as another process can be told of it: its identity, and its file's bytes if it is not a shipped one."""

    identity: bytes
    data: bytes | None = None

    def load(self) -> model.Model:
        """The model itself."""
        return model.find(self.identity) if self.data is None else model.load(self.data)


def reference(header: Header, embedded: bytes | None, given: model.Model | None) -> ModelReference:
    """The model for decoding a file: the one given, else the embedded one, else a shipped one."""
    if given is not None:
        if given.identity != header.model:
            raise ModelError(f"made with model {header.model.hex()}; the one given is {given.identity.hex()}")
        return ModelReference(given.identity, given.data)
    return ModelReference(header.model, embedded)


def encode_batch(
    ref: ModelReference,
    chunks: list[np.ndarray],
    bits: list[int],
    verify: bool,
    budgets: list[int | None] | None = None,
    activities: list[spikes.SpikeOptions | None] | None = None,
    **options: object,
) -> list[bytes | MiddleoutError]:
    """Encode chunks, int16 [frames, channels] each; with `verify` also decode them and check every sample.

    `options` are those of `codec.encode_chunks`; with `budgets` (bytes of payload for each chunk) the bound of the
    error follows from them; with `activities` only these are kept.
    """
    network = ref.load()
    budgets = budgets or [None] * len(chunks)
    if activities is not None and None not in activities:
        parts = zip(chunks, bits, activities, budgets, strict=True)
        payloads = [spikes.encode(*part, network) for part in parts]
    elif None in budgets:
        payloads = codec.encode_chunks(chunks, network, bits, **options)
    else:
        options.pop("max_error", None)
        payloads = rate_control.encode_within(chunks, network, bits, budgets, **options)
    if not verify:
        return payloads
    decoded = decode_batch(ref, payloads, [chunk.shape[1] for chunk in chunks], bits)
    return [_verified(*parts) for parts in zip(chunks, payloads, decoded, bits, strict=True)]


def _verified(
    chunk: np.ndarray, payload: bytes, decoded: np.ndarray | MiddleoutError, bits: int
) -> bytes | MiddleoutError:
    if isinstance(decoded, np.ndarray):
        if is_spikes(payload):
            good = spikes.within(chunk, decoded, payload, bits)
        else:
            good = near_lossless.within(chunk, decoded, chunk_bound(payload), bits)
        if good:
            return payload
    why = f": {decoded}" if isinstance(decoded, MiddleoutError) else ""
    return MiddleoutError(f"verification failed, nothing was written{why}; please report this")


def decode_batch(
    ref: ModelReference, payloads: list[bytes], channels: list[int], bits: list[int]
) -> list[np.ndarray | MiddleoutError]:
    """Decode chunks; one that can't be decoded gives its error and leaves the others alone."""
    network = ref.load()
    try:
        return codec.decode_chunks(payloads, channels, network, bits)
    except CorruptError as error:
        if len(payloads) == 1:
            return [error]
    reconstruction = len(payloads) // 2
    halves = (slice(None, reconstruction), slice(reconstruction, None))
    return [out for half in halves for out in decode_batch(ref, payloads[half], channels[half], bits[half])]
