"""Parity packets, with each of which a decoder restores one lost packet of a group: docs/format.md section 11.5."""

from __future__ import annotations

import math
import struct
import zlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ..core.errors import CorruptError, UsageError
from .packets import MAX_GROUP, SEQUENCES, Packet, of_flags, parse

_HEAD = struct.Struct("<BI")
_RECORD = struct.Struct("<B3sI")
_ROOM = 1.25
"""Packets of a group under a target rate have about the same size; its longest is mostly within this of the mean."""


class Encoder(Protocol):
    """Encodes a stream; see `StreamEncoder`."""

    channels: int
    block: int

    def push(self, frames: np.ndarray) -> list[bytes]:
        """Take frames; return packets."""

    def finish(self) -> list[bytes]:
        """Return the last packets."""


class RateShare:
    """What parity packets may take of a target rate.

    Parameters
    ----------
    target_rate : bit/s of all packets
    packets : blocks a second
    every : packets of a group

    Attributes
    ----------
    packets_rate : bit/s that is left for the other packets
    """

    def __init__(self, target_rate: float, packets: float, every: int) -> None:
        each = math.ceil(packets / every)
        self.packets_rate = target_rate * packets / (packets + _ROOM * each)
        self._most, self._window = (target_rate - self.packets_rate) / 8, math.ceil(packets)
        self._blocks = 0
        self._recent: deque[tuple[int, int]] = deque()

    def take(self, size: int, blocks: int) -> bool:
        """Return whether a parity packet of that many bytes may be sent, so many blocks behind the last question."""
        self._blocks += blocks
        while self._recent and self._recent[0][0] <= self._blocks - self._window:
            self._recent.popleft()
        if sum(taken for _, taken in self._recent) + size > self._most:
            return False
        self._recent.append((self._blocks, size))
        return True


class ParityEncoder:
    """Adds parity packets to those of an encoder.

    Parameters
    ----------
    encoder : StreamEncoder or SpikeStreamEncoder at its start
    every : packets of a group, 1..31
    share : what parity packets may take; those that would take more are left out. None for no limit

    Attributes
    ----------
    channels, block : those of the encoder
    packets, size : parity packets so far, and their bytes
    left_out : parity packets that were left out

    Raises
    ------
    UsageError
    """

    def __init__(self, encoder: Encoder, every: int, share: RateShare | None = None) -> None:
        if every != int(every) or not 1 <= every <= MAX_GROUP:
            raise UsageError(f"parity every {every} packets; possible are 1 to {MAX_GROUP}")
        self.channels, self.block = encoder.channels, encoder.block
        self.packets = self.size = self.left_out = 0
        self._encoder, self._every, self._share = encoder, every, share
        self._group: list[Packet] = []

    def push(self, frames: np.ndarray) -> list[bytes]:
        """Take int16 [frames, channels]; return the packets of complete blocks, and of complete groups."""
        return self._add(self._encoder.push(frames))

    def finish(self) -> list[bytes]:
        """Return the packets of what is left, and of the last group."""
        return self._add(self._encoder.finish())

    def report(self) -> str:
        """Return a summary of the stream so far."""
        text = f"{self.packets} parity packets, {self.size} bytes"
        return text + (f"; {self.left_out} left out to keep the rate" if self.left_out else "")

    def _add(self, packets: list[bytes]) -> list[bytes]:
        made = []
        for data in packets:
            packet = replace(parse(data), group=self._every)
            made.append(packet.pack())
            self._group.append(packet)
            if packet.last or packet.sequence + 1 == end_of_group(packet.sequence, self._every):
                made += self._parity()
        return made

    def _parity(self) -> list[bytes]:
        """Return the parity packet of the group, which has ended; none where it would take too much."""
        data, blocks = parity_of(self._group).pack(), len(self._group)
        self._group.clear()
        if self._share is not None and not self._share.take(len(data), blocks):
            self.left_out += 1
            return []
        self.packets, self.size = self.packets + 1, self.size + len(data)
        return [data]


def start_of_group(sequence: int, every: int) -> int:
    """Return the first block of a block's group; blocks are groups of their own where `every` is 0."""
    return sequence - sequence % SEQUENCES % max(every, 1)


def end_of_group(sequence: int, every: int) -> int:
    """Return the block behind a block's group. A group ends where sequences wrap."""
    first = start_of_group(sequence, every)
    return min(first + max(every, 1), first - first % SEQUENCES + SEQUENCES)


def parity_of(group: list[Packet]) -> Packet:
    """Return the parity packet of a group's packets, in their order."""
    records = [_record(packet) for packet in group]
    size = max(map(len, records))
    bits = 0
    for record in records:
        bits ^= int.from_bytes(record, "little")
    payload = _HEAD.pack(len(group), _check(records)) + bits.to_bytes(size, "little")
    return replace(group[0], key=False, last=False, parity=True, payload=payload)


def _record(packet: Packet) -> bytes:
    """Return what is needed to restore a packet besides its number: flags, length, CRC, payload."""
    crc = int.from_bytes(packet.pack()[-4:], "little")
    return _RECORD.pack(packet.flags, len(packet.payload).to_bytes(3, "little"), crc) + packet.payload


def _check(records: list[bytes]) -> int:
    """Return the CRC of the packets' CRCs: the XOR of packets of one length proves nothing, since CRCs are linear."""
    return zlib.crc32(b"".join(record[4:8] for record in records))


@dataclass(frozen=True)
class Parity:
    """The contents of a parity packet.

    packet : Packet
    count : packets of the group
    check : CRC-32 of their CRCs
    bits : XOR of their records
    """

    packet: Packet
    count: int
    check: int
    bits: bytes

    @classmethod
    def parse(cls, packet: Packet) -> Parity:
        """Parse a good parity packet. Raises `CorruptError`."""
        if len(packet.payload) < _HEAD.size + _RECORD.size:
            raise CorruptError("a parity packet is too short")
        count, check = _HEAD.unpack_from(packet.payload)
        first, end = packet.sequence, end_of_group(packet.sequence, packet.group)
        if first != start_of_group(first, packet.group) or not 1 <= count <= end - first:
            raise CorruptError("a parity packet holds impossible values")
        return cls(packet, count, check, packet.payload[_HEAD.size :])

    def restore(self, packets: Mapping[int, Packet], lost: int) -> Packet:
        """Return the lost packet of the group, from the others by block.

        Raises
        ------
        CorruptError
            It is not one that was sent: parity and packets do not belong together.
        """
        first = start_of_group(lost, self.packet.group)
        records = {block: _record(packets[block]) for block in range(first, first + self.count) if block != lost}
        bits = int.from_bytes(self.bits, "little")
        for record in records.values():
            bits ^= int.from_bytes(record, "little")
        if bits.bit_length() > 8 * len(self.bits):
            raise CorruptError("a parity packet is shorter than a packet of its group")
        found = bits.to_bytes(len(self.bits), "little")
        flags, length, _ = _RECORD.unpack_from(found)
        end = _RECORD.size + int.from_bytes(length, "little")
        packet = of_flags(flags, self.packet.stream, lost % SEQUENCES, found[_RECORD.size : end])
        fits = packet.group == self.packet.group and not packet.parity and not any(found[end:])
        if not fits or _record(packet) != found[:end]:
            raise CorruptError("a restored packet is not one that was sent")
        records[lost] = found
        if _check([records[block] for block in sorted(records)]) != self.check:
            raise CorruptError("a parity packet is of other packets than those that came")
        return packet
