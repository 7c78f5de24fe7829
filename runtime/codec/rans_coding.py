"""The coding `rans`: network, entropy model and rANS (docs/format.md section 3).

The chunks of a batch may come from different recordings; all their lanes are coded side by side, which is what makes it
quick.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..container.chunk_head import RANS, chunk_bound
from ..core import near_lossless
from ..core.errors import CorruptError
from ..entropy import rans
from ..fit.parameters import FitOptions, fit
from ..predictor.channel_parameters import CONSTANT, COPY, LINEAR, SideInformation
from ..predictor.lanes import Lanes, Places, join, segment_steps, to_lanes
from ..predictor.model import Model
from . import rans_payload as chunks
from .chunk_symbols import ChunkSymbols
from .coding import DecodeTask, EncodeTask
from .decode_loop import DecodeLoop
from .intervals import intervals
from .max_error_search import BoundSearch
from .rans_payload import NOTHING, CodedChunk, kind_counts
from .stored import smaller

_GROUP_SAMPLES = 1 << 24
"""Samples whose intervals are held at once (128 MB)."""


class RansCoding:
    """See `coding.Coding`. A payload depends on its own chunk and the model only, not on the batch."""

    number = RANS

    def encode(self, tasks: list[EncodeTask], model: Model) -> list[bytes]:
        """Return payloads; within their budgets, where there are any, with the smallest bound of the error."""
        searches = {
            i: BoundSearch(task.budget, task.samples.size) for i, task in enumerate(tasks) if task.budget is not None
        }
        plain = [i for i in range(len(tasks)) if i not in searches]
        payloads = dict(zip(plain, _encoded([tasks[i] for i in plain], model), strict=True))
        while unsettled := [i for i, search in searches.items() if not search.settled]:
            guesses = [replace(tasks[i], max_error=searches[i].guess) for i in unsettled]
            for i, payload in zip(unsettled, _encoded(guesses, model), strict=True):
                searches[i].learn(payload)
        payloads |= {i: search.payload for i, search in searches.items()}
        return [payloads[i] for i in range(len(tasks))]

    def decode(self, tasks: list[DecodeTask], model: Model) -> list[np.ndarray]:
        """Return the samples; all lanes of a batch are decoded side by side."""
        parsed = [_parsed(task) for task in tasks]
        results = [_constant_channels(chunk.side, chunk.frames) for chunk in parsed]
        coded = [i for i, chunk in enumerate(parsed) if len(chunk.side.coded)]
        coded.sort(key=lambda i: -parsed[i].steps)
        for bins in sorted({_bins_of(parsed[i]) for i in coded}):
            group = [i for i in coded if _bins_of(parsed[i]) == bins]
            _decode([parsed[i] for i in group], [results[i] for i in group], model.coarse(*bins))
        for chunk, samples, task in zip(parsed, results, tasks, strict=True):
            _finish(chunk, samples, task.sample_bits)
        return [_cropped(chunk, samples, task) for chunk, samples, task in zip(parsed, results, tasks, strict=True)]

    def segment_frames(self, task: DecodeTask) -> int:
        """Return the frames of a segment."""
        return chunks.steps_of(task.payload, task.channels)

    def verify(self, task: EncodeTask, payload: bytes, decoded: np.ndarray) -> bool:
        """Return whether the samples are within the bound."""
        return near_lossless.within(task.samples, decoded, chunk_bound(payload), task.sample_bits)

    def guaranteed(self, task: DecodeTask) -> None:
        """Return None: all samples are within the bound."""

    def describe(self, task: DecodeTask) -> dict[str, int]:
        """Return how many channels are of each kind, by its name; the beginning of the payload will do."""
        return kind_counts(task.payload, task.channels)


def _parsed(task: DecodeTask) -> CodedChunk:
    """Return the chunk, or no more of it than the task needs."""
    chunk = chunks.parse(task.payload, task.channels)
    if task.part is None:
        return chunk
    first, last = task.part.start // chunk.steps, -(-task.part.stop // chunk.steps)
    return chunk.part(first, last, task.part.channels)


def _cropped(chunk: CodedChunk, samples: np.ndarray, task: DecodeTask) -> np.ndarray:
    """Return what a task asks for of the samples of the segments that hold it."""
    if task.part is None:
        return samples
    first = task.part.start % chunk.steps
    return samples[first : first + task.part.stop - task.part.start, task.part.channels]


def _encoded(tasks: list[EncodeTask], model: Model) -> list[bytes]:
    forms = [_fitted(task, model) for task in tasks]
    coded = [chunk for _, chunk in forms]
    for bins in sorted({_bins_of(chunk) for chunk in coded}):
        group = [form for form in forms if _bins_of(form[1]) == bins and len(form[1].side.coded)]
        if group:
            _code([samples for samples, _ in group], [chunk for _, chunk in group], model.coarse(*bins))
    return [smaller(chunks.pack(chunk), task) for task, chunk in zip(tasks, coded, strict=True)]


def _fitted(task: EncodeTask, model: Model) -> tuple[np.ndarray, CodedChunk]:
    """Return samples [frames, channels] as they are coded, and a chunk with its side information."""
    samples, linear, decoded = task.samples, None, task.samples
    if task.max_error:
        samples, linear = near_lossless.quantise(samples, task.max_error, task.sample_bits)
        decoded = samples.copy()
        near_lossless.restore(decoded, linear, task.max_error, task.sample_bits)
    options = FitOptions(not task.independent, task.order, task.max_error > 0, task.max_error)
    side = fit(samples, model.entropy.reconstruction, linear, options)
    return samples, CodedChunk(len(samples), len(samples), _sample_crc(decoded), side, [], *NOTHING, task.max_error)


def _bins_of(chunk: CodedChunk) -> tuple[int, int]:
    """Return the arguments of `Model.coarse` for a chunk."""
    return chunk.max_error, chunk.side.fineness


def _sample_crc(samples: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(samples, "<i2").data)


def _code(batch: list[np.ndarray], coded: list[CodedChunk], model: Model) -> None:
    """Fill in low bits, states and words of chunks that have lanes."""
    for samples, chunk in zip(batch, coded, strict=True):
        chunk.steps = segment_steps(chunk.frames, len(chunk.side.coded))
        with_low = chunks.channels_with_low_bits(chunk.side)
        chunk.low_bits = [samples[:, channel] & np.int16((1 << chunk.side.shift[channel]) - 1) for channel in with_low]
    lanes = join([(chunk.side, chunk.frames, chunk.steps) for chunk in coded], model.entropy.reconstruction)
    states, counts, words = _coded_lanes(batch, lanes, model)
    for number, chunk in enumerate(coded):
        mine = np.flatnonzero(lanes.owner == number)
        mine = mine[np.argsort(lanes.number[mine])]
        chunk.states, chunk.counts = states[mine], counts[mine]
        chunk.words = np.concatenate([words[lane] for lane in mine.tolist()])


def _coded_lanes(
    batch: list[np.ndarray], lanes: Lanes, model: Model
) -> tuple[np.ndarray, np.ndarray, dict[int, np.ndarray]]:
    """States uint64 [lanes], counts of words int64 [lanes], and the words of each lane."""
    states, counts, words = np.zeros(len(lanes), np.uint64), np.zeros(len(lanes), np.int64), {}
    groups, memory = list(_groups(lanes)), None
    if len(groups) > 1:
        memory = np.empty(2 * int(lanes.length.max()) * max(map(len, groups)), np.uint32)
    for part in groups:
        chosen = lanes.take(part)
        samples = to_lanes(batch, chosen)
        coded = intervals(model, chosen, samples, memory)
        step, lane = coded.escapes.T
        raw = rans.RawNumbers(step, lane, samples[step, lane].view(np.uint16)) if len(step) else None
        states[part], found = rans.encode(coded.start, coded.frequency, raw)
        values, counts[part] = found.by_lane(len(part))
        words |= zip(part.tolist(), np.split(values, np.cumsum(counts[part])[:-1]), strict=True)
    return states, counts, words


def _groups(lanes: Lanes) -> Iterator[np.ndarray]:
    """Yield lanes that are coded together: with all their references, which are lanes of the same segment."""
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


def _finish(chunk: CodedChunk, samples: np.ndarray, width: int) -> None:
    """Fill in copies, restore what is bounded. Raises `CorruptError` if the samples are not those that were coded."""
    kind, copies = chunk.side.kind, np.flatnonzero(chunk.side.kind == COPY)
    samples[:, copies] = samples[:, chunk.side.mean[copies]]
    if chunk.max_error:
        linear = (kind == LINEAR) | (kind == COPY) & (kind[np.where(kind == COPY, chunk.side.mean, 0)] == LINEAR)
        near_lossless.restore(samples, linear, chunk.max_error, width)
    if chunk.sample_crc is not None and _sample_crc(samples) != chunk.sample_crc:
        raise CorruptError("decoded samples do not have the checksum of the original ones")


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
