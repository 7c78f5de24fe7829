"""Chunks coded by the Rice coder: docs/format.md section 10. Channels are coded alone."""

from __future__ import annotations

import numpy as np

from ..core.errors import CorruptError
from ..entropy.rice_decoder import RiceBody
from ..entropy.rice_encoder import RiceEncoder
from ..predictor.forward import Forward
from ..predictor.lanes import from_lanes, join, segment_count, to_lanes
from ..predictor.model import Model
from ..predictor.stepper import Stepper
from .rans_chunk import CodedChunk

_BLOCK_ROWS = 1 << 15
_SIMILAR = 0.9
"""Chunks are decoded side by side if no lane is shorter than this part of the longest."""
_MOST_LANES = 1 << 13


def encode(samples: np.ndarray, chunk: CodedChunk, model: Model) -> None:
    """Fill in segments and body of a chunk of samples int16 [frames, channels], as they are coded."""
    chunk.segments = segment_count(chunk.frames, len(chunk.side.coded))
    lanes = join([(chunk.side, chunk.frames, chunk.segments)], model.entropy.reconstruction)
    rows, steps = to_lanes([samples], lanes), chunk.steps
    size = min(max(1, _BLOCK_ROWS // len(lanes)), steps)
    forward = Forward(model, lanes, size)
    coder = RiceEncoder.of(model.entropy, lanes)
    shortest = int(lanes.length.min())
    for first in range(0, steps, size):
        last = min(first + size, steps)
        active = None if last <= shortest else lanes.length > np.arange(first, last)[:, None]
        coder.add(*forward.symbols(rows[first:last]), active)
    chunk.rice = coder.bytes()


def decode(coded: list[CodedChunk], results: list[np.ndarray], model: Model) -> None:
    """Fill in the channels that have lanes, of chunks in order of falling steps. Raises `CorruptError`."""
    first = 0
    while first < len(coded):
        last, lanes = first + 1, _lanes_of(coded[first])
        while (
            last < len(coded)
            and coded[last].steps >= _SIMILAR * coded[first].steps
            and lanes + _lanes_of(coded[last]) <= _MOST_LANES
        ):
            lanes += _lanes_of(coded[last])
            last += 1
        _decode_together(coded[first:last], results[first:last], model)
        first = last


def _lanes_of(chunk: CodedChunk) -> int:
    return chunk.segments * len(chunk.side.coded)


def _decode_together(coded: list[CodedChunk], results: list[np.ndarray], model: Model) -> None:
    lanes = join([(chunk.side, chunk.frames, chunk.segments) for chunk in coded], model.entropy.reconstruction)
    bodies = [RiceBody(chunk.rice) for chunk in coded]
    samples, good = Stepper(model, lanes).run(bodies, coded[0].steps)
    if not good:
        raise CorruptError("a chunk's coded bits do not end where they should")
    from_lanes(samples, lanes, results)
