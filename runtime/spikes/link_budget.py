"""Keep a link's bit rate: no second of packets has more bytes than the link takes in a second."""

from __future__ import annotations

from collections import deque

_FLOOR = 0.75
"""Share of its even part of a second that each of the following packets may count on."""
_EASE = 0.5
"""Share of what a packet may take, beyond which errors grow, if it is also more than its even part."""


class LinkBudget:
    """Limits the bytes of blocks, so that those of any packets that come within less than a second fit the bit rate.

    A packet may take what the packets of the last second leave, less what the following ones may count on. So a burst
    takes several times the even part, and the packets behind it are not starved.

    Parameters
    ----------
    bit_rate : bit/s
    sample_rate : Hz
    block : frames of a block, with the end of which its packet comes; the last one counts as a whole one
    overhead : bytes of a packet besides its chunk, at most
    every, more : the first of `every` packets has `more` bytes besides

    Attributes
    ----------
    highest : bits in the fullest second so far
    """

    def __init__(
        self, bit_rate: float, sample_rate: float, block: int, overhead: int = 0, every: int = 1, more: int = 0
    ):
        packets = -(-int(sample_rate) // block)
        self._bytes = int(bit_rate / 8)
        self._even = self._bytes / packets
        self._overhead, self._every, self._more, self._number = overhead, every, more, 0
        self._recent: deque[int] = deque([0] * (packets - 1), packets - 1)
        self.highest = 0

    def allowance(self) -> tuple[int, int]:
        """Return the bytes that the chunk of the next block should have at most, and that it may have."""
        left, free = self._bytes - sum(self._recent), float("inf")
        for following, gone in enumerate([*self._recent, 0]):
            free = min(free, left - following * _FLOOR * self._even)
            left += gone
        likely = max(min(self._even, free), _EASE * free)
        return max(int(likely) - self._packet, 0), max(int(free) - self._packet, 0)

    def spend(self, size: int) -> None:
        """Take the bytes of a block's chunk, and of its packet."""
        size += self._packet
        self._number += 1
        self.highest = max(self.highest, 8 * (sum(self._recent) + size))
        self._recent.append(size)

    @property
    def _packet(self) -> int:
        """Bytes of the next packet besides its chunk."""
        return self._overhead + self._more * (self._number % self._every == 0)
