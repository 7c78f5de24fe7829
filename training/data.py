"""Recordings in memory: loading, and the split into training and validation. No PyTorch.

A recording here is one channel. Files with several channels give several recordings, which stay together in the split.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.core import implant_table
from runtime.core.errors import MiddleoutError
from runtime.fit.parameters import fit
from runtime.predictor.channel_parameters import LINEAR
from runtime.recording.sources import NOTHING, RAW_SUFFIXES, Given, Recording

CODES = 1024  # the implant's converter has 10 bits
SUFFIXES = (".wav", ".npy", *RAW_SUFFIXES)
VALIDATION = 100  # recordings, at most
SHORTEST = 1000  # samples; shorter channels are left out


@dataclass
class Recordings:
    """Single-channel recordings, joined: `codes[offsets[i]:offsets[i + 1]]` is the recording `names[i]`.

    Attributes
    ----------
    names : list of str
        File stems, sorted; `STEM:CHANNEL` for files of several channels.
    codes : uint16 array
        Codes 0..1023 of all recordings, one after the other.
    offsets : int64 array, one longer than `names`
    rate : int
        Of the first file, Hz; 0 if unknown.
    """

    names: list
    codes: np.ndarray
    offsets: np.ndarray
    rate: int = 0

    def __len__(self):
        return len(self.names)

    def __getitem__(self, i):
        return self.codes[self.offsets[i] : self.offsets[i + 1]]

    def of(self, numbers):
        """Some of the recordings, by number."""
        lengths = np.diff(self.offsets)[numbers]
        codes = np.concatenate([self[i] for i in numbers]) if len(numbers) else self.codes[:0]
        names = [self.names[i] for i in numbers]
        return Recordings(names, codes, np.concatenate([[0], np.cumsum(lengths)]), self.rate)

    def pairs(self):
        """Pairs of names that come from the same file."""
        first = {}
        return [(first.setdefault(n.rpartition(":")[0], n), n) for n in self.names if ":" in n]


def given(options):
    """What a command's options say of recordings that do not say it themselves."""
    return Given(options.channels, options.sample_rate, options.dtype, options.layout)


def read_samples(path, given=NOTHING):
    """Samples int16 [time, channel] and rate of a recording, as the runtime reads it.

    Parameters
    ----------
    path : str or Path
        A WAV, an .npy array or raw samples (.bin, .raw, .dat).
    given : runtime.sources.Given

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
            return recording.source.read(recording.source.frames), recording.source.sample_rate
    except MiddleoutError as error:
        raise ValueError(f"{path}: {error}") from error


def codes_of(samples):
    """Codes uint16 0..1023 of one channel's samples, int16.

    Samples on the implant's table have theirs (docs/format.md, section 8). Others lose the low bits that the runtime
    would split off, and the channel's mean; what is beyond 10 bits then is clipped.
    """
    codes = implant_table.codes_of(samples)
    if codes.min(initial=0) >= 0:
        return codes.astype(np.uint16)
    side = fit(np.ascontiguousarray(samples)[:, None], UNIFORM_MIDDLES)
    shift = int(side.shift[0]) if side.kind[0] == LINEAR else 0
    linear = samples.astype(np.int32) >> shift
    return np.clip(linear - (int(side.mean[0]) >> shift) + CODES // 2, 0, CODES - 1).astype(np.uint16)


UNIFORM_LEVELS = (np.arange(CODES + 1, dtype=np.int32) - CODES // 2) * 64
UNIFORM_MIDDLES = (UNIFORM_LEVELS[:-1] + UNIFORM_LEVELS[1:]) >> 1


def paths_of(source):
    """The recordings that a folder holds, sorted by name; or the file itself.

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


def each_channel(source, given=NOTHING):
    """Name, samples int16 [time] and rate of every channel in a file or folder."""
    for path in paths_of(source):
        samples, own_rate = read_samples(path, given)
        for channel in range(samples.shape[1]):
            name = path.stem if samples.shape[1] == 1 else f"{path.stem}:{channel:04d}"
            yield name, np.ascontiguousarray(samples[:, channel]), own_rate


def usable(samples):
    """Whether a channel can serve for training: not flat, not short."""
    return len(samples) >= SHORTEST and samples.min() != samples.max()


def load(source, given=NOTHING):
    """All usable channels of the recordings in a file or folder.

    Raises
    ------
    FileNotFoundError, ValueError
        If there are none, or a file can't be read.
    """
    found = [(name, codes_of(samples), r) for name, samples, r in each_channel(source, given) if usable(samples)]
    if not found:
        raise ValueError(f"{source}: all channels are flat or shorter than {SHORTEST} samples")
    names, codes, rates = zip(*found)
    if len(set(names)) < len(names):
        raise ValueError(f"{source}: two recordings of the same name")
    return Recordings(list(names), np.concatenate(codes), np.cumsum([0] + [len(c) for c in codes]), rates[0])


def read_pairs(path):
    """Pairs of names recorded at the same time, from a JSON list of [name, name, ...]; none without a file."""
    if path is None or not Path(path).exists():
        return []
    return [(row[0], row[1]) for row in json.loads(Path(path).read_text())]


def split(names, pairs=(), validation=VALIDATION):
    """Split recordings into training and validation, simultaneous channels on the same side.

    Groups of simultaneous channels are ordered by the SHA-256 of a member's name, so the split depends on nothing but the
    names and pairs; the first groups, until `validation` names are reached, are for validation.

    Returns
    -------
    training, validation : lists of str, sorted
    """
    parent = {name: name for name in sorted(names)}

    def root(name):
        while parent[name] != name:
            name = parent[name]
        return name

    for a, b in pairs:
        if a in parent and b in parent:
            parent[root(a)] = root(b)
    groups = {}
    for name in parent:
        groups.setdefault(root(name), []).append(name)
    held = set()
    for key in sorted(groups, key=lambda k: hashlib.sha256(k.encode()).hexdigest()):
        if len(held) >= validation:
            break
        held.update(groups[key])
    return [n for n in parent if n not in held], sorted(held)


def held(names, pairs=()):
    """Names that are kept from training: a fifth of the recordings, `VALIDATION` at most, at least one."""
    return set(split(names, pairs, max(1, min(VALIDATION, len(names) // 5)))[1])


def validation_names(folder, pairs=None, validation=VALIDATION):
    """Names of the validation recordings of a folder of WAV files; `pairs` is the path of the list of pairs."""
    names = [p.stem for p in sorted(Path(folder).glob("*.wav"))]
    return split(names, read_pairs(pairs), validation)[1]
