"""A link's rate kept over time: a bucket of bytes that fills steadily and that blocks are taken from."""

from __future__ import annotations

from collections import deque

SECONDS = 1.0
"""What is saved up at most, and the time over which the rate is reported."""
_SHARE = 4
"""For more than this part of what is there, and more than has come in since the last one, errors have to grow."""


class Bucket:
    """What blocks may take.

    Parameters
    ----------
    target : bits per second
    rate : Hz
    extra : bytes of a packet besides its chunk
    every, more : each so manieth packet, from the first on, has some more
    """

    def __init__(self, target: float, rate: int, extra: int = 0, every: int = 1, more: int = 0):
        self._income, self._capacity = target / rate / 8, target * SECONDS / 8
        self._extra, self._every, self._more, self._number = extra, every, more, 0
        self._rate, self._level = rate, 0.0
        self._recent: deque[tuple[int, int]] = deque()
        self._frames, self._bytes = 0, 0
        self.highest = 0.0
        """Bits per second in the fullest second so far."""

    def allowance(self, frames: int) -> tuple[int, int]:
        """Bytes that the chunk of the next block should have at most, and that it may have."""
        income, extra = self._income * frames, self._packet
        self._level = min(self._level + income, max(self._capacity, income))
        return tuple(max(int(size - extra), 0) for size in (max(income, self._level / _SHARE), self._level))

    def take(self, size: int, frames: int) -> None:
        """A block's chunk has so many bytes."""
        size += self._packet
        self._number += 1
        self._level -= size
        self._recent.append((frames, size))
        self._frames, self._bytes = self._frames + frames, self._bytes + size
        while self._frames - self._recent[0][0] >= SECONDS * self._rate:
            gone = self._recent.popleft()
            self._frames, self._bytes = self._frames - gone[0], self._bytes - gone[1]
        if self._frames >= SECONDS * self._rate:
            self.highest = max(self.highest, 8 * self._bytes * self._rate / self._frames)

    @property
    def _packet(self) -> int:
        """Bytes of the next packet besides its chunk."""
        return self._extra + self._more * (self._number % self._every == 0)

    @property
    def room(self) -> bool:
        """Whether there is more than half of what can be saved up."""
        return self._level > self._capacity / 2
