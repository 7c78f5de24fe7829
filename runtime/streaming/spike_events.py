"""Spikes of a stream in spike mode, straight from its packets: no waveform is decoded, and no model is needed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import spikes
from ..core.errors import CorruptError, UsageError
from ..spikes.payload import symbols
from .decoder import StreamDecoder
from .packets import Description, Packet
from .spikes import BITS, chunk_of


@dataclass(frozen=True)
class SpikeBlock:
    """The spikes of a block.

    first, frames : which frames of the stream it covers
    channel, frame : int64 [spikes], in order of time; the frame of each threshold crossing, from the stream's start on
    """

    first: int
    frames: int
    channel: np.ndarray
    frame: np.ndarray

    def __len__(self) -> int:
        return self.frames


@dataclass(frozen=True)
class SpikeCounts:
    """The spikes of a bin.

    first, frames : which frames of the stream it covers
    counts : int64 [channels]
    missing : how many of its frames were lost or have not come, so that spikes may be missing
    """

    first: int
    frames: int
    counts: np.ndarray
    missing: int


class SpikeEventDecoder(StreamDecoder):
    """Reads spikes from packets as they come, in any pieces; see `StreamDecoder` for what it does about losses.

    `push` and `finish` return `SpikeBlock` in place of samples. `CorruptError` where the stream is not in spike mode.
    """

    def _decoder_of(self, description: Description) -> Any:
        if not description.spikes:
            raise CorruptError("the stream is not in spike mode: it has no spikes of its own")
        return _EventPackets(description)


class _EventPackets:
    def __init__(self, description: Description):
        self._description = description
        symbols.prepare()

    def decode(self, packet: Packet, sequence: int) -> SpikeBlock:
        """Return the spikes of a packet. Raises `CorruptError`."""
        chunk, first = chunk_of(packet, self._description), sequence * self._description.block
        if not chunk:
            return SpikeBlock(first, 0, *np.zeros((2, 0), np.int64))
        frames, events = spikes.events(chunk, self._description.channels, BITS)
        order = np.argsort(events.frame, kind="stable")
        return SpikeBlock(first, frames, events.channel[order], first + events.frame[order])


class SpikeCounter:
    """Counts the spikes of channels in bins of equal length; bin k begins at the frame nearest to k times its length.

    Parameters
    ----------
    channels : int
    sample_rate : Hz
    width : seconds of a bin
    joined : whether the stream began before the first block: bins begin with that of its first frame

    Raises
    ------
    UsageError
    """

    def __init__(self, channels: int, sample_rate: float, width: float = 0.02, joined: bool = False):
        if not (math.isfinite(width) and width * sample_rate >= 1):
            raise UsageError(f"a bin of {width} s has no frame of its own at {sample_rate} Hz")
        self._frames, self._number, self._end = width * sample_rate, 0, 0
        self._joined = joined
        self._counts, self._seen = np.zeros(channels, np.int64), 0

    def add(self, block: SpikeBlock) -> list[SpikeCounts]:
        """Take the next block; return the bins that are complete with it."""
        done, at, end = [], block.first, block.first + block.frames
        if self._joined:
            self._number, self._joined = math.ceil((at + 0.5) / self._frames) - 1, False
        while at < end:
            edge = self._edge(self._number + 1)
            if edge <= at:
                done.append(self._close(edge))
                continue
            stop = min(edge, end)
            inside = (block.frame >= at) & (block.frame < stop)
            self._counts += np.bincount(block.channel[inside], minlength=len(self._counts))
            self._seen += stop - at
            at = stop
            if at == edge:
                done.append(self._close(edge))
        self._end = max(self._end, end)
        return done

    def finish(self) -> list[SpikeCounts]:
        """Return the last bin, which is shorter, if there is one."""
        begin = self._edge(self._number)
        return [self._close(self._end)] if self._end > begin else []

    def _edge(self, number: int) -> int:
        return math.floor(number * self._frames + 0.5)

    def _close(self, end: int) -> SpikeCounts:
        begin = self._edge(self._number)
        made = SpikeCounts(begin, end - begin, self._counts.copy(), end - begin - self._seen)
        self._counts[:], self._seen = 0, 0
        self._number += 1
        return made
