"""When the windows of a channel are: gaps from one to the next, or with those of a channel that it hears."""

from __future__ import annotations

import numpy as np

from ...core.errors import CorruptError
from ..windows import Windows
from .fields import MAX_RICE, FieldReader, FieldWriter, rice_bits, unzigzag, zigzag

SHIFT_BITS = 6
"""Signed: frames from a peer's window to the one that goes with it."""


def gaps(windows: Windows) -> np.ndarray:
    """Frames between a window and the one before it on its channel, or the chunk's start; int64 [windows]."""
    before = np.concatenate([[0], windows.stop[:-1]])
    before[np.concatenate([[True], windows.channel[1:] != windows.channel[:-1]])[: len(windows)]] = 0
    return windows.start - before[: len(windows)]


def best_rice(values: np.ndarray) -> int:
    """The parameter that takes the fewest bits."""
    if not len(values):
        return 0
    reconstruction = max(int(values.mean()), 1).bit_length()
    near = range(max(0, reconstruction - 3), min(reconstruction + 2, MAX_RICE) + 1)
    return min(near, key=lambda parameter: int(rice_bits(values, parameter).sum()))


def pack_matches(writer: FieldWriter, start: np.ndarray, match: np.ndarray, heard: np.ndarray) -> None:
    """Windows of one channel that go with those of the first one that it hears.

    Parameters
    ----------
    start : int64 [matches]
    match : int64 [matches], rising: number of the peer's window
    heard : int64 [peer's windows], their starts
    """
    writer.put_gamma(len(match))
    if not len(match):
        return
    runs, apart = np.diff(match, prepend=-1) - 1, start - heard[match]
    limit = 1 << (SHIFT_BITS - 1)
    shift = int(np.clip(np.sort(apart)[len(apart) // 2], -limit, limit - 1))
    late = np.array([zigzag(value) for value in (apart - shift).tolist()])
    parameters = best_rice(runs), best_rice(late)
    writer.put(parameters[0], 5)
    writer.put(parameters[1], 5)
    writer.put(shift & (2 * limit - 1), SHIFT_BITS)
    for run, value in zip(runs.tolist(), late.tolist(), strict=True):
        writer.put_rice(run, parameters[0])
        writer.put_rice(value, parameters[1])


def take_matches(reader: FieldReader) -> list[tuple[int, int]]:
    """The inverse of `pack_matches`: number of the peer's window, and frames from it. Raises `CorruptError`."""
    count = reader.take_gamma()
    if not count:
        return []
    parameters = [min(reader.take(5), MAX_RICE) for _ in range(2)]
    shift = reader.take(SHIFT_BITS)
    shift -= (shift >> (SHIFT_BITS - 1)) << SHIFT_BITS
    made, at = [], -1
    for _ in range(count):
        at += 1 + reader.take_rice(parameters[0])
        made.append((at, shift + unzigzag(reader.take_rice(parameters[1]))))
    return made


def place(windows: Windows, match: np.ndarray, heard: np.ndarray, order_level: np.ndarray) -> np.ndarray:
    """Starts of windows, in place of frames from a peer's window and of gaps; the order in which they then lie.

    Parameters
    ----------
    windows : of each channel first those that go with others, then those by gaps
    match : int64 [windows], the number of the peer's window, or -1
    heard : int64 [channels], the first channel that each hears; -1 for none
    order level : int64 [channels]

    Raises `CorruptError` where a peer has no such window.
    """
    order = np.arange(len(windows))
    used, first = np.unique(windows.channel, return_index=True)
    spans = dict(zip(used.tolist(), zip(first.tolist(), [*first[1:].tolist(), len(windows)]), strict=True))
    for channel in sorted(spans, key=lambda channel: int(order_level[channel])):
        own = slice(*spans[channel])
        start, length, matched = windows.start[own], windows.length[own], match[own] >= 0
        count = int(matched.sum())
        start[count:] = np.cumsum(start[count:] + length[count:]) - length[count:]
        if count:
            reference = windows.start[order[slice(*spans.get(int(heard[channel]), (0, 0)))]]
            if match[own].max() >= len(reference):
                raise CorruptError("a window goes with one that is not there")
            start[:count] += reference[match[own][:count]]
        order[own] = own.start + np.argsort(start, kind="stable")
    return order
