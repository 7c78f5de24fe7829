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
from ..entropy.rans import LOW, RAN_OUT
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
        for part, table in _groups(lanes, number, chunks):
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
        samples = results[some[0]] if len(some) == 1 else np.empty((sum(c.frames for c in chunks), 1), np.int16)
        low = _low_bits(chunks, _low_rows(chunks))
        for part, table in _groups(lanes, number, chunks):
            numbers = number[part]
            left, bounds = states[numbers], np.stack([ends[numbers], ends[numbers + 1]], axis=1)
            decode_lanes(table, engine.network, engine.tables, words, bounds, left, low, samples)
            if (bounds[:, 0] != bounds[:, 1]).any() or (left != LOW).any():
                raise CorruptError(RAN_OUT)
        if len(some) > 1:
            for i, decoded in zip(some, np.split(samples, _starts(chunks)[1:]), strict=True):
                results[i][:] = decoded


def _together(coded: list[CodedChunk]) -> Iterator[list[int]]:
    """Yield the numbers of chunks that are coded as one: of one channel and not too many samples, or a chunk alone."""
    some: list[int] = []
    frames = 0
    for i, chunk in enumerate(coded):
        frames += chunk.frames
        if some and (len(chunk.side.kind) > 1 or len(coded[some[0]].side.kind) > 1 or frames > _GROUP_SAMPLES):
            yield some
            some, frames = [], chunk.frames
        some.append(i)
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


def _low_bits(chunks: list[CodedChunk], rows: np.ndarray) -> np.ndarray:
    """Return the low bits int32 [rows, frames] of the channels that have rows."""
    found = np.zeros((max(int(rows.max()) + 1, 1), sum(chunk.frames for chunk in chunks)), np.int32)
    for chunk, start in zip(chunks, _starts(chunks).tolist(), strict=True):
        for channel, low in zip(channels_with_low_bits(chunk.side), chunk.low_bits, strict=True):
            found[rows[channel], start : start + chunk.frames] = low[:]
    return found


def _low_rows(chunks: list[CodedChunk]) -> np.ndarray:
    """Return for each channel its row of low bits, -1 if it has none in any chunk."""
    rows = np.full(len(chunks[0].side.kind), -1)
    with_low = np.unique(np.concatenate([channels_with_low_bits(chunk.side) for chunk in chunks]))
    rows[with_low] = np.arange(len(with_low))
    return rows


def _groups(lanes: Lanes, number: np.ndarray, chunks: list[CodedChunk]) -> Iterator[tuple[np.ndarray, tuple]]:
    """Yield lanes that are coded together, whole segments, as their places among the lanes and as a table."""
    low_rows, per_segment = _low_rows(chunks), len(chunks[0].side.coded)
    steps, segments = max(chunk.steps for chunk in chunks), sum(chunk.segments for chunk in chunks)
    most = max(1, _GROUP_SAMPLES // (per_segment * steps), -(-8 // per_segment))
    segment = number // per_segment
    for first in range(0, segments, most):
        check_stop()
        part = np.flatnonzero((segment >= first) & (segment < first + most))
        yield part, lane_table(lanes.take(part), low_rows)
