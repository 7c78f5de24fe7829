"""What the benchmark codes: recordings of the implant side by side, and arrays whose channels have much in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from training.evaluation.baselines import codes_of_samples
from training.simulate import RATE, ArraySimulation, simulate, write_wavs

ARRAY_RATE = 30000
"""Sample rate of simulated arrays, Hz."""
START_FRAMES = 2000
REAL_ARRAY = "olveczky_fast_64ch_a_30k"
"""A recording of 64 channels at 30 kHz, in the folder of arrays."""


@dataclass(frozen=True)
class Recording:
    """Samples and what is known of them.

    Attributes
    ----------
    name : str
        Tells where they come from.
    samples : int16 [frames, channels]
    codes : int16 [frames, channels]
        What baselines get: the implant's codes where the samples stand for such, else the samples.
    rate : int
        Hz.
    """

    name: str
    samples: np.ndarray
    codes: np.ndarray
    rate: int

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.samples.shape[1]

    def start(self) -> Recording:
        """Return its first frames, to load and compile what is needed once."""
        return Recording("its start", self.samples[:START_FRAMES], self.codes[:START_FRAMES], self.rate)


def challenge_files(data: Path) -> list[Path]:
    """Return the recordings of the implant, one channel each, by name."""
    return sorted((data / "neuralink").glob("*.wav"))


def wavs(data: Path, count: int, seconds: float, work: Path) -> tuple[str, list[Path]]:
    """Return recordings of the implant, or simulated ones of that length in a folder, and what they are."""
    found = challenge_files(data)[:count]
    if found:
        return f"{len(found)} recordings of the implant", found
    return f"{count} simulated recordings", write_wavs(work / "simulated", count, seconds)


def implant(data: Path, channels: int, frames: int) -> Recording:
    """Return recordings of the implant as channels of one recording, which has fewer frames if there are too few.

    No channel is a copy of another: where files are fewer than channels, different parts of a file are channels.
    """
    files = challenge_files(data)[:channels]
    if not files:
        made = simulate(frames, channels, seed=channels)
        return Recording(f"simulated, {len(made.samples)} frames", made.samples, made.codes, RATE)
    longest = min(soundfile.info(path).frames for path in files)
    parts = -(-channels // len(files))
    frames = min(frames, longest // parts)
    whole = [soundfile.read(path, frames * parts, dtype="int16")[0] for path in files]
    pieces = [samples[first : first + frames] for first in range(0, frames * parts, frames) for samples in whole]
    samples = np.stack(pieces[:channels], axis=1)
    return Recording(f"implant, {len(files)} files, {frames} frames", samples, codes_of_samples(samples), RATE)


def array(data: Path, channels: int, frames: int, real: bool = True) -> Recording:
    """Return an array of 16-bit samples: channels of a real one where that has as many (and `real`), else simulated.

    Simulated ones have the converter's codes as samples, and no channels that are copies.
    """
    path = data / "multilead" / f"{REAL_ARRAY}.npy"
    if real and path.exists() and channels <= (whole := np.load(path, mmap_mode="r")).shape[0]:
        samples = np.ascontiguousarray(whole[:channels, :frames].T)
        return Recording(f"{REAL_ARRAY}, {len(samples)} frames", samples, samples, ARRAY_RATE)
    simulation = ArraySimulation(frames, channels, ARRAY_RATE, seed=channels)
    simulation.copies = simulation.copies[:0]
    samples = np.concatenate(list(simulation.blocks()))
    return Recording(f"simulated, {frames} frames", samples, samples, ARRAY_RATE)
