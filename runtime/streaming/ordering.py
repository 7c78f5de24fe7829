"""Packets in the order of their blocks: late ones are put where they belong, lost ones restored where parity allows."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import CorruptError
from .packets import SEQUENCES, Packet
from .parity import Parity, end_of_group, start_of_group

RECEIVED, RESTORED, LATE, BAD = "received", "restored", "late", "undecodable"


@dataclass(frozen=True)
class Ordered:
    """A packet whose turn has come, or one that has none.

    kind : RECEIVED; RESTORED, from a parity packet; LATE, of a block that has come or was given up; BAD, a parity
        packet that can't be
    sequence : number of the block, without the wrap at 2^32
    packet : Packet
    """

    kind: str
    sequence: int
    packet: Packet


class PacketOrder:
    """Puts the packets of one stream in order.

    A missing packet is given up when more than `reorder` packets from behind its group have come. In streams without
    parity every packet is a group of its own.

    Parameters
    ----------
    group : packets of a parity group, 0 for no parity
    reorder : packets
    start : the first block
    """

    def __init__(self, group: int, reorder: int = 0, start: int = 0) -> None:
        self.group = group
        self._reorder, self._next = reorder, start
        self._newest: int | None = None
        self._waiting: dict[int, Packet] = {}
        self._restored: set[int] = set()
        """Blocks of those that wait and were restored."""
        self._past: dict[int, Packet] = {}
        """Packets of the next one's group that were given out."""
        self._parity: dict[int, Parity] = {}
        """By the group's first block."""

    def is_late(self, packet: Packet) -> bool:
        """Return whether a packet's block was given out or given up."""
        return self._extended(packet) < self._next

    def push(self, packet: Packet) -> list[Ordered]:
        """Take a packet; return those whose turn has come."""
        sequence = self._extended(packet)
        if packet.parity:
            if start_of_group(self._next, self.group) <= sequence:
                try:
                    self._parity[sequence] = Parity.parse(packet)
                except CorruptError:
                    return [Ordered(BAD, sequence, packet)]
            return self._released(False)
        if sequence < self._next or sequence in self._waiting:
            return [Ordered(LATE, sequence, packet)]
        self._newest = sequence if self._newest is None else max(self._newest, sequence)
        self._waiting[sequence] = packet
        return self._released(False)

    def finish(self) -> list[Ordered]:
        """Return what is left, since no more packets will come."""
        return self._released(True)

    def _extended(self, packet: Packet) -> int:
        """Return a packet's block number without the wrap: the one nearest to the newest."""
        newest = self._newest
        if newest is None:
            return packet.sequence
        return newest + (packet.sequence - newest + SEQUENCES // 2) % SEQUENCES - SEQUENCES // 2

    def _released(self, ending: bool) -> list[Ordered]:
        found: list[Ordered] = []
        while True:
            block = self._next
            if block in self._waiting:
                packet = self._waiting.pop(block)
                found.append(Ordered(RESTORED if block in self._restored else RECEIVED, block, packet))
                self._restored.discard(block)
                self._past[block] = packet
                self._advance(block + 1)
            elif not self._restore(block) and not self._give_up(block, ending):
                return found

    def _restore(self, block: int) -> bool:
        """Return whether a block that has not come could be restored."""
        first = start_of_group(block, self.group)
        parity = self._parity.get(first)
        if parity is None:
            return False
        others = self._past | self._waiting
        if [n for n in range(first, first + parity.count) if n not in others] != [block]:
            return False
        try:
            self._waiting[block] = parity.restore(others, block)
        except CorruptError:
            del self._parity[first]
            return False
        self._restored.add(block)
        return True

    def _give_up(self, block: int, ending: bool) -> bool:
        """Go on behind a block that has not come, if that is so by now; return whether it is."""
        end = end_of_group(block, self.group)
        behind = [n for part in (self._waiting, self._parity) for n in part if n >= end]
        if len(behind) <= self._reorder and not (ending and (self._waiting or behind)):
            return False
        same = [n for n in self._waiting if n < end]
        self._advance(min(same) if same else max(end, start_of_group(min(behind), self.group)))
        return True

    def _advance(self, block: int) -> None:
        self._next = block
        first = start_of_group(block, self.group)
        if first == block:
            self._past = {n: packet for n, packet in self._past.items() if n >= first}
            self._parity = {n: parity for n, parity in self._parity.items() if n >= first}
