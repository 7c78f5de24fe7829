"""The validation recordings of DATA_DIR/neuralink, and arrays of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import results  # noqa: F401 (puts the checkout on the path)
import soundfile

from training.data.splits import validation_names
from training.simulate import RATE, simulate

_APART = 7919
"""Frames between the starts of channels of one recording."""


def read(data: Path, count: int | None = None) -> list[np.ndarray]:
    """Return the first `count` recordings or all, int16 [time] each, cut to the shortest of them."""
    folder = data / "neuralink"
    names = validation_names(folder, data / "neuralink_pairs.json")[:count]
    samples = [soundfile.read(folder / f"{name}.wav", dtype="int16")[0] for name in names]
    return [part[: min(map(len, samples))] for part in samples]


def side_by_side(parts: Sequence[np.ndarray], channels: int, apart: int) -> np.ndarray:
    """Return [time, channel]; where recordings are too few, they come again, each time so many frames further on."""
    turns = [np.roll(parts[n % len(parts)], -(n // len(parts)) * apart) for n in range(channels)]
    return np.stack(turns, axis=1)


def channels_of(data: Path, count: int, frames: int) -> tuple[str, np.ndarray]:
    """Return recordings side by side, int16 [frames, channels], and what they are; simulated ones have `frames`."""
    if not (data / "neuralink").is_dir():
        made = simulate(frames, min(count, 16), seed=1).samples
        name, parts = "simulated channels", list(made.T)
    else:
        name, parts = "validation recordings of the implant", read(data, count)
    made = side_by_side(parts, count, _APART)
    return f"{len(parts)} {name}, {len(made) / RATE:.1f} s", made
