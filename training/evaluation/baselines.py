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

_CHANNELS_PER_FILE = 8
"""More than this neither FLAC nor most readers of WAV take."""


class BaselineError(RuntimeError):
    """A baseline failed or did not restore its input."""


@dataclass(frozen=True)
class Baseline:
    """Describe a compressor as two commands; `{source}` and `{target}` stand for paths."""

    name: str
    encode: tuple[str, ...]
    decode: tuple[str, ...]
    audio: bool = False
    """It reads a WAV rather than raw int16."""
    to_stdout: bool = False

    @property
    def installed(self) -> bool:
        return all(shutil.which(command[0]) for command in (self.encode, self.decode))


@dataclass(frozen=True)
class Measurement:
    """Hold the bytes of a recording, and seconds, process start included (nan: not measured)."""

    bytes: int
    encode_seconds: float
    decode_seconds: float


FLAC = Baseline(
    "FLAC -8",
    ("flac", "-8", "--no-padding", "--channel-map=none", "-s", "-f", "-o", "{target}", "{source}"),
    ("flac", "-d", "--channel-map=none", "-s", "-f", "-o", "{target}", "{source}"),
    audio=True,
)
WAVPACK = Baseline(
    "WavPack -hhx4",
    ("wavpack", "-hhx4", "-q", "-y", "{source}", "-o", "{target}"),
    ("wvunpack", "-q", "-y", "{source}", "-o", "{target}"),
    audio=True,
)
XZ = Baseline("xz -9e", ("xz", "-9e", "-c", "{source}"), ("xz", "-dc", "{source}"), to_stdout=True)
ZSTD = Baseline("zstd -19", ("zstd", "-19", "-q", "-c", "{source}"), ("zstd", "-dc", "-q", "{source}"), to_stdout=True)
BZIP2 = Baseline("bzip2 -9", ("bzip2", "-9", "-c", "{source}"), ("bzip2", "-dc", "{source}"), to_stdout=True)
PPMD = Baseline(
    "7z PPMd",
    ("7z", "a", "-t7z", "-m0=PPMd", "-mx=9", "-bd", "-y", "{target}", "{source}"),
    ("7z", "e", "-so", "-bd", "{source}"),
)

BASELINES = (FLAC, WAVPACK, XZ, ZSTD, BZIP2, PPMD)
AUDIO_BASELINES = (FLAC, WAVPACK)

_SUFFIXES = {"flac": ".flac", "wavpack": ".wv", "7z": ".7z"}


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
    codes = codes_of(samples)
    return (samples if (codes < 0).any() else codes - np.int16(512)), rate


def measure(path: Path, baseline: Baseline, decode: bool = True) -> Measurement:
    """Run one baseline on one recording; with `decode`, restore it too and check that the codes are the same.

    Raises
    ------
    BaselineError
        The baseline failed, or gave something else back.
    """
    return measure_codes(*read_codes(path), baseline, decode)


def measure_codes(codes: np.ndarray, rate: int, baseline: Baseline, decode: bool = True) -> Measurement:
    """Like `measure`, on codes int16 [time, channel]."""
    with tempfile.TemporaryDirectory() as folder:
        parts = [_measure_part(baseline, part, rate, Path(folder), decode) for part in _parts(codes, baseline)]
    return Measurement(
        sum(part.bytes for part in parts),
        sum(part.encode_seconds for part in parts),
        sum(part.decode_seconds for part in parts),
    )


def measure_all(
    paths: Sequence[Path], baselines: Iterable[Baseline] = BASELINES, decode: bool = False, jobs: int = 1
) -> dict[str, list[Measurement]]:
    """Run every installed baseline on every recording; lists are in the order of `paths`.

    With jobs > 1 the times mean little.
    """
    with ThreadPoolExecutor(jobs) as pool:
        pending = {
            baseline.name: [pool.submit(measure, path, baseline, decode) for path in paths]
            for baseline in baselines
            if baseline.installed
        }
        return {name: [future.result() for future in futures] for name, futures in pending.items()}


def _parts(codes: np.ndarray, baseline: Baseline) -> list[np.ndarray]:
    if not baseline.audio:
        return [codes]
    return [codes[:, first : first + _CHANNELS_PER_FILE] for first in range(0, codes.shape[1], _CHANNELS_PER_FILE)]


def _measure_part(baseline: Baseline, codes: np.ndarray, rate: int, folder: Path, decode: bool) -> Measurement:
    source = folder / ("codes.wav" if baseline.audio else "codes")
    packed = folder / ("packed" + _SUFFIXES.get(baseline.encode[0], ""))
    restored = folder / ("restored.wav" if baseline.audio else "restored")
    packed.unlink(missing_ok=True)
    if baseline.audio:
        soundfile.write(source, codes, rate, subtype="PCM_16")
    else:
        source.write_bytes(codes.astype("<i2").tobytes())
    encode_seconds = _run(baseline, baseline.encode, source, packed, baseline.to_stdout)
    decode_seconds = float("nan")
    if decode:
        decode_seconds = _run(baseline, baseline.decode, packed, restored, not baseline.audio)
        if not _same(source, restored, baseline.audio):
            raise BaselineError(f"{baseline.name} did not restore its input")
    return Measurement(packed.stat().st_size, encode_seconds, decode_seconds)


def _run(baseline: Baseline, command: Sequence[str], source: Path, target: Path, to_stdout: bool) -> float:
    arguments = [argument.format(source=source, target=target) for argument in command]
    start = time.perf_counter()
    result = subprocess.run(arguments, capture_output=True, stdin=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    if result.returncode:
        raise BaselineError(f"{baseline.name} failed: {result.stderr.decode(errors='replace').strip()}")
    if to_stdout:
        target.write_bytes(result.stdout)
    return seconds


def _same(source: Path, restored: Path, audio: bool) -> bool:
    if audio:
        return np.array_equal(soundfile.read(source, dtype="int16")[0], soundfile.read(restored, dtype="int16")[0])
    return source.read_bytes() == restored.read_bytes()
