"""Chunks to payloads and back, by the table of codings."""

from runtime.batch import codings
from runtime.codec.coding import DecodeTask, EncodeTask


def encode_chunks(batch, model, sample_bits=16, max_error=0, **fields):
    """Payloads of chunks int16 [frames, channels]; bounds may be one for all or one for each."""
    bounds = max_error if isinstance(max_error, list) else [max_error] * len(batch)
    tasks = [EncodeTask(samples, sample_bits, bound, **fields) for samples, bound in zip(batch, bounds, strict=True)]
    return codings.encode(tasks, model)


def decode_chunks(payloads, channels, model, sample_bits=16):
    """Samples of payloads."""
    tasks = [DecodeTask(*parts, sample_bits) for parts in zip(payloads, channels, strict=True)]
    return codings.decode(tasks, model)
