"""Chunks of samples to payloads and back, many at once.

The chunks of a batch may come from different recordings; all their lanes are coded side by side, which is what makes it
quick. Each payload depends on its own chunk and the model only.
"""

from __future__ import annotations

import zlib

import numpy as np

from . import bounded, rans
from . import chunk as chunks
from .chunk import CodedChunk
from .decoder import Decoder
from .encoder import Encoder
from .errors import CorruptError
from .fit import fit
from .lanes import Lanes, from_lanes, join, segment_count
from .model import Model
from .records import CHUNK_HEAD, chunk_frames
from .side_information import CONSTANT, GRID, SideInformation
from .topology import Topology

__all__ = ["chunk_frames", "decode_chunks", "encode_chunks"]

_GROUP_SAMPLES = 1 << 23
"""Samples whose intervals are held at once."""
_NOTHING = (np.zeros(0, np.int16), np.zeros(0, np.uint64), np.zeros(0, np.uint32))
"""Escapes, states and words of a chunk that has no lanes."""


def encode_chunks(
    batch: list[np.ndarray],
    model: Model,
    sample_bits: list[int] | int = 16,
    *,
    independent: bool = False,
    topology: list[Topology | None] | Topology | None = None,
    max_error: list[int] | int = 0,
) -> list[bytes]:
    """Payloads of chunks.

    Parameters
    ----------
    batch : list of int16 [frames, leads]
    sample_bits : 8 or 16, for all or for each
        The width of a sample in the original: of stored chunks.
    independent : code each lead alone
    topology : of the leads of a chunk, in their order, for all or for each; None: find out from the chunk
        As yet every lead is coded alone, so that both make no difference.
    max_error : 0..255, for all or for each
        Bound of the error: in codes for leads on the lattice, in sample units for others; 0 for lossless.
    """
    widths = [sample_bits] * len(batch) if isinstance(sample_bits, int) else sample_bits
    bounds = [max_error] * len(batch) if isinstance(max_error, int) else max_error
    forms = [_fitted(*args, model) for args in zip(batch, bounds, widths, strict=True)]
    coded = [chunk for _, chunk in forms]
    for bound in sorted(set(bounds)):
        busy = [form for form in forms if form[1].max_error == bound and len(form[1].side.coded)]
        if busy:
            _code(*map(list, zip(*busy, strict=True)), model.coarse(bound))
    payloads = []
    for samples, chunk, width in zip(batch, coded, widths, strict=True):
        payload = chunks.pack_coded(chunk)
        raw = CHUNK_HEAD.size + samples.size * width // 8
        payloads.append(payload if len(payload) < raw else chunks.pack_stored(samples, width))
    return payloads


def _fitted(samples: np.ndarray, max_error: int, width: int, model: Model) -> tuple[np.ndarray, CodedChunk]:
    """Samples [frames, leads] as they are coded, and a chunk with all but these."""
    grid, decoded = None, samples
    if max_error:
        samples, grid = bounded.quantise(samples, max_error, width)
        decoded = samples.copy()
        bounded.restore(decoded, grid, max_error, width)
    side = fit(samples, model.entropy.middle, grid)
    return samples, CodedChunk(len(samples), 1, _sample_crc(decoded), side, [], *_NOTHING, max_error)


def _sample_crc(samples: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(samples, "<i2").data)


