"""Arrays as callers have them, and as the codec wants them: int16 [time, lead]."""

from __future__ import annotations

import numpy as np

from ..core import sample_formats
from ..core.errors import UsageError
from ..core.limits import MAX_LEADS
from ..core.terms import LAYOUTS, LEAD_TIME, TIME_LEAD


def check_axes(frames: int, leads: int, layout: str | None) -> None:
    """Refuse what is probably a mix-up of axes, unless the caller has said which is which."""
    if layout is None and leads > max(frames, 1):
        raise UsageError(
            f"{leads} leads of {frames} time steps each? If leads come first, say --leads-first or "
            f"layout='{LEAD_TIME}'; if it is so, --layout {TIME_LEAD} or layout='{TIME_LEAD}'"
        )


def to_samples(samples: np.ndarray, layout: str | None = None) -> tuple[np.ndarray, str]:
    """Check an array and give it as int16 [time, lead], with its sample format (little-endian).

    Parameters
    ----------
    samples : int16, uint16, int8 or uint8, [time, lead] or [time]
    layout : "time-lead" or "lead-time"; None for "time-lead" if there is not more lead than time

    Raises
    ------
    UsageError
        Not such an array.
    """
    samples = np.asarray(samples)
    dtype = sample_formats.parse(samples.dtype).replace(">", "<")
    if samples.ndim == 1:
        samples = samples[:, None]
    if samples.ndim != 2:
        raise UsageError(f"samples are [time, lead] or [time], not of {samples.ndim} dimensions")
    if layout not in (None, *LAYOUTS):
        raise UsageError(f"layout is one of {LAYOUTS}, not {layout!r}")
    if layout == LEAD_TIME:
        samples = samples.T
    check_axes(*samples.shape, layout)
    if not 1 <= samples.shape[1] <= MAX_LEADS:
        raise UsageError(f"{samples.shape[1]} leads; possible are 1 to {MAX_LEADS}")
    return np.ascontiguousarray(sample_formats.to_int16(samples)), dtype
