"""Packets in, frames out; what is missing is said, never made up."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from ..core.errors import CorruptError, ModelError
from ..predictor import model as models
from ..predictor.model import Model
from ..predictor.recurrent import stateless
from .group_decoder import GroupDecoder
from .packets import SEQUENCES, Description, Packet, PacketReader
from .spikes import SpikeGroupDecoder, mask

_PATIENCE = 64
"""Blocks that a group of channels may be behind another one before its packets count as lost."""


@dataclass(frozen=True)
class Event:
    """Something that went wrong, or is worth knowing.

    kind : "missing": `frames` frames from `first` on were lost or can't be decoded; "damaged": `count` bytes belong to
        no packet; "undecodable": a packet is good but can't be decoded; "late": a packet came twice or too late;
        "foreign": a packet is of another stream; "truncated": the bytes end without the stream's last packet
    first, frames : what is missing; 0, 0 for other kinds
    count : bytes
    text : the same for people
    """

    kind: str
    text: str
    first: int = 0
    frames: int = 0
    count: int = 0


class StreamDecoder:
    """Decodes packets as they come, in any pieces.

    Parameters
    ----------
    model : name, path or bytes of the model, where it is not a shipped one
    join : whether to begin with the first block that can be decoded, without regarding earlier ones as missing
    stream : number of the stream, None for that of the first packet
    masks : whether `masks` shall be filled

    Attributes
    ----------
    description : Description of the stream's first group, None until it is known
    events : list of Event, in order; take away what you have seen
    complete : whether the last packet has come
    missing : frames that are missing so far
    masks : list of (number of the first frame, bool [frames, channels]) of the blocks that `push` and `finish` gave:
        which samples are within the bound, all of them but in activity mode; take away what you have seen
    """

    def __init__(
        self,
        *,
        model: str | os.PathLike | bytes | None = None,
        join: bool = False,
        stream: int | None = None,
        masks: bool = False,
    ):
        self.description: Description | None = None
        self.events: list[Event] = []
        self.complete = False
        self.missing = 0
        self.masks: list[tuple[int, np.ndarray]] = []
        self._given = None if model is None else models.load(model)
        self._join, self._stream = join, stream
        self._reader = PacketReader()
        self._groups: dict[int, GroupDecoder] = {}
        self._reach: defaultdict[int, int] = defaultdict(int)
        """For each group, the sequence number behind its newest packet."""
        self._blocks: dict[int, dict[int, np.ndarray]] = {}
        self._block_masks: dict[int, dict[int, np.ndarray]] | None = {} if masks else None
        self._next = 0
        self._end: int | None = None
        """Frames of the stream, once its last packet has come."""

    def push(self, data: bytes) -> list[tuple[int, np.ndarray]]:
        """Take bytes; (number of the first frame, samples int16 [frames, channels]) of all blocks that are complete.

        Raises
        ------
        ModelError, CorruptError
            Nothing more can be decoded: the model is not here, or it computes something else than in the encoder.
        """
        self._reader.push(data)
        out: list[tuple[int, np.ndarray]] = []
        started: list[tuple[Packet, int]] = []
        while (packet := self._reader.next()) is not None:
            self._skipped()
            if packet.key and self.description is None:
                out += self._finished(started)
            sequence = self._start(packet)
            if sequence is not None:
                started.append((packet, sequence))
        self._skipped()
        return out + self._finished(started)

    def _finished(self, started: list[tuple[Packet, int]]) -> list[tuple[int, np.ndarray]]:
        """Blocks that are complete, once the packets whose decoding has begun are decoded."""
        for packet, sequence in sorted(started, key=lambda one: self._groups[one[0].group].elsewhere):
            self._end_of(packet, sequence)
        started.clear()
        return self._ready(final=False)

    def finish(self) -> list[tuple[int, np.ndarray]]:
        """No more bytes will come: what is left, as `push` gives it."""
        out = []
        while self._reader.finish():
            self._skipped()
            out += self.push(b"")
        out += self._ready(final=True)
        if not self.complete:
            self._note("truncated", "the stream ends without its last packet")
        return out

    def _note(self, kind: str, text: str, **values: int) -> None:
        self.events.append(Event(kind, text, **values))

    def _skipped(self) -> None:
        count, self._reader.skipped = self._reader.skipped, 0
        if not count or self._join and self._stream is None:
            return
        if self.events and self.events[-1].kind == "damaged":
            count += self.events.pop().count
        self._note("damaged", f"{count} bytes belong to no packet", count=count)

    def _start(self, packet: Packet) -> int | None:
        """Begin to decode a packet; its sequence number, None if it has nothing to be decoded."""
        self._stream = packet.stream if self._stream is None else self._stream
        if packet.stream != self._stream:
            self._note("foreign", f"a packet of stream {packet.stream}, in stream {self._stream}")
            return None
        if packet.key and not self._introduced(packet):
            return None
        behind = self._reach[packet.group]
        sequence = behind + (packet.sequence - behind + SEQUENCES // 2) % SEQUENCES - SEQUENCES // 2
        if sequence < max(behind, self._next if self.description else 0):
            self._note("late", f"block {sequence} came twice or too late")
            return None
        self._reach[packet.group] = sequence + 1
        if packet.group not in self._groups:
            return None
        if packet.last and not packet.key:
            self._end = sequence * self.description.block + int.from_bytes(packet.payload[:2], "little")
        self._groups[packet.group].start(packet, sequence)
        return sequence

    def _end_of(self, packet: Packet, sequence: int) -> None:
        """Keep the samples of a packet whose decoding has begun."""
        try:
            samples = self._groups[packet.group].result()
        except CorruptError as error:
            self._note("undecodable", f"block {sequence}: {error}")
            return
        if samples is None:
            return
        if self._join:
            self._join, self._next = False, sequence
        self._blocks.setdefault(sequence, {})[packet.group] = samples
        if self._block_masks is not None:
            description = self._groups[packet.group].description
            self._block_masks.setdefault(sequence, {})[packet.group] = mask(packet, description, len(samples))
        if packet.last:
            self._end = sequence * self.description.block + len(samples)

    def _introduced(self, packet: Packet) -> bool:
        """Whether a key packet is of the stream that is being decoded; the first one says what that is."""
        try:
            description, _ = Description.parse(packet.payload)
        except CorruptError as error:
            self._note("undecodable", str(error))
            return False
        if self.description is None:
            if self._given is not None and self._given.identity != description.model:
                raise ModelError(f"made with model {description.model.hex()}; the one given is another one")
            self._model = stateless(self._given or models.find(description.model))
            self.description = description
        known = self._groups.get(packet.group)
        if not description.same_stream(self.description) or packet.group >= description.groups:
            self._note("foreign", "a key packet describes another stream")
            return False
        if known is None:
            self._groups[packet.group] = self._decoder(packet.group, description)
        return True

    def _decoder(self, group: int, description: Description) -> GroupDecoder | SpikeGroupDecoder:
        return group_decoder(self._model, description)

    def _ready(self, final: bool) -> list[tuple[int, np.ndarray]]:
        """Blocks of which nothing more will come, in order."""
        if self.description is None:
            return []
        reached = [self._reach[group] for group in range(self.description.groups)]
        limit = max(reached) if final else max(min(reached), max(reached) - _PATIENCE)
        if self._join:
            return []
        out, size = [], self.description.block
        for sequence in sorted(number for number in self._blocks if number < limit):
            parts = self._blocks.pop(sequence)
            masks = self._block_masks.pop(sequence) if self._block_masks is not None else None
            if len(parts) < self.description.groups or sequence < self._next:
                continue
            self._lost(self._next, sequence)
            samples = _joined(parts)
            out.append((sequence * size, samples))
            if masks is not None:
                self.masks.append((sequence * size, _joined(masks)))
            self._next = sequence + 1
            self.complete |= self._end == sequence * size + len(samples)
        if limit > self._next:
            self._lost(self._next, limit)
            self._next = limit
        return out

    def _lost(self, first: int, last: int) -> None:
        """Blocks first..last-1 are missing."""
        if first >= last:
            return
        size = self.description.block
        begin, end = first * size, last * size
        if self._end is not None and self._end < end:
            end, self.complete = self._end, True
        frames = end - begin
        if not frames:
            return
        self.missing += frames
        previous = self.events[-1] if self.events else None
        if previous is not None and previous.kind == "missing" and previous.first + previous.frames == begin:
            self.events.pop()
            begin, frames = previous.first, previous.frames + frames
        text = f"frames {begin} to {begin + frames - 1} are missing"
        self._note("missing", text, first=begin, frames=frames)


def _joined(parts: dict[int, np.ndarray]) -> np.ndarray:
    """Channels of all groups side by side."""
    return np.concatenate([parts[group] for group in sorted(parts)], axis=1) if len(parts) > 1 else parts[0]


def group_decoder(model: Model, description: Description) -> GroupDecoder | SpikeGroupDecoder:
    """What decodes the packets of a group."""
    return (SpikeGroupDecoder if description.activity else GroupDecoder)(model, description)
