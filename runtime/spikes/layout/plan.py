"""What a chunk says of its channels and windows before their samples: docs/format.md section 12."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.errors import CorruptError
from ..references import Hearing, pack_references, take_references
from ..render.corrections import Lines
from ..windows import Windows
from .fields import MAX_RICE, FieldReader, FieldWriter, unzigzag, zigzag
from .times import best_rice, gaps, pack_matches, place, take_matches

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
    hearing : who hears whom
    match : int64 [windows], the window of the first channel that is heard, by number, that this one goes with; or -1
    """

    windows: Windows
    lines: Lines
    parameters: ChannelParameters
    standard: int
    hearing: Hearing
    match: np.ndarray


def pack_plan(plan: Plan, level_bits: int) -> bytes:
    """Serialise; whole bytes."""
    writer = FieldWriter()
    windows, lines = plan.windows, plan.lines
    counts = np.bincount(windows.channel, minlength=len(lines.level))
    used = counts > 0
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
            pack_windows(writer, plan, channel)
    _pack_exceptions(writer, plan)
    return writer.to_bytes()


def pack_windows(writer: FieldWriter, plan: Plan, channel: int) -> None:
    """Whom a channel hears, and where its windows are."""
    windows, hearing = plan.windows, plan.hearing
    own = windows.of_channel(channel)
    match = plan.match[own]
    if hearing:
        pack_references(writer, hearing, channel)
    if hearing.references[channel, 0] >= 0:
        heard = windows.start[windows.of_channel(int(hearing.references[channel, 0]))]
        pack_matches(writer, windows.start[own][match >= 0], match[match >= 0], heard)
    alone = windows.take(own.start + np.flatnonzero(match < 0))
    for value in gaps(alone).tolist():
        writer.put_rice(value, int(plan.parameters.rice[channel]))


def _pack_exceptions(writer: FieldWriter, plan: Plan) -> None:
    """Windows of another length than the standard one, and lifts."""
    windows = plan.windows.take(np.lexsort((plan.match < 0, plan.windows.channel)))
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


def parse_plan(data: bytes, frames: int, channels: int, base: int, standard: int, level_bits: int, hears: bool) -> Plan:
    """The inverse of `pack_plan`; `hears` says whether channels hear others. Raises `CorruptError`."""
    reader = FieldReader(data)
    ranges = [(reader.take(low), reader.take(width)) for low, width in _WIDTHS]
    columns = np.zeros((4, channels), np.int64)
    if reader.take(1):
        columns[3] = [reader.take_gamma() for _ in range(channels)]
    lines = Lines(base, np.full(channels, base, np.int64), np.zeros(channels, bool))
    where: list[tuple[int, int, int]] = []
    hearing = Hearing.none(channels)
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
        if hears:
            take_references(reader, hearing, channel)
        where += _take_windows(reader, channel, count, min(int(columns[2, channel]), MAX_RICE), hearing)
    if (columns[0] > 255).any() or (columns[1] > 127).any() or (columns[2] > MAX_RICE).any():
        raise CorruptError("a channel's parameters are out of range")
    channel, start, match = np.array(where, np.int64).reshape(-1, 3).T.copy()
    windows = Windows(channel, start, np.full(len(channel), standard, np.int64), np.zeros(len(channel), np.int64))
    _take_exceptions(reader, windows, standard)
    reader.finish()
    order = place(windows, match, hearing.references[:, 0], hearing.order_levels())
    windows = windows.take(order)
    windows.check(frames)
    return Plan(windows, lines, ChannelParameters(*columns), standard, hearing, match[order])


def _take_windows(
    reader: FieldReader, channel: int, count: int, parameter: int, hearing: Hearing
) -> list[tuple[int, int, int]]:
    """Channel, frames from a peer's window, and the number of that, of windows that go with one; then, of all others of a
    channel, gaps and -1. Raises `CorruptError`."""
    made = []
    if hearing.references[channel, 0] >= 0:
        made = [(channel, apart, number) for number, apart in take_matches(reader)]
    if len(made) > count:
        raise CorruptError("a channel has more windows that go with others than windows")
    return made + [(channel, reader.take_rice(parameter), -1) for _ in range(count - len(made))]


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
