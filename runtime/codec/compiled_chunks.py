"""Lanes of chunks through compiled loops: to states and words, and back.

The loops take eight lanes at a time. Chunks of one channel have fewer, so these are put one behind the other and coded
as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..compiled.engine import Engine, lane_table
from ..compiled.rans_kernels import decode as decode_lanes
from ..compiled.rans_kernels import encode as encode_lanes
from ..core.errors import CorruptError
from ..core.threads import check_stop
from ..entropy.rans import LOW
from ..predictor.lanes import Lanes, join
from ..predictor.model import Model
from .rans_payload import CodedChunk, channels_with_low_bits

_GROUP_SAMPLES = 1 << 21
"""Samples whose words are held at once, as far as segments allow."""


def encode(batch: list[np.ndarray], coded: list[CodedChunk], model: Model, engine: Engine) -> None:
    """Fill in states and words of chunks int16 [frames, channels]."""
    for some in _together(coded):
        chunks = [coded[i] for i in some]
        samples = batch[some[0]] if len(some) == 1 else np.concatenate([batch[i] for i in some])
        lanes, number = _lanes(chunks, model)
        states, counts = np.zeros(len(lanes), np.uint64), np.zeros(len(lanes), np.int64)
        words: list[np.ndarray] = [np.zeros(0, np.uint32)] * len(lanes)
        for part, table in _groups(lanes, chunks):
            found = np.zeros(len(part), np.uint64), np.zeros(len(part), np.int64)
            # 20 bits a symbol, 16 more of an escape
            rows = np.empty((len(part), int(lanes.length[part].max()) * 9 // 8 + 2), np.uint32)
            encode_lanes(table, engine.network, engine.tables, samples, *found, rows)
            states[number[part]], counts[number[part]] = found
            for place, row, used in zip(number[part].tolist(), rows, found[1].tolist(), strict=True):
                words[place] = row[len(row) - used :].copy()
        for chunk, own in zip(chunks, _shares(chunks), strict=True):
            chunk.states, chunk.counts, chunk.words = states[own], counts[own], np.concatenate(words[own])


def decode(coded: list[CodedChunk], results: list[np.ndarray], model: Model, engine: Engine) -> None:
    """Fill in the channels of chunks that have lanes, int16 [frames, channels]. Raises `CorruptError`."""
    for some in _together(coded):
        chunks = [coded[i] for i in some]
        lanes, number = _lanes(chunks, model)
        states = np.concatenate([chunk.states for chunk in chunks])
        words = np.concatenate([chunk.words for chunk in chunks])
        ends = np.append(0, np.cumsum(np.concatenate([chunk.counts for chunk in chunks])))
        samples = results[some[0]] if len(some) == 1 else np.concatenate([results[i] for i in some])
        low = _low_bits(chunks)
        for part, table in _groups(lanes, chunks):
            numbers = number[part]
            left, bounds = states[numbers], np.stack([ends[numbers], ends[numbers + 1]], axis=1)
            decode_lanes(table, engine.network, engine.tables, words, bounds, left, low, samples)
            if (bounds[:, 0] != bounds[:, 1]).any() or (left != LOW).any():
                raise CorruptError("a chunk's coded words do not end where they should")
        if len(some) > 1:
            for i, decoded in zip(some, np.split(samples, _starts(chunks)[1:]), strict=True):
                results[i][:] = decoded


def _together(coded: list[CodedChunk]) -> Iterator[list[int]]:
    """Yield the numbers of chunks that are coded as one: of one channel and not too many samples, or a chunk alone."""
    some: list[int] = []
    for i, chunk in enumerate(coded):
        single = len(chunk.side.kind) == 1 and chunk.frames < _GROUP_SAMPLES
        if some and not (single and sum(coded[j].frames for j in some) + chunk.frames <= _GROUP_SAMPLES):
            yield some
            some = []
        some.append(i)
        if not single:
            yield some
            some = []
    if some:
        yield some


def _starts(chunks: list[CodedChunk]) -> np.ndarray:
    """Return where the frames of each chunk begin."""
    return np.cumsum([0, *(chunk.frames for chunk in chunks[:-1])])


def _shares(chunks: list[CodedChunk]) -> list[slice]:
    """Return where the lanes of each chunk are among those of all."""
    ends = np.cumsum([chunk.segments * len(chunk.side.coded) for chunk in chunks]).tolist()
    return [slice(*pair) for pair in zip([0, *ends], ends, strict=False)]


def _lanes(chunks: list[CodedChunk], model: Model) -> tuple[Lanes, np.ndarray]:
    """Return the lanes of chunks whose frames lie one behind the other, and the number of each among those of all."""
    lanes = join([(chunk.side, chunk.frames, chunk.steps) for chunk in chunks], model.entropy.reconstruction)
    number = np.array([own.start for own in _shares(chunks)])[lanes.owner] + lanes.number
    return replace(lanes, start=lanes.start + _starts(chunks)[lanes.owner]), number


def _low_bits(chunks: list[CodedChunk]) -> np.ndarray:
    """Return the low bits int32 [rows, frames]; of chunks of one channel in one row."""
    if len(chunks) == 1:
        found = [low[:] for low in chunks[0].low_bits]
    else:
        row = [chunk.low_bits[0][:] if chunk.low_bits else np.zeros(chunk.frames, np.int16) for chunk in chunks]
        found = [np.concatenate(row)] if any(chunk.low_bits for chunk in chunks) else []
    return np.array(found, np.int32) if found else np.zeros((1, 1), np.int32)


def _groups(lanes: Lanes, chunks: list[CodedChunk]) -> Iterator[tuple[np.ndarray, tuple]]:
    """Yield lanes that are coded together, whole segments of a chunk or all of several, as numbers and as a table."""
    first_chunk = chunks[0]
    low_rows = np.full(len(first_chunk.side.kind), -1)
    with_low = channels_with_low_bits(first_chunk.side) if len(chunks) == 1 else np.zeros(1, np.int64)
    low_rows[with_low] = np.arange(len(with_low))
    if len(chunks) > 1:
        check_stop()
        yield np.arange(len(lanes)), lane_table(lanes, low_rows)
        return
    per_segment = len(first_chunk.side.coded)
    most = max(1, _GROUP_SAMPLES // (per_segment * first_chunk.steps), -(-8 // per_segment))
    segment = lanes.number // per_segment
    for first in range(0, first_chunk.segments, most):
        check_stop()
        part = np.flatnonzero((segment >= first) & (segment < first + most))
        yield part, lane_table(lanes.take(part), low_rows)
