"""What a chunk says of itself without being decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from ..core.errors import CorruptError
from .chunk import parse_head
from .detection.offline import STRICTER
from .render import lfp


@dataclass
class Summary:
    """Facts about one or more chunks; they add up.

    frames : of all chunks
    windows, kept : number of windows, samples in them
    times, waveforms, slow, rest : bytes of parts: where windows are, their samples, the slow band, heads
    threshold : lowest of all channels, in deviations
    raised : int64 [channels], highest threshold over the lowest in steps of `STRICTER`
    """

    frames: int = 0
    windows: int = 0
    kept: int = 0
    times: int = 0
    waveforms: int = 0
    slow: int = 0
    rest: int = 0
    threshold: float = float("inf")
    raised: np.ndarray | int = 0

    def __add__(self, other: Summary) -> Summary:
        names = ("frames", "windows", "kept", "times", "waveforms", "slow", "rest")
        total = Summary(*(getattr(self, name) + getattr(other, name) for name in names))
        total.threshold = min(self.threshold, other.threshold)
        total.raised = np.maximum(self.raised, other.raised)
        return total

    @property
    def highest(self) -> float:
        """The highest threshold of all channels, in deviations."""
        return self.threshold * STRICTER ** int(np.max(self.raised))


def summary(payload: bytes, channels: int, sample_bits: int) -> Summary:
    """The facts about an activity chunk. Raises `CorruptError`."""
    chunk, at = parse_head(payload, channels, sample_bits, None)
    try:
        band = lfp.packed_size(payload, at) if chunk.slow is not None else 0
    except struct.error as error:
        raise CorruptError("a chunk ends too early") from error
    windows, times = chunk.plan.windows, chunk.plan_bytes
    return Summary(
        frames=chunk.frames,
        windows=len(windows),
        kept=int(windows.length.sum()),
        times=times,
        waveforms=len(payload) - at - band,
        slow=band,
        rest=at - times,
        threshold=chunk.threshold / 64,
        raised=chunk.plan.parameters.raised,
    )


def mask(payload: bytes, channels: int, sample_bits: int) -> np.ndarray:
    """bool [frames, channels]: the samples of an activity chunk that are within the bound."""
    chunk, _ = parse_head(payload, channels, sample_bits, None)
    return chunk.plan.windows.mask(chunk.frames, channels)
