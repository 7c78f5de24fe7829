"""Chunks of samples to payloads and back, many at once.

The chunks of a batch may come from different recordings; all their lanes are coded side by side, which is what makes it
quick. Each payload depends on its own chunk and the model only.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from .. import spikes
from ..container.header import CHUNK_HEAD, chunk_frames, is_activity
from ..core import near_lossless
from ..core.errors import CorruptError
from ..entropy import rans
from ..fit.parameters import FitOptions, fit
from ..fit.prediction_order import PredictionOrder
from ..predictor.channel_parameters import CONSTANT, COPY, LINEAR, SideInformation
from ..predictor.lanes import Lanes, Places, join, segment_count, to_lanes
from ..predictor.model import Model
from . import rans_chunk as chunks
from .chunk_symbols import ChunkSymbols
from .decode_loop import DecodeLoop
from .intervals import intervals
from .rans_chunk import NOTHING, CodedChunk

__all__ = ["chunk_frames", "decode_chunks", "encode_chunks"]

_GROUP_SAMPLES = 1 << 24
"""Samples whose intervals are held at once (128 MB)."""


def encode_chunks(
    batch: list[np.ndarray],
    model: Model,
    sample_bits: list[int] | int = 16,
    *,
    independent: bool = False,
    topology: list[PredictionOrder | None] | PredictionOrder | None = None,
    max_error: list[int] | int = 0,
) -> list[bytes]:
    """Payloads of chunks.

    Parameters
    ----------
    batch : list of int16 [frames, channels]
    sample_bits : 8 or 16, for all or for each
        The width of a sample in the original: of stored chunks.
    independent : code each channel alone
    topology : of the channels of a chunk, in their order, for all or for each; None: find out from the chunk
    max_error : 0..255, for all or for each
        Bound of the error: in codes for channels on the implant's table, in sample units for others; 0 for lossless.
    """
    widths = [sample_bits] * len(batch) if isinstance(sample_bits, int) else sample_bits
    bounds = [max_error] * len(batch) if isinstance(max_error, int) else max_error
    known = topology if isinstance(topology, list) else [topology] * len(batch)
    forms = [_fitted(*args, model, not independent) for args in zip(batch, bounds, widths, known, strict=True)]
    coded = [chunk for _, chunk in forms]
    for steps in sorted({_steps_of(chunk) for chunk in coded}):
        busy = [form for form in forms if _steps_of(form[1]) == steps and len(form[1].side.coded)]
        if busy:
            _code(*map(list, zip(*busy, strict=True)), model.coarse(*steps))
    payloads = []
    for samples, chunk, width in zip(batch, coded, widths, strict=True):
        payload = chunks.pack_coded(chunk)
        raw = CHUNK_HEAD.size + samples.size * width // 8
        payloads.append(payload if len(payload) < raw else chunks.pack_stored(samples, width))
    return payloads


def _fitted(
    samples: np.ndarray, max_error: int, width: int, topology: PredictionOrder | None, model: Model, hear: bool
) -> tuple[np.ndarray, CodedChunk]:
    """Samples [frames, channels] as they are coded, and a chunk with all but these."""
    linear, decoded = None, samples
    if max_error:
        samples, linear = near_lossless.quantise(samples, max_error, width)
        decoded = samples.copy()
        near_lossless.restore(decoded, linear, max_error, width)
    side = fit(samples, model.entropy.reconstruction, linear, FitOptions(hear, topology, max_error > 0, max_error))
    return samples, CodedChunk(len(samples), 1, _sample_crc(decoded), side, [], *NOTHING, max_error)


def _steps_of(chunk: CodedChunk) -> tuple[int, int]:
    """The arguments of `Model.coarse` for a chunk."""
    return chunk.max_error, chunk.side.fineness


def _sample_crc(samples: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(samples, "<i2").data)


def _code(batch: list[np.ndarray], coded: list[CodedChunk], model: Model) -> None:
    """Fill in low bits, escapes, states and words of chunks that have lanes."""
    for samples, chunk in zip(batch, coded, strict=True):
        chunk.segments = segment_count(chunk.frames, len(chunk.side.coded))
        with_low = chunks.channels_with_low_bits(chunk.side)
        chunk.low_bits = [samples[:, channel] & np.int16((1 << chunk.side.shift[channel]) - 1) for channel in with_low]
    lanes = join([(chunk.side, chunk.frames, chunk.segments) for chunk in coded], model.entropy.reconstruction)
    states, words, escapes = _coded_lanes(batch, lanes, model)
    split = rans.split(words, lanes.owner, len(coded))
    for number, chunk in enumerate(coded):
        chunk.states, chunk.words = states[lanes.owner == number], split[number]
        chunk.escapes = escapes[lanes.owner[escapes[:, 1]] == number, 2].astype(np.int16)


def _coded_lanes(
    batch: list[np.ndarray], lanes: Lanes, model: Model
) -> tuple[np.ndarray, list[rans.Words], np.ndarray]:
    """States uint64 [lanes], words of groups of lanes, and escapes in decoding order: step, lane, sample."""
    states, words, escapes = np.zeros(len(lanes), np.uint64), [], []
    groups, memory = list(_groups(lanes)), None
    if len(groups) > 1:
        memory = np.empty(2 * int(lanes.length.max()) * max(map(len, groups)), np.uint32)
    for part in groups:
        chosen = lanes.take(part)
        samples = to_lanes(batch, chosen)
        coded = intervals(model, chosen, samples, memory)
        states[part], found = rans.encode(coded.start, coded.frequency)
        words.append(rans.Words(found.values, found.counts, part.astype(np.int32)[found.lanes]))
        step, lane = coded.escapes.T
        escapes.append(np.column_stack([step, part[lane], samples[step, lane]]))
    escapes = np.concatenate(escapes)
    return states, words, escapes[np.lexsort((escapes[:, 1], escapes[:, 0]))]


def _groups(lanes: Lanes) -> Iterator[np.ndarray]:
    """Lanes that are coded together: with all that they hear, which are the others of their segment."""
    most = max(1, _GROUP_SAMPLES // int(lanes.length.max()))
    if not lanes.has_references:
        yield from np.split(np.arange(len(lanes)), range(most, len(lanes), most))
        return
    waiting: list[np.ndarray] = []
    for *_, index in lanes.segments():
        if waiting and sum(map(len, waiting)) + len(index) > most:
            yield np.sort(np.concatenate(waiting))
            waiting = []
        waiting.append(index)
    yield np.sort(np.concatenate(waiting))


def decode_chunks(
    payloads: list[bytes], channels: list[int], model: Model, sample_bits: list[int] | int = 16
) -> list[np.ndarray]:
    """Samples int16 [frames, channels] of each payload. Raises `CorruptError` where one is not what was written."""
    widths = [sample_bits] * len(payloads) if isinstance(sample_bits, int) else sample_bits
    parsed = [_parsed(*args, model) for args in zip(payloads, channels, widths, strict=True)]
    results = [x if isinstance(x, np.ndarray) else _constant_channels(x.side, x.frames) for x in parsed]
    busy = [i for i, x in enumerate(parsed) if isinstance(x, CodedChunk) and len(x.side.coded)]
    busy.sort(key=lambda i: -parsed[i].steps)
    for steps in sorted({_steps_of(parsed[i]) for i in busy}):
        group = [i for i in busy if _steps_of(parsed[i]) == steps]
        _decode([parsed[i] for i in group], [results[i] for i in group], model.coarse(*steps))
    for chunk, samples, width in zip(parsed, results, widths, strict=True):
        if isinstance(chunk, CodedChunk):
            _finish(chunk, samples, width)
    return results


def _finish(chunk: CodedChunk, samples: np.ndarray, width: int) -> None:
    """Fill in copies, restore what is bounded. Raises `CorruptError` if the samples are not those that were coded."""
    kind, copies = chunk.side.kind, np.flatnonzero(chunk.side.kind == COPY)
    samples[:, copies] = samples[:, chunk.side.mean[copies]]
    if chunk.max_error:
        linear = (kind == LINEAR) | (kind == COPY) & (kind[np.where(kind == COPY, chunk.side.mean, 0)] == LINEAR)
        near_lossless.restore(samples, linear, chunk.max_error, width)
    if _sample_crc(samples) != chunk.sample_crc:
        raise CorruptError("decoded samples do not have the checksum of the original ones")


def _parsed(payload: bytes, channels: int, width: int, model: Model) -> CodedChunk | np.ndarray:
    """A chunk's coded parts, or its samples where they are to be had at once."""
    if is_activity(payload):
        return spikes.decode(payload, channels, width, model)
    return chunks.parse(payload, channels, width)


def _constant_channels(side: SideInformation, frames: int) -> np.ndarray:
    if (side.kind != CONSTANT).all():  # nothing to fill in, and no memory that is in use too early
        return np.empty((frames, len(side.kind)), np.int16)
    values = np.where(side.kind == CONSTANT, side.mean, 0).astype(np.int16)
    return np.tile(values, (frames, 1))


def _decode(coded: list[CodedChunk], results: list[np.ndarray], model: Model) -> None:
    """Fill in the channels that are not constant, of chunks in order of falling steps."""
    symbols = ChunkSymbols(coded, model)
    places = Places(symbols.lanes)
    DecodeLoop(model, symbols.lanes, symbols.part, lambda rows, first: places.put(rows, results, first)).run_all()
    if not symbols.used_up():
        raise CorruptError("a chunk's coded words do not end where they should")
