"""What spike mode keeps, as a caller states it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..core import near_lossless
from ..core.errors import UsageError
from ..core.limits import real

SPIKES, LFP = "spikes", "lfp"
MAX_ERROR = 3
"""Default bound of the error in windows: in codes, less than half of the implant's noise."""
LOWEST_SAMPLE_RATE = 2000
"""Hz; the band of spikes needs that much."""
_MAX_WINDOW = 4096
"""Frames before or after a crossing."""


@dataclass(frozen=True)
class SpikeOptions:
    """What is kept of a recording.

    Parameters
    ----------
    keep : "spikes" (always), and "lfp" for the field potential between the windows: words, or "spikes,lfp"
    max_error : bound of the error in windows, 0..255
    threshold : of the spike detector, in robust deviations of the band-passed channel, 1..1000
    window : milliseconds before and after a crossing, 0..100
    sample_rate : of the recording, Hz; 0 where it is not known yet

    Raises
    ------
    UsageError
    """

    keep: str | Iterable[str] = (SPIKES,)
    max_error: int = MAX_ERROR
    threshold: float = 4.5
    window: tuple[float, float] = (0.5, 1.5)
    sample_rate: float = 0

    def __post_init__(self) -> None:
        words = self.keep.split(",") if isinstance(self.keep, str) else self.keep
        words = tuple(words) if isinstance(words, Iterable) else ()
        if SPIKES not in words or not all(word in (SPIKES, LFP) for word in words):
            raise UsageError(f"what can be kept is {SPIKES}, or {SPIKES},{LFP}; not {self.keep!r}")
        window = self.window if isinstance(self.window, Iterable) else ()
        text = "a window is 0 to 100 ms before and after a crossing"
        ends = tuple(real(end, 0, 100, text) for end in window)
        if len(ends) != 2:
            raise UsageError(f"{text}, not {self.window!r}")
        made = {"keep": words, "max_error": near_lossless.check(self.max_error), "window": ends}
        made["threshold"] = real(self.threshold, 1, 1000, "a threshold is 1 to 1000 deviations")
        for name, value in made.items():
            object.__setattr__(self, name, value)

    @property
    def lfp(self) -> bool:
        """Whether the field potential is kept."""
        return LFP in self.keep

    @property
    def window_frames(self) -> tuple[int, int]:
        """The frames of a window: before a crossing, and from it on."""
        before, after = (min(round(x * self.sample_rate / 1000), _MAX_WINDOW) for x in self.window)
        return max(before, 1), max(after, 1)

    def with_rate(self, sample_rate: float) -> SpikeOptions:
        """Return the options for a recording of this rate. Raises `UsageError` where it is too low for spikes."""
        if sample_rate < LOWEST_SAMPLE_RATE:
            given = sample_rate or "unknown"
            raise UsageError(f"spikes need a sample rate of {LOWEST_SAMPLE_RATE} Hz or more; it is {given}")
        return replace(self, sample_rate=sample_rate)


def resolve(
    keep: str | Iterable[str] | None,
    max_error: int | None,
    threshold: float | None,
    window: tuple[float, float] | None,
) -> tuple[SpikeOptions | None, int]:
    """Return the options of spike mode, None without it, and the bound of the error.

    Parameters
    ----------
    keep : "spikes", "spikes,lfp", or these words one by one; None to keep everything
    max_error, threshold, window : None for the default: without spike mode an error of 0, which is lossless
    """
    if keep is None:
        if threshold is not None or window is not None:
            raise UsageError("a threshold and a window go with what to keep (spikes)")
        return None, near_lossless.check(max_error or 0)
    given: dict[str, Any] = {"max_error": max_error, "threshold": threshold, "window": window}
    options = SpikeOptions(keep, **{name: value for name, value in given.items() if value is not None})
    return options, options.max_error
