"""Serialise channels and events of a chunk, in front of the samples of their windows: docs/format.md section 12.1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.errors import CorruptError
from ..render.rendering import Lines
from ..shape import ChunkShape
from ..windows import Events, Windows
from .symbols import SymbolReader, SymbolWriter

_COUNT_BITS, _SCALE_BITS = 24, 7
MAX_CORRECTION = 255
"""Steps of a correction pulse, at most."""
MAX_RAISED = 255


@dataclass
class ChannelParameters:
    """Parameters of the windows of a channel; int64 [channels], without meaning where there are no windows.

    scale : scale index of a window's first sample
    raised : by how many steps the channel's threshold was above the others' (nothing depends on it)
    """

    scale: np.ndarray
    raised: np.ndarray


@dataclass
class Plan:
    """Events of a chunk, their windows, and what is known of channels."""

    events: Events
    windows: Windows
    lines: Lines
    parameters: ChannelParameters


def pack_plan(plan: Plan, shape: ChunkShape) -> bytes:
    """Serialise, in whole bytes."""
    writer, events, parameters = SymbolWriter(), plan.events, plan.parameters
    writer.put_bits(len(events), _COUNT_BITS)
    writer.put(np.diff(_places(events, shape), prepend=0) - 1)
    used = np.unique(events.channel)
    writer.put_near(parameters.scale[used], _SCALE_BITS)
    writer.put_sparse(plan.windows.correction)
    writer.put_sparse(plan.lines.level - plan.lines.base)
    writer.put_sparse(parameters.raised)
    return writer.to_bytes()


def parse_plan(data: bytes, shape: ChunkShape, channels: int, base: int) -> Plan:
    """Undo `pack_plan`. Raises `CorruptError`."""
    reader = SymbolReader(data)
    count = reader.take_bits(_COUNT_BITS)
    if count > 8 * len(data):
        raise CorruptError("a chunk holds more spikes than it has bits for")
    places = np.cumsum(reader.take(count) + 1)
    width = _width(shape)
    if count and (places[-1] >= channels * width or not (places % width).all()):
        raise CorruptError("a chunk has spikes that are not within it")
    events = Events(places // width, places % width - shape.after)
    windows = events.windows(shape.before, shape.after, shape.frames)
    used = np.unique(events.channel)
    scale = np.zeros(channels, np.int64)
    scale[used] = reader.take_near(len(used), _SCALE_BITS)
    windows.correction[:] = reader.take_sparse(len(windows))
    level, raised = base + reader.take_sparse(channels), reader.take_sparse(channels)
    reader.finish()
    if (windows.length < 1).any() or (np.abs(windows.correction) > MAX_CORRECTION).any():
        raise CorruptError("a chunk has a window without samples, or a correction pulse that is too high")
    if (raised < 0).any() or (raised > MAX_RAISED).any():
        raise CorruptError("a channel's threshold is out of range")
    return Plan(events, windows, Lines(base, level), ChannelParameters(scale, raised))


def _width(shape: ChunkShape) -> int:
    """Return the number of frames at which an event may be: those whose windows reach into the chunk."""
    return shape.frames + shape.before + shape.after


def _places(events: Events, shape: ChunkShape) -> np.ndarray:
    """Return events as increasing numbers, from 1 on."""
    return events.channel * _width(shape) + events.frame + shape.after
