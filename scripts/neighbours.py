"""Activity mode on arrays whose channels share spikes: channels alone and together, for scripts/activity."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

import runtime
from runtime.core.implant_table import CODE_TO_SAMPLE
from training.data import read_pairs, split
from training.simulate import RATE
from training.simulate_array import ArraySimulation

_STEP = 8
"""What makes codes of 10 bits with a noise like the implant's of these 16-bit recordings."""


def recordings(data: Path) -> Iterator[tuple[str, np.ndarray, int, int]]:
    """Name, samples int16 [time, channel], rate, bound: 3 codes, or what is as much off the implant's table."""
    for path in sorted((data / "multilead").glob("*.npy")):
        samples = np.ascontiguousarray(np.load(path).T)
        rate = 15000 if "15k" in path.stem else 30000
        codes = np.clip(samples // _STEP, -512, 511)
        yield f"{path.stem}, 16 bits", samples, rate, 3 * _STEP
        yield f"{path.stem}, 10 bits", CODE_TO_SAMPLE[codes.astype(int) + 512], rate, 3
    for channels in (64, 256):
        codes = np.concatenate(list(ArraySimulation(3 * RATE, channels, seed=1).blocks()))
        yield f"simulated, {channels} channels, 3 s", CODE_TO_SAMPLE[codes.astype(int) + 512], RATE, 3


def table(data: Path) -> None:
    """Print bits per sample of channels alone and together."""
    print("| recording | E | channels alone | together | saved |\n|---|---|---|---|---|")
    for name, samples, rate, bound in recordings(data):
        alone, together = (size(samples, rate, bound, independent) for independent in (True, False))
        bits = 8 * alone / samples.size, 8 * together / samples.size
        print(f"| {name} | {bound} | {bits[0]:.4f} | {bits[1]:.4f} | {1 - together / alone:.1%} |", flush=True)
    names = [path.stem for path in sorted((data / "neuralink").glob("*.wav"))]
    pairs = read_pairs(data / "neuralink_pairs.json")
    training = set(split(names, pairs)[0])
    total, samples, gain = [0, 0], 0, 0
    for pair in (pair for pair in pairs if set(pair) <= training):
        channels = [soundfile.read(data / "neuralink" / f"{name}.wav", dtype="int16")[0] for name in pair]
        sizes = [size(np.stack(channels, axis=1), RATE, 3, independent) for independent in (True, False)]
        total, samples = [a + b for a, b in zip(total, sizes, strict=True)], samples + 2 * len(channels[0])
        gain += sizes[1] < sizes[0]
    bits = [8 * value / samples for value in total]
    print(f"| pairs of training recordings; {gain} gain | 3 | {bits[0]:.4f} | {bits[1]:.4f} |", end=" ")
    print(f"{1 - total[1] / total[0]:.1%} |")


def size(samples: np.ndarray, rate: int, bound: int, independent: bool) -> int:
    """Bytes of a recording, all counted."""
    options = {"keep": "spikes", "max_error": bound, "independent": independent}
    return len(runtime.encode(samples, rate, layout="time-channel", **options))
