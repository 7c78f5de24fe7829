"""How the frames of a stream are put into packets, as its caller asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..core.errors import UsageError
from ..core.limits import MAX_CHANNELS, real, whole
from .packets import MAX_BLOCK, MAX_BLOCK_SAMPLES, Description


class Framing(NamedTuple):
    """Frames of a stream in packets, in whole numbers.

    period : packets from one with which a decoder can join to the next
    """

    channels: int
    sample_rate: int
    block: int
    period: int
    stream: int

    @classmethod
    def of(
        cls,
        channels: int,
        sample_rate: float,
        block: int | None,
        resync: float,
        stream: int,
        default: Callable[[int, int], int],
    ) -> Framing:
        """Return what a caller asks for. Raises `UsageError` for a stream that can't be.

        Parameters
        ----------
        block : frames of a packet; None for what `default` gives for channels and sample rate
        resync : seconds between points where a decoder can join
        """
        channels = whole(channels, 1, MAX_CHANNELS, f"a stream has 1 to {MAX_CHANNELS} channels")
        sample_rate = whole(sample_rate, 1, (1 << 32) - 1, "the sample rate is a whole number of Hz from 1 on")
        most = min(MAX_BLOCK, MAX_BLOCK_SAMPLES // channels)
        block = default(channels, sample_rate) if block is None else block
        block = whole(block, 1, most, f"a block of {channels} channels has 1 to {most} frames")
        resync = real(resync, 1e-9, 86400, "resync points are more than 0 s and up to a day apart")
        return cls(channels, sample_rate, block, max(1, round(resync * sample_rate / block)), stream_number(stream))

    def description(self, model: bytes, max_error: int, spikes: bool = False) -> Description:
        """Return what packets tell of the stream."""
        return Description(model, self.sample_rate, self.block, self.period, max_error, self.channels, spikes=spikes)


def stream_number(value: object) -> int:
    """Return the number of a stream. Raises `UsageError`."""
    return whole(value, 0, 255, "the number of a stream is 0 to 255")


def check_frames(frames: np.ndarray, channels: int) -> None:
    """Raise `UsageError` if these are no frames of so many channels."""
    if frames.dtype != np.int16 or frames.ndim != 2 or frames.shape[1] != channels:
        raise UsageError(f"frames are int16 [frames, {channels}], not {frames.dtype} {list(frames.shape)}")
