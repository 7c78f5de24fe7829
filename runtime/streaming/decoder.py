"""Packets in, frames out; what is missing is reported, never made up."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from ..core.errors import CorruptError, ModelError
from ..core.limits import whole
from ..predictor import model as models
from .framing import stream_number
from .ordering import BAD, LATE, RESTORED, Ordered, PacketOrder
from .packet_decoder import PacketDecoder
from .packets import Description, Packet, PacketReader
from .spikes import SpikePacketDecoder, mask

MAX_REORDER = 1 << 12


@dataclass(frozen=True)
class Event:
    """Something that went wrong.

    kind : "missing": `frames` frames from `first` on were lost or can't be decoded; "damaged": `count` bytes belong to
        no packet; "restored": `frames` frames from `first` on were lost, and came back through a parity packet;
        "undecodable": a packet is good but can't be decoded; "late": a packet came twice or too late; "foreign": a
        packet is of another stream; "truncated": the bytes end without the stream's last packet
    text : the same for people
    first, frames : what is missing or was restored; 0, 0 for other kinds
    count : bytes
    """

    kind: str
    text: str
    first: int = 0
    frames: int = 0
    count: int = 0


class StreamDecoder:
    """Decodes packets as they come, in any pieces.

    Blocks come out in order. Where one is missing, those behind it are kept back until it comes, is restored through
    parity, or is given up: when more than `reorder` later packets have come, and its parity group has ended.

    Parameters
    ----------
    model : name, path or bytes of the model, where it is not a shipped one
    join : whether to begin with the first block that can be decoded, without regarding earlier ones as missing
    stream : number of the stream, None for that of the first packet
    masks : whether `masks` shall be filled
    reorder : packets that may come before one that was sent earlier

    Raises
    ------
    UsageError

    Attributes
    ----------
    description : Description of the stream, None until it is known
    events : list of Event, in order; take away what you have seen
    complete : whether the last packet has come
    missing : frames that are missing so far
    masks : list of (number of the first frame, bool [frames, channels]) of the blocks that `push` and `finish` gave:
        which samples are within the bound, all of them but in spike mode; take away what you have seen
    """

    def __init__(
        self,
        *,
        model: str | os.PathLike | bytes | None = None,
        join: bool = False,
        stream: int | None = None,
        masks: bool = False,
        reorder: int = 0,
    ):
        reorder = whole(reorder, 0, MAX_REORDER, f"packets are reordered over 0 to {MAX_REORDER} others")
        if stream is not None:
            stream = stream_number(stream)
        self.description: Description | None = None
        self.events: list[Event] = []
        self.complete = False
        self.missing = 0
        self.masks: list[tuple[int, np.ndarray]] = []
        self._model = None if model is None else models.load(model)
        self._joining, self._stream, self._with_masks, self._reorder = join, stream, masks, reorder
        self._reader, self._expected = PacketReader(), 0
        self._order: PacketOrder | None = None
        self._decoder: PacketDecoder | SpikePacketDecoder | None = None
        self._total_frames: int | None = None
        """Frames of the stream, once its last packet has come."""

    def push(self, data: bytes) -> list[tuple[int, np.ndarray]]:
        """Take bytes.

        Returns
        -------
        list of (int, int16 [frames, channels])
            The blocks that are complete: the number of the first frame, and the samples.

        Raises
        ------
        ModelError, CorruptError
            Nothing more can be decoded: the model is not here, or it computes something else than in the encoder.
        """
        self._reader.push(data)
        blocks: list[tuple[int, np.ndarray]] = []
        while (packet := self._reader.next()) is not None:
            self._note_skipped()
            for ordered in self._ordered(packet):
                blocks += self._take(ordered)
        self._note_skipped()
        return blocks

    def finish(self) -> list[tuple[int, np.ndarray]]:
        """Return what is left, as `push` does, since no more bytes will come."""
        blocks = []
        while self._reader.finish():
            self._note_skipped()
            blocks += self.push(b"")
        for ordered in self._order.finish() if self._order is not None else ():
            blocks += self._take(ordered)
        if not self.complete:
            self._note("truncated", "the stream ends without its last packet")
        return blocks

    def _note(self, kind: str, text: str, **values: int) -> None:
        self.events.append(Event(kind, text, **values))

    def _note_skipped(self) -> None:
        count, self._reader.skipped = self._reader.skipped, 0
        if not count or self._joining and self._stream is None:
            return
        if self.events and self.events[-1].kind == "damaged":
            count += self.events.pop().count
        self._note("damaged", f"{count} bytes belong to no packet", count=count)

    def _ordered(self, packet: Packet) -> list[Ordered]:
        """Return the packets whose turn has come with one that arrives."""
        self._stream = packet.stream if self._stream is None else self._stream
        if packet.stream != self._stream:
            self._note("foreign", f"a packet of stream {packet.stream}, in stream {self._stream}")
            return []
        known = self.description is not None
        if packet.key and not self._introduced(packet) or self._joining and self.description is None:
            return []
        if (
            not known
            and packet.key
            and self._order
            and (self._order.group != packet.group or self._order.is_late(packet))
        ):
            self._order = None  # what came before was of another stream
        if self._order is None:
            self._order = PacketOrder(packet.group, self._reorder, packet.sequence if self._joining else 0)
        if packet.group != self._order.group:
            self._note("foreign", "a packet is of a stream with another parity")
            return []
        return self._order.push(packet)

    def _take(self, ordered: Ordered) -> list[tuple[int, np.ndarray]]:
        """Return the block of a packet, if it has one that can be decoded."""
        packet, sequence = ordered.packet, ordered.sequence
        if ordered.kind == RESTORED and packet.key and not self._introduced(packet) or self.description is None:
            return []
        if ordered.kind == LATE:
            self._note("late", f"block {sequence} came twice or too late")
        if ordered.kind == BAD:
            self._note("undecodable", f"the parity packet of the blocks from {sequence} on holds impossible values")
        if ordered.kind in (LATE, BAD):
            return []
        expected, self._expected = self._expected, sequence + 1
        first = sequence * self.description.block
        if packet.last and not packet.key:
            self._total_frames = first + int.from_bytes(packet.payload[:2], "little")
        self._lost(expected, sequence)
        samples = self._decoded(packet, sequence)
        if samples is None:
            self._lost(sequence, sequence + 1)
            return []
        if ordered.kind == RESTORED:
            text = f"frames {first} to {first + len(samples) - 1} were lost and restored"
            self._note("restored", text, first=first, frames=len(samples))
        self._joining = False
        if packet.last:
            self._total_frames, self.complete = first + len(samples), True
        return [(first, samples)]

    def _introduced(self, packet: Packet) -> bool:
        """Return whether a key packet is of the stream that is decoded; the first one decides which that is."""
        try:
            description = Description.parse(packet.payload)
        except CorruptError as error:
            self._note("undecodable", str(error))
            return False
        if self.description is None:
            if self._model is not None and self._model.identity != description.model:
                raise ModelError(f"made with model {description.model.hex()}; the one given is another one")
            self._decoder = self._decoder_of(description)
            self.description = description
        if description != self.description:
            self._note("foreign", "a key packet describes another stream")
            return False
        return True

    def _decoder_of(self, description: Description) -> PacketDecoder | SpikePacketDecoder:
        """Return what decodes the packets of a stream."""
        model = (self._model or models.find(description.model)).stateless()
        return (SpikePacketDecoder if description.spikes else PacketDecoder)(model, description)

    def _decoded(self, packet: Packet, sequence: int) -> np.ndarray | None:
        """Return a packet's samples, None where they can't be decoded."""
        if self._decoder is None or self.description is None:
            return None
        try:
            samples = self._decoder.decode(packet, sequence)
        except CorruptError as error:
            self._note("undecodable", f"block {sequence}: {error}")
            return None
        if samples is not None and self._with_masks:
            self.masks.append((sequence * self.description.block, mask(packet, self.description, len(samples))))
        return samples

    def _lost(self, first: int, end: int) -> None:
        """Count the blocks from `first` to `end` as missing."""
        if first >= end or self._joining or self.description is None:
            return
        size = self.description.block
        begin, end = first * size, end * size
        if self._total_frames is not None and self._total_frames < end:
            end, self.complete = self._total_frames, True
        frames = end - begin
        if frames <= 0:
            return
        self.missing += frames
        previous = self.events[-1] if self.events else None
        if previous is not None and previous.kind == "missing" and previous.first + previous.frames == begin:
            self.events.pop()
            begin, frames = previous.first, previous.frames + frames
        text = f"frames {begin} to {begin + frames - 1} are missing"
        self._note("missing", text, first=begin, frames=frames)
