"""The validation recordings of DATA_DIR/neuralink, and arrays of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import results  # noqa: F401 (puts the checkout on the path)
import soundfile

from training.data.splits import validation_names


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
