"""A simulated radio link, to try streams with: the same losses for each seed."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from ..core.errors import UsageError

_MOST_BITS = 8
"""Bits that are wrong in a damaged packet, at most."""


class Radio:
    """Carries packets, not all of them well.

    Parameters
    ----------
    lost, doubled, damaged, reordered : shares of packets, 0..1, that do not arrive, arrive twice, arrive with 1 to 8
        wrong bits, or arrive behind later ones
    distance : packets that overtake a reordered one, at most
    bit_rate : bit/s that go through; packets queue up where they are more
    delay : seconds from a packet's last bit to its arrival
    seed : of what happens

    Attributes
    ----------
    counts : Counter of packets by what happened: "sent", "lost", "doubled", "damaged", "reordered"

    Raises
    ------
    UsageError
    """

    def __init__(
        self,
        *,
        lost: float = 0.0,
        doubled: float = 0.0,
        damaged: float = 0.0,
        reordered: float = 0.0,
        distance: int = 3,
        bit_rate: float = math.inf,
        delay: float = 0.0,
        seed: int = 0,
    ):
        self._shares = {"lost": lost, "doubled": doubled, "damaged": damaged, "reordered": reordered}
        if not all(0 <= share <= 1 for share in self._shares.values()):
            raise UsageError("shares of packets are from 0 to 1")
        if distance < 1 or not bit_rate > 0 or not 0 <= delay < math.inf:
            raise UsageError("a radio's distance is from 1 on, its bit rate above 0, and its delay not negative")
        self.counts: Counter[str] = Counter()
        self._distance, self._bit_rate, self._delay = distance, bit_rate, delay
        self._random = np.random.default_rng(seed)
        self._free = 0.0
        """When the last bit of all packets so far is sent, in seconds."""
        self._held: list[tuple[int, bytes]] = []
        """Packets that are overtaken, and the number of the packet behind which each arrives."""

    def send(self, packet: bytes, time: float = 0.0) -> list[tuple[float, bytes]]:
        """Take a packet at a time in seconds; return what arrives from now on, and when, in order."""
        number = self.counts["sent"]
        self.counts["sent"] += 1
        self._free = max(self._free, time) + 8 * len(packet) / self._bit_rate
        happens = {kind for kind, share in self._shares.items() if self._random.random() < share}
        if "lost" in happens:
            happens, copies = {"lost"}, 0
        else:
            copies = 1 + ("doubled" in happens)
        self.counts.update(happens)
        if "damaged" in happens:
            packet = self._damaged(packet)
        if "reordered" in happens:
            due = number + int(self._random.integers(1, self._distance + 1))
            self._held += [(due, packet)] * copies
            copies = 0
        arrived = [packet] * copies + [held for due, held in self._held if due <= number]
        self._held = [(due, held) for due, held in self._held if due > number]
        return self._arrive(arrived)

    def finish(self) -> list[tuple[float, bytes]]:
        """Return what is still on the way."""
        arrived = [packet for _, packet in sorted(self._held, key=lambda held: held[0])]
        self._held = []
        return self._arrive(arrived)

    def _arrive(self, packets: list[bytes]) -> list[tuple[float, bytes]]:
        return [(self._free + self._delay, packet) for packet in packets]

    def _damaged(self, packet: bytes) -> bytes:
        made = bytearray(packet)
        count = int(self._random.integers(1, _MOST_BITS + 1))
        for bit in self._random.choice(8 * len(made), min(count, 8 * len(made)), replace=False).tolist():
            made[bit >> 3] ^= 1 << (bit & 7)
        return bytes(made)
