"""The coding `rans`: network, entropy model and rANS (docs/format.md section 3).

The chunks of a batch may come from different recordings. Numpy and onnxruntime code all their lanes side by side, which
is what makes them quick; compiled loops do so with chunks of one channel.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..compiled.choice import engine_of
from ..container.chunk_head import RANS, chunk_bound, sample_crc
from ..core import near_lossless
from ..core.errors import CorruptError
from ..fit.palette_search import numbers_in
from ..fit.parameters import FitOptions, fit_with_palettes, prepare_fits
from ..fit.steps import find_steps, free_channels
from ..predictor.channel_parameters import CONSTANT, COPY
from ..predictor.index_maps import NO_STEP, map_sources
from ..predictor.lanes import segment_steps
from ..predictor.model import Model
from . import adaptation, lane_batches
from . import rans_payload as chunks
from .coding import DecodeTask, EncodeTask
from .max_error_search import BoundSearch
from .packing_choice import with_packed
from .rans_payload import NOTHING, CodedChunk, channel_words
from .stored import smaller

if TYPE_CHECKING:
    from ..compiled.engine import Engine

_ENCODE_STEP, _ENCODE_SAMPLE = 1.5e-5, 1.5e-7
_DECODE_STEP, _DECODE_SAMPLE = 2e-4, 2e-7
"""Seconds that numpy and onnxruntime take for a step of any number of lanes, when decoding of each level, and for
a sample."""
_ADAPTIVE_STEP = 2e-5
"""Seconds that numpy takes more for a step of lanes some of which have adaptive predictors."""


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
        results = [_constant_channels(chunk) for chunk in parsed]
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
        """Return how many channels are of each kind, in words; the beginning of the payload will do."""
        return channel_words(task.payload, task.channels)


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
    prepare_fits((task.samples, not task.independent) for task in tasks)
    forms = [_fitted(task, model) for task in tasks]
    coded = [chunk for _, chunk in forms]
    for bins in sorted({_bins_of(chunk) for chunk in coded}):
        group = [form for form in forms if _bins_of(form[1]) == bins and len(form[1].side.coded)]
        if group:
            _code([samples for samples, _ in group], [chunk for _, chunk in group], model.coarse(*bins))
    return [smaller(_packed(*form, task), task) for form, task in zip(forms, tasks, strict=True)]


def _fitted(task: EncodeTask, model: Model) -> tuple[np.ndarray, CodedChunk]:
    """Return samples [frames, channels] as they are coded, and what is known of the chunk but for their crc."""
    given = _without_exact(task)
    free = free_channels(given)
    maps, samples = find_steps(given, free, task.max_error)
    if task.max_error:
        binned, free = near_lossless.quantise(given, task.max_error, task.sample_bits)
        maps = maps.part(slice(0, len(samples)), free)
        samples = np.where(maps.mapped, samples, binned)
    linear = free if task.max_error else maps.mapped
    options = FitOptions(not task.independent, task.order, task.max_error > 0, task.max_error, True)
    side, palettes = fit_with_palettes(samples, model.entropy.reconstruction, linear, options)
    samples = samples.copy() if palettes else samples
    for channel, palette in palettes.items():
        samples[:, channel] = numbers_in(palette, samples[:, channel])
    maps.palettes = palettes
    maps.share_palettes(map_sources(side.kind, side.mean))
    return samples, CodedChunk(len(samples), len(samples), None, side, maps, [], *NOTHING, task.max_error)


def _without_exact(task: EncodeTask) -> np.ndarray:
    """Return samples in which exact channels of a lossy chunk are constant: they are packed in the end."""
    if not task.max_error or not len(task.exact):
        return task.samples
    samples = task.samples.copy()
    samples[:, list(task.exact)] = 0
    return samples


def _packed(samples: np.ndarray, chunk: CodedChunk, task: EncodeTask) -> bytes:
    """Return the payload of a chunk whose lanes are coded."""
    decoded = _decoded(samples, chunk, task)
    chunk.sample_crc = sample_crc(decoded)
    return chunks.pack(with_packed(chunk, decoded, task.exact if task.max_error else ()))


def _decoded(samples: np.ndarray, chunk: CodedChunk, task: EncodeTask) -> np.ndarray:
    """Return what coded samples decode to."""
    if not task.max_error:
        return task.samples
    samples = samples.copy()
    _restore(samples, chunk, task.sample_bits)
    samples[:, list(task.exact)] = task.samples[:, list(task.exact)]
    return samples


def _bins_of(chunk: CodedChunk) -> tuple[int, int]:
    """Return the arguments of `Model.coarse` for a chunk."""
    return chunk.max_error, chunk.side.fineness


def _code(batch: list[np.ndarray], coded: list[CodedChunk], model: Model) -> None:
    """Fill in low bits, states and words of chunks that have lanes, and which of them have adaptive predictors."""
    for samples, chunk in zip(batch, coded, strict=True):
        chunk.steps = segment_steps(chunk.frames, len(chunk.side.coded))
        with_low = chunks.channels_with_low_bits(chunk.side)
        chunk.low_bits = [samples[:, channel] & np.int16((1 << chunk.side.shift[channel]) - 1) for channel in with_low]
    step = _ENCODE_STEP + _ADAPTIVE_STEP * any(adaptation.possible(chunk.side, chunk.frames) for chunk in coded)
    engine = engine_of(model, _seconds(coded, step, _ENCODE_SAMPLE))
    for samples, chunk in zip(batch, coded, strict=True):
        adaptation.choose(samples, chunk.side, lambda part, trial: _code_lanes([part], [trial], model, engine))
    _code_lanes(batch, coded, model, engine)


def _code_lanes(batch: list[np.ndarray], coded: list[CodedChunk], model: Model, engine: Engine | None) -> None:
    """Fill in states and words of chunks that have lanes."""
    if engine is None:
        lane_batches.encode(batch, coded, model)
        return
    from . import compiled_chunks

    compiled_chunks.encode(batch, coded, model, engine)


def _decode(coded: list[CodedChunk], results: list[np.ndarray], model: Model) -> None:
    """Fill in the channels that are not constant, of chunks in order of falling steps. Raises `CorruptError`."""
    levels = max(int(chunk.side.order_levels().max()) + 1 for chunk in coded)
    step = _DECODE_STEP + _ADAPTIVE_STEP * any(chunk.side.adaptive.any() for chunk in coded)
    engine = engine_of(model, _seconds(coded, step * levels, _DECODE_SAMPLE))
    if engine is None:
        lane_batches.decode(coded, results, model)
        return
    from . import compiled_chunks

    compiled_chunks.decode(coded, results, model, engine)


def _seconds(coded: list[CodedChunk], step: float, sample: float) -> float:
    """Return how long numpy and onnxruntime take for chunks side by side."""
    samples = sum(chunk.frames * len(chunk.side.coded) for chunk in coded)
    return max(chunk.steps for chunk in coded) * step + samples * sample


def _finish(chunk: CodedChunk, samples: np.ndarray, width: int) -> None:
    """Put samples in place of what was coded. Raises `CorruptError` if they are not those of the encoder."""
    _restore(samples, chunk, width)
    if chunk.sample_crc is not None and sample_crc(samples) != chunk.sample_crc:
        raise CorruptError("decoded samples do not have the checksum of the original ones")


def _restore(samples: np.ndarray, chunk: CodedChunk, width: int) -> None:
    """Fill in copies, put samples in place of what was coded. Raises `CorruptError` if there are none for it."""
    copies = np.flatnonzero(chunk.side.kind == COPY)
    samples[:, copies] = samples[:, chunk.side.mean[copies]]
    chunk.maps.restore_values(samples)
    if chunk.max_error:
        linear = map_sources(chunk.side.kind, chunk.side.mean) >= 0
        near_lossless.restore(samples, linear & (chunk.maps.step == NO_STEP), chunk.max_error, width)
    chunk.maps.restore_samples(samples)


def _constant_channels(chunk: CodedChunk) -> np.ndarray:
    """Return samples with those channels that need no predictor."""
    side, frames = chunk.side, chunk.frames
    if (side.kind != CONSTANT).all():  # nothing to fill in, and no memory that is in use too early
        return np.empty((frames, len(side.kind)), np.int16)
    values = np.where(side.kind == CONSTANT, side.mean, 0).astype(np.int16)
    samples = np.tile(values, (frames, 1))
    for channel, column in chunk.packed.items():
        samples[:, channel] = column
    return samples
