"""Recordings in memory. No PyTorch.

A recording here is one channel. Files with several channels give several recordings, which stay together in the split.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.core import implant_table
from runtime.core.errors import MiddleoutError
from runtime.fit.parameters import fit
from runtime.predictor.channel_parameters import LINEAR
from runtime.recording.sources import NOTHING, RAW_SUFFIXES, Given, Recording
from runtime.wide.wide_coding import narrowed

CODES = 1024  # the implant's converter has 10 bits
LEVELS = CODES + 1  # transition levels, the outer ends included
SUFFIXES = (".wav", ".npy", *RAW_SUFFIXES)
SHORTEST = 1000  # samples; shorter channels are left out
UNIFORM_LEVELS = (np.arange(LEVELS, dtype=np.int32) - CODES // 2) * 64  # Q6
UNIFORM_RECONSTRUCTION = (UNIFORM_LEVELS[:-1] + UNIFORM_LEVELS[1:]) >> 1


@dataclass
class Recordings:
    """Hold single-channel recordings, joined: `codes[offsets[i]:offsets[i + 1]]` is the recording `names[i]`.

    Attributes
    ----------
    names : list of str
        File stems, sorted; `STEM:CHANNEL` for files of several channels.
    codes : uint16 array
        Codes 0..1023 of all recordings, one after the other.
    offsets : int64 array, one longer than `names`
    sample_rate : float
        Of the first file, Hz; 0 if unknown.
    """

    names: list[str]
    codes: np.ndarray
    offsets: np.ndarray
    sample_rate: float = 0

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> np.ndarray:
        return self.codes[self.offsets[i] : self.offsets[i + 1]]

    def subset(self, numbers: list[int]) -> "Recordings":
        """Return some of the recordings, by number."""
        lengths = np.diff(self.offsets)[numbers]
        codes = np.concatenate([self[i] for i in numbers]) if len(numbers) else self.codes[:0]
        names = [self.names[i] for i in numbers]
        return Recordings(names, codes, np.concatenate([[0], np.cumsum(lengths)]), self.sample_rate)

    def pairs(self) -> list[tuple[str, str]]:
        """Return pairs of names that come from the same file."""
        first = {}
        return [(first.setdefault(n.rpartition(":")[0], n), n) for n in self.names if ":" in n]


def given(options) -> Given:
    """Return what a command's options say of files without a header."""
    return Given(options.channels, options.sample_rate, options.dtype, options.layout)


def read_samples(path: str | Path, given: Given = NOTHING) -> tuple[np.ndarray, float]:
    """Return samples int16 [time, channel] and sample rate of a recording, as the runtime reads it.

    Parameters
    ----------
    path
        A WAV, an .npy array or raw samples (.bin, .raw, .dat).
    given
        For files without a header.

    Raises
    ------
    ValueError
        If the file is none of these.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: not one of {', '.join(SUFFIXES)}")
    try:
        with Recording([str(path)], given) as recording:
            return narrowed(recording.source.read(recording.source.frames)), recording.source.sample_rate
    except MiddleoutError as error:
        raise ValueError(f"{path}: {error}") from error


def codes_of(samples: np.ndarray) -> np.ndarray:
    """Return codes uint16 0..1023 of one channel's samples, int16.

    Samples on the implant's table have theirs (docs/format.md, section 8). Others lose the low bits that the runtime
    would split off, and the channel's mean; what is beyond 10 bits then is clipped.
    """
    codes = implant_table.codes_of(samples)
    if codes.min(initial=0) >= 0:
        return codes.astype(np.uint16)
    side = fit(np.ascontiguousarray(samples)[:, None], UNIFORM_RECONSTRUCTION)
    shift = int(side.shift[0]) if side.kind[0] == LINEAR else 0
    linear = samples.astype(np.int32) >> shift
    return np.clip(linear - (int(side.mean[0]) >> shift) + CODES // 2, 0, CODES - 1).astype(np.uint16)


def paths_of(source: str | Path) -> list[Path]:
    """Return the recordings that a folder holds, sorted by name; or the file itself.

    Raises
    ------
    FileNotFoundError
    """
    source = Path(source)
    if not source.exists():
        raise FileNotFoundError(f"{source}: no such file or folder")
    paths = [source] if source.is_file() else sorted(p for p in source.iterdir() if p.suffix in SUFFIXES)
    if not paths:
        raise FileNotFoundError(f"{source}: no recordings ({', '.join(SUFFIXES)}) in this folder")
    return paths


def each_channel(path: Path, given: Given = NOTHING) -> Iterator[tuple[str, np.ndarray, int]]:
    """Yield name, samples int16 [time] and sample rate of every channel of a recording."""
    samples, sample_rate = read_samples(path, given)
    for channel in range(samples.shape[1]):
        name = path.stem if samples.shape[1] == 1 else f"{path.stem}:{channel:04d}"
        yield name, np.ascontiguousarray(samples[:, channel]), sample_rate


def usable(samples: np.ndarray) -> bool:
    """Return whether a channel can serve for training: not flat, not short."""
    return len(samples) >= SHORTEST and samples.min() != samples.max()


def load(source: str | Path, given: Given = NOTHING) -> Recordings:
    """Load all usable channels of the recordings in a file or folder.

    Raises
    ------
    FileNotFoundError, ValueError
        If there are none, or a file can't be read.
    """
    channels = (channel for path in paths_of(source) for channel in each_channel(path, given))
    found = [(name, codes_of(samples), rate) for name, samples, rate in channels if usable(samples)]
    if not found:
        raise ValueError(f"{source}: all channels are flat or shorter than {SHORTEST} samples")
    names, codes, rates = zip(*found)
    if len(set(names)) < len(names):
        raise ValueError(f"{source}: two recordings of the same name")
    return Recordings(list(names), np.concatenate(codes), np.cumsum([0] + [len(c) for c in codes]), rates[0])
