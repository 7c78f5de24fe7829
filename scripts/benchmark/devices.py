"""Recordings of many devices, and what coders make of each as a whole."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from results import Results

from . import coders
from .recordings import ARRAY_RATE, Recording

OURS, FLAC, WAVPACK = 0, 1, 2
"""Places of coders in rows."""
MOST_RATE = 65535
"""Hz that go into a FLAC file."""


def of_devices(folder: Path, frames: int | None) -> Iterator[Recording]:
    """Yield the recordings of a folder with `list.json`, no more than some frames of each."""
    for entry in json.loads((folder / "list.json").read_text(encoding="utf-8")):
        samples = np.load(folder / f"{entry['name']}.npy", mmap_mode="r")
        yield _recording(entry["name"], samples[:frames], entry["rate"])


def of_arrays(folder: Path, frames: int | None) -> Iterator[Recording]:
    """Yield the arrays of a folder, one file [channels, frames] each, no more than some frames."""
    for path in sorted(folder.glob("*.npy")):
        named = re.search(r"_(\d+)k$", path.stem)
        samples = np.load(path, mmap_mode="r")
        yield _recording(path.stem, samples[:, :frames].T, 1000 * int(named[1]) if named else ARRAY_RATE)


def _recording(name: str, samples: np.ndarray, rate: float) -> Recording:
    whole = np.ascontiguousarray(samples)
    return Recording(name, whole, whole, min(round(rate), MOST_RATE))


def compare(title: str, found: Iterator[Recording], some: list[coders.Coder], results: Results) -> None:
    """Measure all coders on recordings, this project's first, then FLAC; print a row of each and of all together."""
    rows, sizes, originals = [], [], []
    for recording in found:
        row = [coders.measure(coder, recording, 0).bytes for coder in some]
        samples = recording.samples.size
        rows.append([recording.name, *(f"{8 * size / samples:.3f}" for size in row), f"{_share(row):.3f}"])
        sizes.append(row)
        originals.append(samples)
        print(*rows[-1], file=sys.stderr, flush=True)
    if not rows:
        return
    total = np.sum(sizes, axis=0).tolist()
    bits = [f"{8 * size / sum(originals):.3f}" for size in total]
    better = sum(min(row[FLAC : WAVPACK + 1]) for row in sizes)
    rows.append(["**all samples**", *bits, f"{total[OURS] / better:.3f}"])
    rows.append(["**mean**", *_means(sizes, originals), f"{np.mean([_share(row) for row in sizes]):.3f}"])
    results.table(title, ("bits per sample", *(coder.name for coder in some), "ratio"), rows)


def _share(row: list[int]) -> float:
    """Return the size relative to the better of FLAC and WavPack."""
    return row[OURS] / min(row[FLAC : WAVPACK + 1])


def _means(sizes: list[list[int]], originals: list[int]) -> list[str]:
    bits = 8 * np.array(sizes) / np.array(originals)[:, None]
    return [f"{mean:.3f}" for mean in bits.mean(axis=0)]
