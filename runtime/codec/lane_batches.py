"""Lanes of many chunks side by side through numpy and onnxruntime: to states and words, and back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..core.errors import CorruptError
from ..entropy import rans
from ..predictor.lanes import Lanes, Places, join, to_lanes
from ..predictor.model import Model
from .chunk_symbols import ChunkSymbols
from .decode_loop import DecodeLoop
from .intervals import intervals
from .rans_payload import CodedChunk

_GROUP_SAMPLES = 1 << 22
"""Samples whose intervals are held at once (32 MB)."""


def encode(batch: list[np.ndarray], coded: list[CodedChunk], model: Model) -> None:
    """Fill in states and words of chunks int16 [frames, channels]."""
    lanes = join([(chunk.side, chunk.frames, chunk.steps) for chunk in coded], model.entropy.reconstruction)
    states, counts, words = _coded_lanes(batch, lanes, model)
    for number, chunk in enumerate(coded):
        mine = np.flatnonzero(lanes.owner == number)
        mine = mine[np.argsort(lanes.number[mine])]
        chunk.states, chunk.counts = states[mine], counts[mine]
        chunk.words = np.concatenate([words[lane] for lane in mine.tolist()])


def decode(coded: list[CodedChunk], results: list[np.ndarray], model: Model) -> None:
    """Fill in the channels that are not constant, of chunks in order of falling steps. Raises `CorruptError`."""
    symbols = ChunkSymbols(coded, model)
    places = Places(symbols.lanes)
    DecodeLoop(model, symbols.lanes, symbols.part, lambda rows, first: places.put(rows, results, first)).run_all()
    if not symbols.used_up():
        raise CorruptError(rans.RAN_OUT)


def _coded_lanes(
    batch: list[np.ndarray], lanes: Lanes, model: Model
) -> tuple[np.ndarray, np.ndarray, dict[int, np.ndarray]]:
    """States uint64 [lanes], counts of words int64 [lanes], and the words of each lane."""
    states, counts = np.zeros(len(lanes), np.uint64), np.zeros(len(lanes), np.int64)
    words: dict[int, np.ndarray] = {}
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
