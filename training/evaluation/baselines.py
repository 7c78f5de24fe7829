"""Other lossless compressors, measured on the codes of recordings: the one place that says how.

Fair means: the baselines get the 10-bit codes (where a recording is on the implant's table; else its samples), not the
16-bit values that carry them, and no padding. Audio coders get 16-bit WAVs of the codes, up to eight channels a file;
general compressors get the codes as raw int16, frame by frame. Sizes count everything that a baseline writes.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from runtime.core.implant_table import codes_of

CHANNELS_PER_FILE = 8
"""More than this neither FLAC nor most readers of WAV take."""


class BaselineError(RuntimeError):
    """A baseline failed or did not restore its input."""


@dataclass(frozen=True)
class Baseline:
    """Describe a compressor by two commands; `{source}` and `{target}` stand for paths.

    Commands without `{target}` write to standard output. The suffix is that of the compressed file; of audio coders,
    which read a WAV rather than raw int16, `audio` is true.
    """

    name: str
    encode: str
    decode: str
    suffix: str = ""
    audio: bool = False

    @property
    def installed(self) -> bool:
        """Whether both commands are there."""
        return all(shutil.which(command.split()[0]) for command in (self.encode, self.decode))


@dataclass(frozen=True)
class Measurement:
    """Hold the bytes of a recording, and seconds, process start included (nan: not measured)."""

    bytes: int
    encode_seconds: float
    decode_seconds: float


FLAC = Baseline(
    "FLAC -8",
    "flac -8 --no-padding --channel-map=none -s -f -o {target} {source}",
    "flac -d --channel-map=none -s -f -o {target} {source}",
    suffix=".flac",
    audio=True,
)
WAVPACK = Baseline(
    "WavPack -hhx4",
    "wavpack -hhx4 -q -y {source} -o {target}",
    "wvunpack -q -y {source} -o {target}",
    suffix=".wv",
    audio=True,
)
XZ = Baseline("xz -9e", "xz -9e -c {source}", "xz -dc {source}")
ZSTD = Baseline("zstd -19", "zstd -19 -q -c {source}", "zstd -dc -q {source}")
BZIP2 = Baseline("bzip2 -9", "bzip2 -9 -c {source}", "bzip2 -dc {source}")
BASELINES = (FLAC, WAVPACK, XZ, ZSTD, BZIP2)
AUDIO_BASELINES = (FLAC, WAVPACK)


def missing(baselines: Iterable[Baseline] = BASELINES) -> list[str]:
    """Return the names of baselines that are not installed."""
    return [baseline.name for baseline in baselines if not baseline.installed]


def read_codes(path: Path) -> tuple[np.ndarray, int]:
    """Return what the baselines compress, int16 [time, channel], and the sample rate.

    Codes where all samples are on the implant's table, else the samples themselves (8-bit ones minus 128).
    """
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    if soundfile.info(path).subtype == "PCM_U8":
        return samples >> 8, rate
    return codes_of_samples(samples), rate


def codes_of_samples(samples: np.ndarray) -> np.ndarray:
    """Return codes, int16, where all samples are on the implant's table, else the samples themselves."""
    codes = codes_of(samples)
    return samples if (codes < 0).any() else codes - np.int16(512)


def measure(path: Path, baseline: Baseline, decode: bool = True) -> Measurement:
    """Run one baseline on one recording; with `decode`, restore it too and check that the codes are the same.

    Raises
    ------
    BaselineError
        The baseline failed, or gave something else back.
    """
    return measure_codes(*read_codes(path), baseline, decode)


def measure_codes(codes: np.ndarray, rate: int, baseline: Baseline, decode: bool = True) -> Measurement:
    """Run one baseline on codes int16 [time, channel], as `measure` does."""
    width = CHANNELS_PER_FILE if baseline.audio else codes.shape[1]
    parts = [codes[:, first : first + width] for first in range(0, codes.shape[1], width)]
    found = [_measure_part(baseline, part, rate, decode) for part in parts]
    return Measurement(*(sum(column) for column in zip(*found)))


def measure_all(
    paths: Sequence[Path], baselines: Iterable[Baseline] = BASELINES, decode: bool = False, jobs: int = 1
) -> dict[str, list[Measurement]]:
    """Run every installed baseline on every recording; lists are in the order of `paths`.

    With jobs > 1 the times mean little.
    """
    installed = [baseline for baseline in baselines if baseline.installed]
    with ThreadPoolExecutor(jobs) as pool:
        return {b.name: list(pool.map(lambda path, b=b: measure(path, b, decode), paths)) for b in installed}


def _measure_part(baseline: Baseline, codes: np.ndarray, rate: int, decode: bool) -> tuple[int, float, float]:
    with tempfile.TemporaryDirectory() as folder:
        ending = ".wav" if baseline.audio else ""
        names = (f"codes{ending}", f"packed{baseline.suffix}", f"restored{ending}")
        source, packed, restored = (Path(folder) / name for name in names)
        if baseline.audio:
            soundfile.write(source, codes, rate, subtype="PCM_16")
        else:
            source.write_bytes(codes.astype("<i2").tobytes())
        encode_seconds, decode_seconds = _run(baseline, baseline.encode, source, packed), float("nan")
        if decode:
            decode_seconds = _run(baseline, baseline.decode, packed, restored)
            contents = (soundfile.read(p, dtype="int16")[0].tobytes() for p in (source, restored))
            if not (len(set(contents)) == 1 if baseline.audio else source.read_bytes() == restored.read_bytes()):
                raise BaselineError(f"{baseline.name} did not restore its input")
        return packed.stat().st_size, encode_seconds, decode_seconds


def _run(baseline: Baseline, command: str, source: Path, target: Path) -> float:
    arguments = [part.format(source=source, target=target) for part in command.split()]
    start = time.perf_counter()
    result = subprocess.run(arguments, capture_output=True, stdin=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    if result.returncode:
        raise BaselineError(f"{baseline.name} failed: {result.stderr.decode(errors='replace').strip()}")
    if "{target}" not in command:
        target.write_bytes(result.stdout)
    return seconds
