"""Serialise channels and windows of a chunk, in front of their samples: docs/format.md section 12.1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.errors import CorruptError
from ..render.rendering import Lines
from ..shape import ChunkShape
from ..windows import Windows
from .fields import MAX_RICE, FieldReader, FieldWriter, unzigzag, zigzag
from .times import best_rice, gaps, starts

_WIDTHS = ((8, 4), (7, 3), (5, 3))
"""Bits of the least initial scale, scale and Rice parameter, and of the width of what channels add to it."""
_PARAMETER_BITS = 5
MAX_CORRECTION = 255
"""Steps of a correction pulse, at most."""


@dataclass
class ChannelParameters:
    """Parameters of the windows of a channel; int64 [channels], without meaning where there are no windows.

    initial_scale : initial running means
    scale : scale index of a window's first sample
    rice : parameter of the gaps between windows
    raised : by how many steps the channel's threshold was above the others' (nothing depends on it)
    """

    initial_scale: np.ndarray
    scale: np.ndarray
    rice: np.ndarray
    raised: np.ndarray

    def columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return those that are coded with a range."""
        return self.initial_scale, self.scale, self.rice


@dataclass
class Plan:
    """Channels and windows of a chunk."""

    windows: Windows
    lines: Lines
    parameters: ChannelParameters


def pack_plan(plan: Plan, standard: int, level_bits: int) -> bytes:
    """Serialise, in whole bytes.

    standard : length of a window that is not written
    level_bits : bits of a value
    """
    writer, parameters = FieldWriter(), plan.parameters
    counts = np.bincount(plan.windows.channel, minlength=len(plan.lines.level))
    ranges = _pack_ranges(writer, parameters, counts > 0)
    writer.put(bool(parameters.raised.any()), 1)
    for value in parameters.raised.tolist() if parameters.raised.any() else []:
        writer.put_gamma(value)
    gap = gaps(plan.windows).tolist()
    for channel, count in enumerate(counts.tolist()):
        level = int(plan.lines.level[channel])
        writer.put(count > 0 or level != plan.lines.base, 1)
        if not count and level == plan.lines.base:
            continue
        writer.put(level == plan.lines.base, 1)
        if level != plan.lines.base:
            writer.put(level & ((1 << level_bits) - 1), level_bits)
        writer.put_gamma(count)
        if count:
            writer.put(bool(plan.lines.hold[channel]), 1)
            for values, (low, width) in zip(parameters.columns(), ranges, strict=True):
                writer.put(int(values[channel]) - low, width)
            for value in gap[plan.windows.of_channel(channel)]:
                writer.put_rice(value, int(parameters.rice[channel]))
    _pack_exceptions(writer, plan.windows, standard)
    return writer.to_bytes()


def _pack_ranges(writer: FieldWriter, parameters: ChannelParameters, used: np.ndarray) -> list[tuple[int, int]]:
    """Return the least value of each parameter, and the width of what channels add to it."""
    ranges = []
    for values, (low_bits, width_bits) in zip(parameters.columns(), _WIDTHS, strict=True):
        low = int(values[used].min()) if used.any() else 0
        width = (int(values[used].max()) - low).bit_length() if used.any() else 0
        writer.put(low, low_bits)
        writer.put(width, width_bits)
        ranges.append((low, width))
    return ranges


def _pack_exceptions(writer: FieldWriter, windows: Windows, standard: int) -> None:
    """Write the windows of another length than the standard one, and correction pulses."""
    which = np.flatnonzero((windows.length != standard) | (windows.correction != 0))
    writer.put_gamma(len(which))
    if not len(which):
        return
    runs = np.diff(which, prepend=-1) - 1
    extra = np.array([zigzag(value) for value in (windows.length[which] - standard).tolist()])
    parameters = best_rice(runs), best_rice(extra)
    for parameter in parameters:
        writer.put(parameter, _PARAMETER_BITS)
    for run, more, height in zip(runs.tolist(), extra.tolist(), windows.correction[which].tolist(), strict=True):
        writer.put_rice(run, parameters[0])
        writer.put_rice(more, parameters[1])
        writer.put_gamma(zigzag(height))


def parse_plan(data: bytes, shape: ChunkShape, channels: int, base: int, level_bits: int) -> Plan:
    """Undo `pack_plan`. Raises `CorruptError`."""
    reader = FieldReader(data)
    ranges = [(reader.take(low), reader.take(width)) for low, width in _WIDTHS]
    columns = np.zeros((4, channels), np.int64)
    if reader.take(1):
        columns[3] = [reader.take_gamma() for _ in range(channels)]
    lines = Lines(base, np.full(channels, base, np.int64), np.zeros(channels, bool))
    where: list[tuple[int, int]] = []
    for number in range(channels):
        if not reader.take(1):
            continue
        if not reader.take(1):
            lines.level[number] = reader.take_signed(level_bits)
        count = reader.take_gamma()
        if not count:
            continue
        lines.hold[number] = reader.take(1)
        columns[:3, number] = [low + reader.take(width) for low, width in ranges]
        parameter = min(int(columns[2, number]), MAX_RICE)
        where += [(number, reader.take_rice(parameter)) for _ in range(count)]
    if (columns[0] > 255).any() or (columns[1] > 127).any() or (columns[2] > MAX_RICE).any():
        raise CorruptError("a channel's parameters are out of range")
    channel, gap = np.array(where, np.int64).reshape(-1, 2).T.copy()
    windows = Windows(channel, gap, np.full(len(channel), shape.standard), np.zeros(len(channel), np.int64))
    _take_exceptions(reader, windows, shape.standard)
    reader.finish()
    windows.start = starts(channel, gap, windows.length)
    windows.check(shape.frames)
    return Plan(windows, lines, ChannelParameters(*columns))


def _take_exceptions(reader: FieldReader, windows: Windows, standard: int) -> None:
    """Undo `_pack_exceptions`. Raises `CorruptError`."""
    count = reader.take_gamma()
    if not count:
        return
    parameters = [min(reader.take(_PARAMETER_BITS), MAX_RICE) for _ in range(2)]
    at = -1
    for _ in range(count):
        at += 1 + reader.take_rice(parameters[0])
        if at >= len(windows):
            raise CorruptError("a chunk has an exception for a window that is not there")
        windows.length[at] = standard + unzigzag(reader.take_rice(parameters[1]))
        windows.correction[at] = unzigzag(reader.take_gamma())
    if (np.abs(windows.correction) > MAX_CORRECTION).any():
        raise CorruptError("a correction pulse is out of range")