def _code(batch: list[np.ndarray], coded: list[CodedChunk], model: Model) -> None:
    """Fill in low bits, escapes, states and words of chunks that have lanes."""
    for samples, chunk in zip(batch, coded, strict=True):
        chunk.segments = segment_count(chunk.frames, len(chunk.side.coded))
        with_low = chunks.leads_with_low_bits(chunk.side)
        chunk.low_bits = [samples[:, lead] & np.int16((1 << chunk.side.shift[lead]) - 1) for lead in with_low]
    lanes = join([(chunk.side, chunk.frames, chunk.segments) for chunk in coded], model.entropy.middle)
    states, groups, escapes = [], [], []
    steps = max(chunk.steps for chunk in coded)
    group = max(1, _GROUP_SAMPLES // steps)
    for first in range(0, len(lanes), group):
        part = slice(first, min(first + group, len(lanes)))
        samples = _lane_samples(batch, coded, steps, part)
        intervals = Encoder(model, lanes[part], samples).run()
        state, words = rans.encode(intervals.start, intervals.frequency)
        states.append(state)
        groups.append(rans.Words(words.values, words.steps, words.lanes + np.int32(first)))
        step, lane = intervals.escapes.T
        escapes.append(np.column_stack([step, lane + first, samples[step, lane]]))
    _distribute(coded, lanes.owner, np.concatenate(states), groups, np.concatenate(escapes))


def _lane_samples(batch: list[np.ndarray], coded: list[CodedChunk], steps: int, part: slice) -> np.ndarray:
    """Values [frames, leads] of each chunk as some of the lanes, int16 [steps, lanes], zero where a lane has ended."""
    out = np.zeros((steps, part.stop - part.start), np.int16)
    lane = 0
    for samples, chunk in zip(batch, coded, strict=True):
        leads = chunk.side.coded
        for segment in range(chunk.segments):
            low, high = max(lane, part.start), min(lane + len(leads), part.stop)
            if low < high:
                rows = samples[segment * chunk.steps : (segment + 1) * chunk.steps]
                out[: len(rows), low - part.start : high - part.start] = rows[:, leads[low - lane : high - lane]]
            lane += len(leads)
    return out


def _distribute(
    coded: list[CodedChunk], owner: np.ndarray, states: np.ndarray, groups: list[rans.Words], escapes: np.ndarray
) -> None:
    """Give every chunk the states, words and escapes (rows of step, lane, sample) of its own lanes."""
    parts = [words.split(owner, len(coded)) for words in groups]
    order = np.lexsort((escapes[:, 1], escapes[:, 0]))
    escapes = escapes[order]
    for number, chunk in enumerate(coded):
        first, last = np.searchsorted(owner, [number, number + 1])
        chunk.states = states[first:last]
        chunk.words = rans.merge([words[number] for words in parts], chunk.steps)
        chunk.escapes = escapes[(escapes[:, 1] >= first) & (escapes[:, 1] < last), 2].astype(np.int16)


def decode_chunks(
    payloads: list[bytes], leads: list[int], model: Model, sample_bits: list[int] | int = 16
) -> list[np.ndarray]:
    """Samples int16 [frames, leads] of each payload. Raises `CorruptError` where one is not what was written."""
    widths = [sample_bits] * len(payloads) if isinstance(sample_bits, int) else sample_bits
    parsed = [chunks.parse(*args) for args in zip(payloads, leads, widths, strict=True)]
    results = [x if isinstance(x, np.ndarray) else _constant_leads(x.side, x.frames) for x in parsed]
    busy = [i for i, x in enumerate(parsed) if isinstance(x, CodedChunk) and len(x.side.coded)]
    busy.sort(key=lambda i: -parsed[i].steps)
    for bound in sorted({parsed[i].max_error for i in busy}):
        group = [i for i in busy if parsed[i].max_error == bound]
        for i, lanes in zip(group, _decode([parsed[i] for i in group], model.coarse(bound)), strict=True):
            results[i][:, parsed[i].side.coded] = lanes
    for chunk, samples, width in zip(parsed, results, widths, strict=True):
        if isinstance(chunk, CodedChunk) and chunk.max_error:
            bounded.restore(samples, chunk.side.kind == GRID, chunk.max_error, width)
        if isinstance(chunk, CodedChunk) and _sample_crc(samples) != chunk.sample_crc:
            raise CorruptError("decoded samples do not have the checksum of the original ones")
    return results


def _constant_leads(side: SideInformation, frames: int) -> np.ndarray:
    values = np.where(side.kind == CONSTANT, side.mean, 0).astype(np.int16)
    return np.tile(values, (frames, 1))


def _decode(coded: list[CodedChunk], model: Model) -> list[np.ndarray]:
    """Samples int16 [frames, coded leads] of chunks in order of falling steps."""
    lanes = join([(chunk.side, chunk.frames, chunk.segments) for chunk in coded], model.entropy.middle)
    coder = rans.Decoder(np.concatenate([c.states for c in coded]), [c.words for c in coded], lanes.owner)
    decoder = Decoder(model, lanes, coder, _low_bits(coded, lanes), [c.escapes for c in coded])
    decoder.run()
    if not coder.finish().all() or any(decoder.unused_escapes()):
        raise CorruptError("a chunk's coded words do not end where they should")
    results, first = [], 0
    for chunk in coded:
        count = chunk.segments * len(chunk.side.coded)
        part = decoder.samples[: chunk.steps, first : first + count]
        results.append(from_lanes(part, chunk.segments, chunk.frames))
        first += count
    return results


def _low_bits(coded: list[CodedChunk], lanes: Lanes) -> np.ndarray:
    """Low bits int16 [steps, lanes]; no lanes where none has any use for them."""
    if not lanes.grid.any():
        return np.zeros((0, 0), np.int16)
    low = [np.zeros((chunk.frames, len(chunk.side.kind)), np.int16) for chunk in coded]
    for chunk, values in zip(coded, low, strict=True):
        for lead, bits in zip(chunks.leads_with_low_bits(chunk.side), chunk.low_bits, strict=True):
            values[:, lead] = bits
    return _lane_samples(low, coded, max(chunk.steps for chunk in coded), slice(0, len(lanes)))
