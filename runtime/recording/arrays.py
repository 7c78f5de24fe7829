"""Arrays as callers have them, and as the codec wants them: plain samples [time, channel]."""

from __future__ import annotations

import numpy as np

from ..container.header import check_sample_rate
from ..core import sample_formats
from ..core.errors import UsageError
from ..core.limits import MAX_CHANNELS
from ..core.terms import CHANNEL_TIME, LAYOUTS, TIME_CHANNEL


def check_axes(frames: int, channels: int, layout: str | None) -> None:
    """Refuse what is probably a mix-up of axes, unless the caller has given the layout."""
    if layout is None and channels > max(frames, 1):
        raise UsageError(
            f"{channels} channels of {frames} time steps each? If channels come first, say --channels-first or "
            f"layout='{CHANNEL_TIME}'; if it is so, --layout {TIME_CHANNEL} or layout='{TIME_CHANNEL}'"
        )


def check_layout(layout: str | None) -> None:
    """Refuse an order of axes that does not exist. Raises `UsageError`."""
    if layout not in (None, *LAYOUTS):
        raise UsageError(f"layout is one of {LAYOUTS}, not {layout!r}")


def to_sample_rate(sample_rate: float) -> float:
    """Return a sample rate as files keep it, an int where it is a whole number. Raises `UsageError`."""
    try:
        if not isinstance(sample_rate, str):
            return check_sample_rate(sample_rate)
    except (TypeError, ValueError, OverflowError):
        pass
    raise UsageError(f"a sample rate is a number of Hz from 2^-20 to 2^32 - 1, or 0 for unknown; not {sample_rate!r}")


def to_samples(samples: np.ndarray, layout: str | None = None) -> tuple[np.ndarray, str]:
    """Check an array and return it as plain samples [time, channel], with its sample format (little-endian).

    Parameters
    ----------
    samples : of a type in `core.terms.TYPES` (int24 as int32), [time, channel] or [time]
    layout : "time-channel" or "channel-time"; None for "time-channel" if there is not more channel than time

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
        raise UsageError(f"samples are [time, channel] or [time], not of {samples.ndim} dimensions")
    check_layout(layout)
    if layout == CHANNEL_TIME:
        samples = samples.T
    check_axes(len(samples), samples.shape[1], layout)
    if not 1 <= samples.shape[1] <= MAX_CHANNELS:
        raise UsageError(f"{samples.shape[1]} channels; possible are 1 to {MAX_CHANNELS}")
    return np.ascontiguousarray(sample_formats.to_plain(samples)), dtype
