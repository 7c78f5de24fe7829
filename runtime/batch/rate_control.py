"""Chunks within a budget of bytes: the smallest bound of the error that keeps them there.

Every chunk has its share of the rate to itself, so that the rate holds for each of them and not only for the whole
recording: what a radio link needs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..codec import codec
from ..container.header import BLOCK_OVERHEAD
from ..core.errors import RateError, UsageError
from ..core.near_lossless import MAX_ERROR
from ..predictor.model import Model

FILE_COST = 128
"""Bytes of a file besides chunks and foreign bytes, at most: magic, version, header, end block."""
_CHUNK_COST = BLOCK_OVERHEAD + 8
"""Bytes of a chunk besides its payload: its block, its entry in the index."""
_LOSSLESS_BITS = 4.5
"""What a sample of the implant costs without a bound; the first guess follows from it."""
_QUICK_ROUNDS = 3


@dataclass
class Budget:
    """What the chunks of a recording may take.

    target : bits per second of all channels together, the file's other bytes included
    sample_rate : Hz
    frames : of the recording; None if unknown
    reserve : bytes that are needed besides the chunks: every chunk bears its share, or the first one does if it is not
        known how many there will be
    """

    target: float
    sample_rate: int
    frames: int | None
    reserve: int

    def __post_init__(self) -> None:
        if self.sample_rate == 0:
            raise UsageError("a target rate needs to know the recording's sample rate in Hz")

    def take(self, frames: int) -> int:
        """Return the bytes of payload for the next chunk; may be below 0."""
        share: float
        if self.frames is None:
            share, self.reserve = self.reserve, 0
        else:
            share = self.reserve * frames / self.frames
        return math.floor(self.target * frames / self.sample_rate / 8 - share) - _CHUNK_COST

    def check(self, size: int, frames: int) -> None:
        """Raise `RateError` if a file of `size` bytes is beyond the target."""
        achieved = bit_rate(size, frames, self.sample_rate)
        if achieved > self.target:
            raise RateError(
                f"{self.target:.0f} bit/s can't be met: with as much left out as there may be it still takes "
                f"{achieved:.0f} bit/s, {100 * (achieved / self.target - 1):.1f} % more; nothing was written"
            )


def check_target(target: float | None, max_error: int) -> None:
    """Refuse a target that is none, and a target beside a bound."""
    if target is not None and not (0 < target < math.inf):
        raise UsageError(f"a target rate is a number of bits per second above 0, not {target}")
    if target is not None and max_error:
        raise UsageError("a target rate picks the largest error itself: give only one of the two")


def bit_rate(size: int, frames: int, sample_rate: int) -> float:
    """Return the bits per second of `size` bytes over the time of a recording; 0 if it has no frames."""
    return 8 * size * sample_rate / frames if frames else 0.0


def encode_within(
    chunks: list[np.ndarray], model: Model, sample_bits: list[int], budgets: list[int], **options: object
) -> list[bytes]:
    """Encode chunks, each with the smallest bound by which it is within its budget, or else with the largest.

    Parameters are those of `codec.encode_chunks`; `budgets` are bytes of payload.
    """
    searches = [_Search(budget, samples.size) for budget, samples in zip(budgets, chunks, strict=True)]
    orders = options.pop("topology", [None] * len(chunks))
    while open_ := [i for i, search in enumerate(searches) if not search.settled]:
        some = {"topology": [orders[i] for i in open_], "max_error": [searches[i].guess for i in open_]}
        widths = [sample_bits[i] for i in open_]
        payloads = codec.encode_chunks([chunks[i] for i in open_], model, widths, **some, **options)
        for i, payload in zip(open_, payloads, strict=True):
            searches[i].learn(payload)
    return [search.payload for search in searches]


class _Search:
    """The search for one chunk's bound: by the rule that a bin of twice the width takes a bit less, then by halving."""

    def __init__(self, budget: int, samples: int) -> None:
        self._budget, self._samples, self._rounds = budget, samples, 0
        self._low, self._high = -1, MAX_ERROR + 1
        self.payload = b""
        self.guess = self._bounded(_LOSSLESS_BITS - 8 * budget / samples, 1)

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
        """Return the open bound at which a sample takes so many bits less than with bins of `step`."""
        wanted = (step * 2.0 ** min(bits, 16) - 1) / 2
        return int(min(max(math.ceil(wanted), self._low + 1), self._high - 1))
