"""What activity mode keeps, as a caller says it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..core import near_lossless
from ..core.errors import UsageError

SPIKES, SLOW = "spikes", "lfp"
MAX_ERROR = 3
"""Default bound inside windows: in codes, less than half of the implant's noise."""
LOWEST_RATE = 2000
"""Hz; below, there is no band left to look for spikes in."""
_MAX_WINDOW = 4096
"""Samples before or after a crossing."""


@dataclass(frozen=True)
class Activity:
    """What is kept of a recording.

    keep : "spikes" (always), and "lfp" for a slow band between the windows
    max_error : bound of the error inside windows, 0..255
    threshold : crossings lie so many robust deviations of the band-passed channel below zero
    window : milliseconds before and after a crossing
    rate : of the recording, Hz
    """

    keep: tuple[str, ...] = (SPIKES,)
    max_error: int = MAX_ERROR
    threshold: float = 4.5
    window: tuple[float, float] = (0.5, 1.5)
    rate: int = 0

    def __post_init__(self) -> None:
        near_lossless.check(self.max_error)
        if SPIKES not in self.keep or not set(self.keep) <= {SPIKES, SLOW}:
            raise UsageError(f"what can be kept is {SPIKES}, or {SPIKES},{SLOW}; not {','.join(self.keep)}")
        if not (math.isfinite(self.threshold) and 1 <= self.threshold <= 1000):
            raise UsageError(f"a threshold is 1 to 1000 deviations, not {self.threshold}")
        if len(self.window) != 2 or not all(math.isfinite(x) and 0 <= x <= 100 for x in self.window):
            raise UsageError(f"a window is 0 to 100 ms before and after a crossing, not {self.window}")

    @property
    def slow(self) -> bool:
        """Whether a slow band is kept."""
        return SLOW in self.keep

    @property
    def frames(self) -> tuple[int, int]:
        """The window in samples: before a crossing, and from it on."""
        before, after = (min(round(x * self.rate / 1000), _MAX_WINDOW) for x in self.window)
        return max(before, 1), max(after, 1)

    def at(self, rate: int) -> Activity:
        """The same for a recording of this rate. Raises `UsageError` where spikes can't be looked for."""
        if rate < LOWEST_RATE:
            raise UsageError(f"spikes are looked for at {LOWEST_RATE} Hz and more; the rate is {rate or 'unknown'}")
        return replace(self, rate=rate)


def resolve(
    keep: str | Iterable[str] | None,
    max_error: int | None,
    threshold: float | None,
    window: tuple[float, float] | None,
) -> tuple[Activity | None, int]:
    """What callers say about losses: activity mode's options or None, and the bound of the error.

    keep : "spikes", "spikes,lfp", or these words one by one; None to keep everything
    max_error, threshold, window : None for the default: without activity mode an error of 0, which is lossless
    """
    if keep is None:
        if threshold is not None or window is not None:
            raise UsageError("a threshold and a window go with what to keep (spikes)")
        return None, near_lossless.check(max_error or 0)
    words = tuple(keep.split(",")) if isinstance(keep, str) else tuple(keep)
    given = {"max_error": max_error, "threshold": threshold, "window": window and tuple(window)}
    given = {name: value for name, value in given.items() if value is not None}
    options = Activity(words, **given)
    return options, options.max_error
