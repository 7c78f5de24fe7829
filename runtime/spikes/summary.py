"""Summarise a chunk without decoding it."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from ..core.errors import CorruptError
from .chunk import parse_head
from .detection.offline import RAISE_FACTOR
from .render import lfp
from .shape import THRESHOLD_UNIT

_SUMS = ("frames", "windows", "kept", "times", "waveforms", "lfp", "rest")


@dataclass
class Summary:
    """Facts about one or more chunks; they add up.

    frames : of all chunks
    windows, kept : number of windows, samples in them
    times, waveforms, lfp, rest : bytes of parts: where windows are, their samples, the field potential, heads
    threshold : lowest of all channels, in deviations
    raised : int64 [channels], highest threshold over the lowest in steps of `RAISE_FACTOR`
    """

    frames: int = 0
    windows: int = 0
    kept: int = 0
    times: int = 0
    waveforms: int = 0
    lfp: int = 0
    rest: int = 0
    threshold: float = float("inf")
    raised: np.ndarray | int = 0

    def __add__(self, other: Summary) -> Summary:
        total = Summary(*(getattr(self, name) + getattr(other, name) for name in _SUMS))
        total.threshold = min(self.threshold, other.threshold)
        total.raised = np.maximum(self.raised, other.raised)
        return total

    @property
    def highest(self) -> float:
        """The highest threshold of all channels, in deviations."""
        return self.threshold * RAISE_FACTOR ** int(np.max(self.raised))


def summary(payload: bytes, channels: int, sample_bits: int) -> Summary:
    """Return the facts about a spike chunk. Raises `CorruptError`."""
    head = parse_head(payload, channels, sample_bits)
    try:
        lfp_bytes = lfp.packed_size(payload, head.end) if head.has_lfp else 0
    except struct.error as error:
        raise CorruptError("a chunk ends too early") from error
    return Summary(
        frames=head.shape.frames,
        windows=len(head.plan.windows),
        kept=int(head.plan.windows.length.sum()),
        times=head.plan_bytes,
        waveforms=len(payload) - head.end - lfp_bytes,
        lfp=lfp_bytes,
        rest=head.end - head.plan_bytes,
        threshold=head.shape.threshold / THRESHOLD_UNIT,
        raised=head.plan.parameters.raised,
    )
