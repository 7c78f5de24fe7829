"""Keep a link's bit rate over time: a bucket of bytes that fills steadily and that blocks are taken from."""

from __future__ import annotations

from collections import deque

SECONDS = 1.0
"""Time for which bytes are saved up at most, and over which the bit rate is reported."""
_SHARE = 4
"""Errors grow for more than this part of what is there, and more than has come in since the last block."""


class TokenBucket:
    """Limits the bytes of blocks.

    Parameters
    ----------
    bit_rate : bit/s
    sample_rate : Hz
    overhead : bytes of a packet besides its chunk
    every, more : the first of `every` packets has `more` bytes besides

    Attributes
    ----------
    highest : bit/s in the fullest second so far
    """

    def __init__(self, bit_rate: float, sample_rate: float, overhead: int = 0, every: int = 1, more: int = 0):
        self._income, self._capacity = bit_rate / sample_rate / 8, bit_rate * SECONDS / 8
        self._overhead, self._every, self._more, self._number = overhead, every, more, 0
        self._sample_rate, self._tokens = sample_rate, 0.0
        self._recent: deque[tuple[int, int]] = deque()
        self._frames, self._bytes = 0, 0
        self.highest = 0.0

    def allowance(self, frames: int) -> tuple[int, int]:
        """Return the bytes that the chunk of the next block should have at most, and that it may have."""
        income, packet = self._income * frames, self._packet
        self._tokens = min(self._tokens + income, max(self._capacity, income))
        likely = max(income, self._tokens / _SHARE)
        return max(int(likely - packet), 0), max(int(self._tokens - packet), 0)

    def spend(self, size: int, frames: int) -> None:
        """Take the bytes of a block's chunk, and of its packet."""
        size += self._packet
        self._number += 1
        self._tokens -= size
        self._recent.append((frames, size))
        self._frames, self._bytes = self._frames + frames, self._bytes + size
        while self._frames - self._recent[0][0] >= SECONDS * self._sample_rate:
            gone = self._recent.popleft()
            self._frames, self._bytes = self._frames - gone[0], self._bytes - gone[1]
        if self._frames >= SECONDS * self._sample_rate:
            self.highest = max(self.highest, 8 * self._bytes * self._sample_rate / self._frames)

    @property
    def _packet(self) -> int:
        """Bytes of the next packet besides its chunk."""
        return self._overhead + self._more * (self._number % self._every == 0)

    @property
    def has_room(self) -> bool:
        """Whether more than half of what can be saved up is there."""
        return self._tokens > self._capacity / 2
