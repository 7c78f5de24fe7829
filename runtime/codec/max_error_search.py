"""The smallest bound of the error that keeps a chunk within a budget of bytes."""

from __future__ import annotations

import math

from ..core.near_lossless import MAX_ERROR

_QUICK_ROUNDS = 4


class BoundSearch:
    """The search for one chunk's bound: by the rule that a bin of twice the width takes a bit less, then by halving.

    It begins without a loss, which may take less than small bounds: bins don't keep what values have in common.
    """

    def __init__(self, budget: int, samples: int) -> None:
        self._budget, self._samples, self._rounds = budget, samples, 0
        self._low, self._high = -1, MAX_ERROR + 1
        self.payload = b""
        self.guess = 0

    @property
    def settled(self) -> bool:
        """Whether `payload` is final."""
        return self._high - self._low == 1

    def learn(self, payload: bytes) -> None:
        """Take the payload under `guess` into account."""
        excess = 8 * (len(payload) - self._budget) / self._samples
        step = 2 * self.guess + 1
        if excess <= 0:
            self._high, self.payload = self.guess, payload
        else:
            self._low = self.guess
            if self.guess == MAX_ERROR:
                self.payload = payload
        self._rounds += 1
        if self._rounds <= _QUICK_ROUNDS:
            self.guess = self._bounded(excess, step)
        else:
            self.guess = (self._low + self._high) // 2

    def _bounded(self, bits: float, step: int) -> int:
        """The bound at which a sample takes so many bits less than with bins of `step`, within what is still open."""
        wanted = (step * 2.0 ** min(bits, 16) - 1) / 2
        return int(min(max(math.ceil(wanted), self._low + 1), self._high - 1))
