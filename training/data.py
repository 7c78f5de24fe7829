"""Recordings in memory: loading, and the split into training and validation. numpy only."""

import hashlib
import json
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CODES = 1024  # the implant's converter has 10 bits


@dataclass
class Recordings:
    """Single-lead recordings, joined: `codes[offsets[i]:offsets[i + 1]]` is the recording `names[i]`.

    Attributes
    ----------
    names : list of str
        File stems, sorted.
    codes : uint16 array
        Codes 0..1023 of all recordings, one after the other.
    offsets : int64 array, one longer than `names`
    """

    names: list
    codes: np.ndarray
    offsets: np.ndarray

    def __len__(self):
        return len(self.names)

    def __getitem__(self, i):
        return self.codes[self.offsets[i] : self.offsets[i + 1]]


def load_wav(path):
    """Samples of a mono 16-bit WAV file, int16. Raises ValueError for other formats."""
    with wave.open(str(path), "rb") as f:
        if f.getnchannels() != 1 or f.getsampwidth() != 2:
            raise ValueError(f"{path}: expected one lead of 16 bits; convert the file first")
        return np.frombuffer(f.readframes(f.getnframes()), "<i2")


def codes_of(samples):
    """Codes 0..1023 of int16 samples of the implant (docs/format.md, section 8)."""
    return ((samples >> 6) + CODES // 2).astype(np.uint16)


def load(folder, names=None):
    """All WAV files of a folder, or those whose stems are in `names`, sorted by name.

    Raises
    ------
    FileNotFoundError
        If the folder holds none of them.
    """
    paths = sorted(Path(folder).glob("*.wav"))
    if names is not None:
        wanted = set(names)
        paths = [p for p in paths if p.stem in wanted]
    if not paths:
        raise FileNotFoundError(f"no matching .wav files in {folder}")
    codes = [codes_of(load_wav(p)) for p in paths]
    offsets = np.cumsum([0] + [len(c) for c in codes])
    return Recordings([p.stem for p in paths], np.concatenate(codes), offsets)


def read_pairs(path):
    """Pairs of names recorded at the same time, from a JSON list of [name, name, ...]; none without a file."""
    if path is None or not Path(path).exists():
        return []
    return [(row[0], row[1]) for row in json.loads(Path(path).read_text())]


def split(names, pairs=(), validation=100):
    """Split recordings into training and validation, simultaneous leads on the same side.

    Groups of simultaneous leads are ordered by the SHA-256 of a member's name, so the split depends on nothing but the
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


def validation_names(folder, pairs=None, validation=100):
    """Names of the validation recordings of a folder of WAV files; `pairs` is the path of the list of pairs."""
    names = [p.stem for p in sorted(Path(folder).glob("*.wav"))]
    return split(names, read_pairs(pairs), validation)[1]
