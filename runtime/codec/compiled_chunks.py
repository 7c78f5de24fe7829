"""Lanes of a chunk through compiled loops: to states and words, and back."""

from __future__ import annotations

from collections.abc import Iterator

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


def encode(samples: np.ndarray, chunk: CodedChunk, model: Model, engine: Engine) -> None:
    """Fill in states and words of a chunk int16 [frames, channels]."""
    lanes = join([(chunk.side, chunk.frames, chunk.steps)], model.entropy.reconstruction)
    count = len(lanes)
    chunk.states, chunk.counts = np.zeros(count, np.uint64), np.zeros(count, np.int64)
    found: list[np.ndarray] = [np.zeros(0, np.uint32)] * count
    for part, table in _groups(lanes, chunk):
        states, counts = np.zeros(len(part), np.uint64), np.zeros(len(part), np.int64)
        words = np.empty((len(part), chunk.steps * 9 // 8 + 2), np.uint32)  # 20 bits a symbol, 16 more of an escape
        encode_lanes(table, engine.network, engine.tables, samples, states, counts, words)
        numbers = lanes.number[part]
        chunk.states[numbers], chunk.counts[numbers] = states, counts
        for number, row, used in zip(numbers.tolist(), words, counts.tolist(), strict=True):
            found[number] = row[len(row) - used :].copy()
    chunk.words = np.concatenate(found)


def decode(chunk: CodedChunk, samples: np.ndarray, model: Model, engine: Engine) -> None:
    """Fill in the channels of a chunk that have lanes, int16 [frames, channels]. Raises `CorruptError`."""
    lanes = join([(chunk.side, chunk.frames, chunk.steps)], model.entropy.reconstruction)
    ends = np.append(0, np.cumsum(chunk.counts))
    low = np.array([low[:] for low in chunk.low_bits], np.int32) if chunk.low_bits else np.zeros((1, 1), np.int32)
    for part, table in _groups(lanes, chunk):
        numbers = lanes.number[part]
        states, bounds = chunk.states[numbers], np.stack([ends[numbers], ends[numbers + 1]], axis=1)
        decode_lanes(table, engine.network, engine.tables, chunk.words, bounds, states, low, samples)
        if (bounds[:, 0] != bounds[:, 1]).any() or (states != LOW).any():
            raise CorruptError("a chunk's coded words do not end where they should")


def _groups(lanes: Lanes, chunk: CodedChunk) -> Iterator[tuple[np.ndarray, tuple]]:
    """Yield lanes that are coded together, whole segments, as their numbers and as a table."""
    low_rows = np.full(len(chunk.side.kind), -1)
    with_low = channels_with_low_bits(chunk.side)
    low_rows[with_low] = np.arange(len(with_low))
    per_segment = len(chunk.side.coded)
    most = max(1, _GROUP_SAMPLES // (per_segment * chunk.steps), -(-8 // per_segment))
    segment = lanes.number // per_segment
    for first in range(0, chunk.segments, most):
        check_stop()
        part = np.flatnonzero((segment >= first) & (segment < first + most))
        yield part, lane_table(lanes.take(part), low_rows)
