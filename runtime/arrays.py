"""Arrays as callers have them, and as the codec wants them: int16 [time, lead]."""

from __future__ import annotations

import numpy as np

from .errors import UsageError
from .limits import MAX_LEADS

LAYOUTS = ("time-lead", "lead-time")


def to_samples(samples: np.ndarray, layout: str | None = None) -> tuple[np.ndarray, int]:
    """Check an array and give it as int16 [time, lead], with its sample bits.

    Parameters
    ----------
    samples : int16 or uint8, [time, lead] or [time]
    layout : "time-lead" or "lead-time"; None for "time-lead" if there is not more lead than time

    Raises
    ------
    UsageError
        Not such an array.
    """
    samples = np.asarray(samples)
    if samples.dtype not in (np.int16, np.uint8):
        raise UsageError(f"samples are int16 or uint8 here, not {samples.dtype}: convert them first")
    if samples.ndim == 1:
        samples = samples[:, None]
    if samples.ndim != 2:
        raise UsageError(f"samples are [time, lead] or [time], not of {samples.ndim} dimensions")
    if layout not in (None, *LAYOUTS):
        raise UsageError(f"layout is one of {LAYOUTS}, not {layout!r}")
    if layout == "lead-time":
        samples = samples.T
    elif layout is None and samples.shape[1] > samples.shape[0]:
        raise UsageError(
            f"shape {samples.shape} has more leads than time steps: transpose it, or say layout='time-lead' if it is so"
        )
    if not 1 <= samples.shape[1] <= MAX_LEADS:
        raise UsageError(f"{samples.shape[1]} leads; possible are 1 to {MAX_LEADS}")
    bits = 8 * samples.dtype.itemsize
    if bits == 8:
        samples = samples.astype(np.int16) - np.int16(128)
    return np.ascontiguousarray(samples, dtype=np.int16), bits


def from_samples(samples: np.ndarray, sample_bits: int) -> np.ndarray:
    """Undo `to_samples`: int16 as it is, 8-bit samples as uint8."""
    return samples if sample_bits == 16 else (samples + 128).astype(np.uint8)
