"""Recordings in memory: loading, and the split into training and validation. numpy and soundfile only.

A recording here is one lead. Files with several leads give several recordings, which stay together in the split.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from runtime import lattice
from runtime.fit import fit
from runtime.side_information import GRID

CODES = 1024  # the implant's converter has 10 bits
RAW = (".bin", ".raw", ".dat")
SUFFIXES = (".wav", ".npy", *RAW)
VALIDATION = 100  # recordings, at most
SHORTEST = 1000  # samples; shorter leads are left out


@dataclass
class Recordings:
    """Single-lead recordings, joined: `codes[offsets[i]:offsets[i + 1]]` is the recording `names[i]`.

    Attributes
    ----------
    names : list of str
        File stems, sorted; `STEM:LEAD` for files of several leads.
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


def read_samples(path, leads=None, rate=0):
    """Samples int16 [time, lead] and rate of a recording.

    Parameters
    ----------
    path : str or Path
        A WAV of 8 or 16 bits, an .npy array (int16 or 8 bits; the longer axis is time) or raw little-endian int16,
        frame by frame, with the suffix .bin, .raw or .dat.
    leads : int, optional
        Of raw files.
    rate : int
        Of all but WAVs.

    Raises
    ------
    ValueError
        If the file is none of these.
    """
    path = Path(path)
    if path.suffix == ".wav":
        return read_wav(path)
    if path.suffix == ".npy":
        return of_array(np.load(path, allow_pickle=False), path), rate
    if path.suffix not in RAW:
        raise ValueError(f"{path}: not one of {', '.join(SUFFIXES)}")
    if not leads:
        raise ValueError(f"{path}: say how many leads the raw file has (--leads)")
    values = np.fromfile(path, "<i2")
    if path.stat().st_size % (2 * leads):
        raise ValueError(f"{path}: {path.stat().st_size} bytes are no whole number of frames of {leads} int16 samples")
    return values.reshape(-1, leads), rate


def read_wav(path):
    """Samples int16 [time, lead] and rate of a WAV file."""
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: not a WAV file that can be read ({error.error_string})") from error
    if info.subtype not in ("PCM_16", "PCM_U8"):
        raise ValueError(f"{path}: samples are {info.subtype}, supported are 8 and 16 bits; convert the file first")
    samples = soundfile.read(path, dtype="int16", always_2d=True)[0]
    return (samples >> 8 if info.subtype == "PCM_U8" else samples), info.samplerate


def of_array(array, path):
    """An array from a file as int16 [time, lead]."""
    if array.dtype not in (np.int16, np.uint8, np.int8) or array.ndim not in (1, 2):
        raise ValueError(f"{path}: {array.dtype} {list(array.shape)}; expected int16 or 8 bits, [time, lead] or [time]")
    array = array.reshape(len(array), -1)
    if array.shape[1] > array.shape[0]:
        array = array.T
    return array.astype(np.int16) - (128 if array.dtype == np.uint8 else 0)


def codes_of(samples):
    """Codes uint16 0..1023 of one lead's samples, int16.

    Samples on the implant's lattice have theirs (docs/format.md, section 8). Others lose the low bits that the runtime
    would split off, and the lead's mean; what is beyond 10 bits then is clipped.
    """
    codes = lattice.codes_of(samples)
    if codes.min(initial=0) >= 0:
        return codes.astype(np.uint16)
    side = fit(np.ascontiguousarray(samples)[:, None], UNIFORM_MIDDLES)
    shift = int(side.shift[0]) if side.kind[0] == GRID else 0
    grid = samples.astype(np.int32) >> shift
    return np.clip(grid - (int(side.mean[0]) >> shift) + CODES // 2, 0, CODES - 1).astype(np.uint16)


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


def each_lead(source, leads=None, rate=0):
    """Name, samples int16 [time] and rate of every lead in a file or folder."""
    for path in paths_of(source):
        samples, own_rate = read_samples(path, leads, rate)
        for lead in range(samples.shape[1]):
            name = path.stem if samples.shape[1] == 1 else f"{path.stem}:{lead:04d}"
            yield name, np.ascontiguousarray(samples[:, lead]), own_rate


def usable(samples):
    """Whether a lead can serve for training: not flat, not short."""
    return len(samples) >= SHORTEST and samples.min() != samples.max()


def load(source, leads=None, rate=0):
    """All usable leads of the recordings in a file or folder.

    Raises
    ------
    FileNotFoundError, ValueError
        If there are none, or a file can't be read.
    """
    found = [(name, codes_of(samples), r) for name, samples, r in each_lead(source, leads, rate) if usable(samples)]
    if not found:
        raise ValueError(f"{source}: all leads are flat or shorter than {SHORTEST} samples")
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


def validation_names(folder, pairs=None, validation=VALIDATION):
    """Names of the validation recordings of a folder of WAV files; `pairs` is the path of the list of pairs."""
    names = [p.stem for p in sorted(Path(folder).glob("*.wav"))]
    return split(names, read_pairs(pairs), validation)[1]
