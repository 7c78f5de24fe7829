"""The numbers that hold for all channels of a chunk."""

from __future__ import annotations

from dataclasses import dataclass

from .bins import Units
from .options import SpikeOptions

THRESHOLD_UNIT = 64
_CORRECTION_STEP = 4
"""Unit of a correction pulse's height, in codes of the implant or in steps of the noise."""
_MAX_STEP = 0xFFFF


@dataclass(frozen=True)
class ChunkShape:
    """The numbers that hold for all channels of a chunk.

    frames : of the chunk
    threshold : in 1/64 deviations; nothing depends on it
    before : frames in front of a crossing, half the length of a correction pulse
    after : frames of a window from a crossing on
    correction_step : unit of a correction pulse's height, in values
    """

    frames: int
    threshold: int
    before: int
    after: int
    correction_step: int

    @classmethod
    def of(cls, options: SpikeOptions, units: Units, frames: int) -> ChunkShape:
        """Return the shape of a chunk that is encoded with these options and units."""
        before, after = options.window_frames
        step = _CORRECTION_STEP * ((2 * units.max_error + 1 << units.shift) if units.linear else 1)
        return cls(frames, round(options.threshold * THRESHOLD_UNIT), before, after, min(step, _MAX_STEP))
