"""Chunks within a budget of bytes: the smallest bound of the error that keeps them there.

Every chunk has its share of the rate to itself, so that the rate holds for each of them and not only for the whole
recording: what a radio link needs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..container.header import BLOCK_OVERHEAD
from ..core.errors import RateError, UsageError

FILE_COST = 128
"""Bytes of a file besides chunks, foreign bytes, model and metadata, at most: magic, version, header, end block."""
_CHUNK_COST = BLOCK_OVERHEAD + 8
"""Bytes of a chunk besides its payload: its block, its entry in the index."""


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
    sample_rate: float
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


def bit_rate(size: int, frames: int, sample_rate: float) -> float:
    """Return the bits per second of `size` bytes over the time of a recording; 0 if it has no frames."""
    return 8 * size * sample_rate / frames if frames else 0.0
