"""What a chunk says of its channels and windows before their samples: docs/format.md section 12."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.errors import CorruptError
from ..render.corrections import Lines
from ..windows import Windows
from .fields import MAX_RICE, FieldReader, FieldWriter, unzigzag, zigzag
from .times import best_rice, gaps, starts

_WIDTHS = ((8, 4), (7, 3), (5, 3))
"""Bits of the least value of spread, scale and Rice parameter, and of the width of what channels add to it."""

MAX_LIFT = 255
"""Steps of a tent, at most."""


@dataclass
class ChannelParameters:
    """What windows of a channel have in common; int64 [channels], of use only where there are windows.

    spread : initial running means
    scale : scale index of a window's first sample
    rice : parameter of the gaps between windows
    raised : by how many steps the channel's threshold was above the others' (nothing depends on it)
    """

    initial_scale: np.ndarray
    scale: np.ndarray
    rice: np.ndarray
    raised: np.ndarray

    def columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Those that are coded with a range."""
        return self.initial_scale, self.scale, self.rice


@dataclass
class Plan:
    """Channels and windows of a chunk.

    standard : length that is not written
    """

    windows: Windows
    lines: Lines
    parameters: ChannelParameters
    standard: int


def pack_plan(plan: Plan, level_bits: int) -> bytes:
    """Serialise; whole bytes."""
    writer = FieldWriter()
    windows, lines = plan.windows, plan.lines
    counts = np.bincount(windows.channel, minlength=len(lines.level))
    used = counts > 0
    gap = gaps(windows).tolist()
    ranges = []
    for values, (low_bits, width_bits) in zip(plan.parameters.columns(), _WIDTHS, strict=True):
        low = int(values[used].min()) if used.any() else 0
        width = (int(values[used].max()) - low).bit_length() if used.any() else 0
        writer.put(low, low_bits)
        writer.put(width, width_bits)
        ranges.append((low, width))
    parameters = plan.parameters
    writer.put(parameters.raised.any(), 1)
    for value in parameters.raised.tolist() if parameters.raised.any() else []:
        writer.put_gamma(value)
    for channel, count in enumerate(counts.tolist()):
        level = int(lines.level[channel])
        writer.put(count > 0 or level != lines.base, 1)
        if not count and level == lines.base:
            continue
        writer.put(level == lines.base, 1)
        if level != lines.base:
            writer.put(level & ((1 << level_bits) - 1), level_bits)
        writer.put_gamma(count)
        if count:
            writer.put(bool(lines.hold[channel]), 1)
            for values, (low, width) in zip(parameters.columns(), ranges, strict=True):
                writer.put(int(values[channel]) - low, width)
            for value in gap[windows.of_channel(channel)]:
                writer.put_rice(value, int(parameters.rice[channel]))
    _pack_exceptions(writer, plan)
    return writer.to_bytes()


def _pack_exceptions(writer: FieldWriter, plan: Plan) -> None:
    """Windows of another length than the standard one, and lifts."""
    windows = plan.windows
    which = np.flatnonzero((windows.length != plan.standard) | (windows.lift != 0))
    writer.put_gamma(len(which))
    if not len(which):
        return
    runs = np.diff(which, prepend=-1) - 1
    extra = np.array([zigzag(value) for value in (windows.length[which] - plan.standard).tolist()])
    parameters = best_rice(runs), best_rice(extra)
    for parameter in parameters:
        writer.put(parameter, 5)
    for run, more, lift in zip(runs.tolist(), extra.tolist(), windows.lift[which].tolist(), strict=True):
        writer.put_rice(run, parameters[0])
        writer.put_rice(more, parameters[1])
        writer.put_gamma(zigzag(lift))


def parse_plan(data: bytes, frames: int, channels: int, base: int, standard: int, level_bits: int) -> Plan:
    """The inverse of `pack_plan`. Raises `CorruptError`."""
    reader = FieldReader(data)
    ranges = [(reader.take(low), reader.take(width)) for low, width in _WIDTHS]
    columns = np.zeros((4, channels), np.int64)
    if reader.take(1):
        columns[3] = [reader.take_gamma() for _ in range(channels)]
    lines = Lines(base, np.full(channels, base, np.int64), np.zeros(channels, bool))
    where: list[tuple[int, int]] = []
    for channel in range(channels):
        if not reader.take(1):
            continue
        if not reader.take(1):
            level = reader.take(level_bits)
            lines.level[channel] = level - ((level >> (level_bits - 1)) << level_bits)
        count = reader.take_gamma()
        if not count:
            continue
        lines.hold[channel] = reader.take(1)
        columns[:3, channel] = [low + reader.take(width) for low, width in ranges]
        parameter = min(int(columns[2, channel]), MAX_RICE)
        where += [(channel, reader.take_rice(parameter)) for _ in range(count)]
    if (columns[0] > 255).any() or (columns[1] > 127).any() or (columns[2] > MAX_RICE).any():
        raise CorruptError("a channel's parameters are out of range")
    channel, gap = np.array(where, np.int64).reshape(-1, 2).T.copy()
    windows = Windows(channel, gap, np.full(len(channel), standard, np.int64), np.zeros(len(channel), np.int64))
    _take_exceptions(reader, windows, standard)
    reader.finish()
    windows.start = starts(channel, gap, windows.length)
    windows.check(frames)
    return Plan(windows, lines, ChannelParameters(*columns), standard)


def _take_exceptions(reader: FieldReader, windows: Windows, standard: int) -> None:
    count = reader.take_gamma()
    if not count:
        return
    parameters = [min(reader.take(5), MAX_RICE) for _ in range(2)]
    at = -1
    for _ in range(count):
        at += 1 + reader.take_rice(parameters[0])
        if at >= len(windows):
            raise CorruptError("a chunk has an exception for a window that is not there")
        windows.length[at] = standard + unzigzag(reader.take_rice(parameters[1]))
        windows.lift[at] = unzigzag(reader.take_gamma())
    if (np.abs(windows.lift) > MAX_LIFT).any():
        raise CorruptError("a tent is out of range")
