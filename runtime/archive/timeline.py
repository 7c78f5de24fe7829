"""The chunks of a damaged file in the order of time, and the holes between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from ..batch.chunking import ChunkLength
from ..container.index import Index
from .block_search import Found

_MOST_IN_FRONT = 20
"""Blocks in front of the first chunk that may be missing, more than the limits of their contents allow."""


@dataclass
class Stretch:
    """Frames of the recording: those of a chunk, or a hole.

    block : None for a hole
    assumed : whether the number of frames is no more than likely
    """

    frames: int
    block: Found | None = None
    assumed: bool = False


@dataclass(frozen=True)
class Evidence:
    """What is known of the chunks besides those that were found.

    index : from the end of the file
    total : frames of the recording, by the header
    ahead : least sequence number that the first chunk can have
    needed : blocks that are known to be missing between the last one found in front of the chunks and the first chunk
    behind : sequence number of the block behind the last chunk; the greatest that it can have where `exact` is false
    exact : whether it has just this one
    """

    index: Index | None
    total: int | None
    ahead: int
    needed: int
    behind: int | None
    exact: bool


@dataclass
class Timeline:
    """Chunks and holes.

    first : sequence number of the first chunk, lost ones included
    blocks : number of chunks, lost ones included; None where it is not certain
    open_end : whether more may have followed, how much is not known
    """

    stretches: list[Stretch]
    first: int
    blocks: int | None
    open_end: bool = False


Chunks = dict[int, tuple[Found, int]]
"""Chunks that were found, by sequence number, and their frames."""


def arrange(chunks: Chunks, known: Evidence) -> Timeline:
    """Put the chunks that were found in their places.

    With the index, all is certain. Without it, the recording was cut as `ChunkLength.plan` says, if the chunks agree
    with that; else what is missing by sequence numbers has the usual length, and the last hole the rest of the total.
    """
    if known.index is not None:
        first = _place(chunks, known.index.frames, known, known.index.sizes)
        if first is not None:
            return _by_frames(chunks, first, known.index.frames, known.index.sizes)
    usual = Counter(frames for _, frames in chunks.values()).most_common(1)
    if usual and known.total is not None:
        plan = ChunkLength(usual[0][0], max(1, usual[0][0] * 5 // 4)).plan(known.total)
        first = _place(chunks, plan, known)
        if first is not None and _matches(chunks, first, plan) == len(chunks):
            found = _by_frames(chunks, first, plan)
            _mark(found.stretches)
            return found
    return _by_numbers(chunks, usual[0][0] if usual else 0, known)


def _place(chunks: Chunks, frames: Sequence[int], known: Evidence, sizes: Sequence[int] | None = None) -> int | None:
    """Return the sequence number of the first chunk that agrees best with those found; None if none is possible."""
    likely = known.ahead + known.needed
    possible: Iterable[int] = range(known.ahead, likely + _MOST_IN_FRONT)
    if known.behind is not None:
        most = known.behind - len(frames)
        possible = [first for first in possible if (first == most if known.exact else first <= most)]
    return max(
        possible,
        key=lambda first: (_matches(chunks, first, frames, sizes), -abs(first - likely)),
        default=None,
    )


def _matches(chunks: Chunks, first: int, frames: Sequence[int], sizes: Sequence[int] | None = None) -> int:
    return sum(_fits(sequence - first, *chunk, frames, sizes) for sequence, chunk in chunks.items())


def _fits(number: int, block: Found, frames: int, expected: Sequence[int], sizes: Sequence[int] | None) -> bool:
    if not 0 <= number < len(expected) or expected[number] != frames:
        return False
    return sizes is None or sizes[number] == block.end - block.offset


def _by_frames(chunks: Chunks, first: int, frames: Sequence[int], sizes: Sequence[int] | None = None) -> Timeline:
    """Return the timeline where the frames of all chunks are known."""
    stretches = []
    for number, count in enumerate(frames):
        chunk = chunks.get(first + number)
        there = chunk is not None and _fits(number, *chunk, frames, sizes)
        stretches.append(Stretch(count, chunk[0] if there and chunk is not None else None))
    return Timeline(stretches, first, len(frames))


def _by_numbers(chunks: Chunks, usual: int, known: Evidence) -> Timeline:
    """Return the timeline where nothing but sequence numbers tells what is missing."""
    first = min([known.ahead + known.needed, *chunks])
    stop = 1 + max(chunks, default=first - 1)
    if chunks and known.behind is not None:
        stop = max(stop, known.behind)
    stretches = []
    for sequence in range(first, stop):
        block, frames = chunks.get(sequence, (None, usual))
        stretches.append(Stretch(frames, block, block is None))
    if known.total is None:
        return Timeline(stretches, first, None, known.behind is None or (not chunks and known.behind > first))
    holes = [stretch for stretch in stretches if stretch.block is None]
    rest = known.total - sum(stretch.frames for stretch in stretches if stretch.block is not None)
    if known.behind is None or not holes:  # an end that is missing takes what is left
        holes.append(Stretch(0))
        stretches.append(holes[-1])
    for left, hole in zip(range(len(holes), 0, -1), holes, strict=True):
        hole.frames = rest if left == 1 else min(usual, rest // left)
        rest -= hole.frames
    stretches = [stretch for stretch in stretches if stretch.frames > 0]
    _mark(stretches)
    return Timeline(stretches, first, None)


def _mark(stretches: list[Stretch]) -> None:
    """Note that the lengths of holes are assumed, unless there is just one, whose length the total tells."""
    holes = [list(run) for hole, run in groupby(stretches, lambda stretch: stretch.block is None) if hole]
    for run in holes:
        for stretch in run:
            stretch.assumed = len(holes) > 1


def usable(index: Index | None, channels: int, total: int | None) -> bool:
    """Tell whether an index can be that of a recording."""
    return index is not None and index.fits(channels) and total in (None, index.total)
