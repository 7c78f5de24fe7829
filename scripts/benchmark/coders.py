"""Coders of arrays in memory, as laboratories use them, and what they take: one place says how.

A coder gets the pieces that it would get in use: chunks of a second of all channels in zarr, files of eight channels of
FLAC. Times are processor time of this process, threads included, so that they hold for one core. All bytes are counted.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import lzma
import shutil
import subprocess
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import zstandard

import runtime
from training.evaluation.baselines import CHANNELS_PER_FILE

from . import engines
from .recordings import Recording

ZSTD_LEVEL, BLOSC_LEVEL = 19, 5
REPEATS = 5
WAVPACK_CHANNELS = 256
"""The most that its command takes."""
WAVPACK_RATE = 20000
"""Hz; of less it makes blocks that are too short to compress."""
WAVPACK_3 = "WavPack 3 (-h) in zarr"
"""SpikeInterface's other choice for zarr."""


@dataclass(frozen=True)
class Coder:
    """Describe a coder.

    Attributes
    ----------
    name : str
    encode : callable
        From a piece, int16 [frames, channels], and the sample rate in Hz to bytes.
    decode : callable
        From bytes and the shape of the piece to the piece.
    seconds : float or None
        Length of the pieces; None for the whole recording.
    channels : int or None
        Most channels of a piece; None for all.
    codes : bool
        Whether it gets codes where the samples stand for such.
    """

    name: str
    encode: Callable[[np.ndarray, int], bytes]
    decode: Callable[[bytes, tuple[int, int]], np.ndarray]
    seconds: float | None = 1.0
    channels: int | None = None
    codes: bool = True

    def pieces(self, recording: Recording) -> list[np.ndarray]:
        """Return the pieces of a recording."""
        whole = recording.codes if self.codes else recording.samples
        frames = max(1, round(self.seconds * recording.rate)) if self.seconds else len(whole)
        width = self.channels or whole.shape[1]
        return [
            np.ascontiguousarray(whole[first : first + frames, left : left + width])
            for first in range(0, len(whole), frames)
            for left in range(0, whole.shape[1], width)
        ]


@dataclass(frozen=True)
class Measurement:
    """What a recording took: bytes, seconds of processor time, and a digest of the bytes."""

    bytes: int
    encode_seconds: float
    decode_seconds: float
    digest: str


def measure(coder: Coder, recording: Recording, patience: float) -> Measurement:
    """Encode and decode a recording, and compare; short work is repeated, and the fastest counts.

    Parameters
    ----------
    patience
        Seconds that repeating goes on for.

    Raises
    ------
    SystemExit
        Something else came back.
    """
    pieces = coder.pieces(recording)
    encode, packed = fastest(lambda: [coder.encode(piece, recording.rate) for piece in pieces], patience)
    shapes = [piece.shape for piece in pieces]
    decode, back = fastest(lambda: list(map(coder.decode, packed, shapes)), patience)
    if not all(map(np.array_equal, pieces, back)):
        raise SystemExit(f"{coder.name} did not restore {recording.name}")
    return Measurement(sum(map(len, packed)), encode, decode, hashlib.sha256(b"".join(packed)).hexdigest())


def fastest(call: Callable, patience: float) -> tuple[float, object]:
    """Return the least processor time of a call that is repeated for a while, and its last result."""
    times: list[float] = []
    while not times or len(times) < REPEATS and sum(times) < patience:
        start = time.process_time()
        result = call()
        times.append(time.process_time() - start)
    return min(times), result


def ours(engine: str, independent: bool) -> Coder:
    """Return this project's coder with an engine, each channel alone or not."""

    def encode(piece: np.ndarray, rate: int) -> bytes:
        engines.use(engine)
        return runtime.encode(piece, rate, layout="time-channel", independent=independent, verify=False)

    def decode(data: bytes, shape: tuple[int, int]) -> np.ndarray:
        engines.use(engine)
        return runtime.decode(data)[0]

    mode = "alone" if independent else "joint"
    return Coder(f"middleout {mode}, {engine}", encode, decode, seconds=None, codes=False)


def baselines() -> tuple[list[Coder], list[str]]:
    """Return the baselines that can be measured here, and the packages that others need."""
    missing = [package for package in _OPTIONAL if importlib.util.find_spec(package) is None]
    optional = [make for package, makers in _OPTIONAL.items() if package not in missing for make in makers]
    return [make() for make in (_flac, *optional, _zstd, _xz, _delta_zlib)], missing


def of_whole_recordings(engine: str) -> tuple[list[Coder], list[str]]:
    """Return coders of whole recordings that can be measured here, and what others need.

    This project's comes first, then FLAC, then, if it can be measured, WavPack.
    """
    some, missing = [replace(ours(engine, independent=False), name="middleout"), replace(_flac(), name="FLAC -8")], []
    if shutil.which("wavpack") and shutil.which("wvunpack"):
        some.append(_wavpack_command())
    else:
        missing.append("the command wavpack")
    others = [(_xz, "xz -9e", None), (blosc, "Blosc-zstd", "numcodecs"), (pcodec, "pcodec", "pcodec")]
    for make, name, package in others:
        if package and importlib.util.find_spec(package) is None:
            missing.append(f"the package {package}")
        else:
            some.append(replace(make(), name=name, seconds=None))
    return some, missing


def _wavpack_command() -> Coder:
    """Return WavPack at its best, by its command."""

    def run(command: str, arguments: list[str], data: bytes, suffixes: tuple[str, str]) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            source, target = (Path(folder, "piece").with_suffix(suffix) for suffix in suffixes)
            source.write_bytes(data)
            subprocess.run([command, *arguments, "-q", source, "-o", target], check=True, capture_output=True)
            return target.read_bytes()

    def encode(piece, rate):
        return run(
            "wavpack",
            ["-hhx3", f"--raw-pcm={max(rate, WAVPACK_RATE)},16,{piece.shape[1]}"],
            piece.tobytes(),
            (".raw", ".wv"),
        )

    def decode(data, shape):
        return _numbers(run("wvunpack", ["--raw"], data, (".wv", ".raw")), shape)

    return Coder("WavPack -hhx3", encode, decode, seconds=None, channels=WAVPACK_CHANNELS)


def _numbers(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    return np.frombuffer(data, "<i2").reshape(shape)


def _flac() -> Coder:
    def encode(piece, rate):
        file = io.BytesIO()
        soundfile.write(file, piece, rate, format="FLAC", subtype="PCM_16", compression_level=1.0)
        return file.getvalue()

    def decode(data, shape):
        return soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)[0]

    return Coder("FLAC -8, 8 channels a file", encode, decode, seconds=None, channels=CHANNELS_PER_FILE)


def _wavpack(name: str, level: int) -> Coder:
    from wavpack_numcodecs.wavpack import WavPack

    with warnings.catch_warnings():  # old versions of its library have no threads, which are not used here
        warnings.simplefilter("ignore")
        codec = WavPack(level=level)
    return Coder(
        name,
        lambda piece, rate: bytes(codec.encode(piece)),
        lambda data, shape: _numbers(codec.decode(data), shape),
    )


def wavpack_3() -> Coder:
    return _wavpack(WAVPACK_3, 3)


def _wavpack_hh() -> Coder:
    return _wavpack("WavPack -hh in zarr", 4)


def blosc() -> Coder:
    """Return SpikeInterface's default for zarr."""
    from numcodecs import blosc

    blosc.set_nthreads(1)
    codec = blosc.Blosc("zstd", BLOSC_LEVEL, blosc.BITSHUFFLE)
    return Coder(
        "Blosc-zstd, bitshuffle in zarr",
        lambda piece, rate: bytes(codec.encode(piece)),
        lambda data, shape: _numbers(codec.decode(data), shape),
    )


def pcodec() -> Coder:
    """Return pcodec, channel by channel behind one another."""
    from pcodec import ChunkConfig, standalone

    return Coder(
        "pcodec, channels in a row",
        lambda piece, rate: standalone.simple_compress(piece.T.ravel(), ChunkConfig()),
        lambda data, shape: standalone.simple_decompress(data).reshape(shape[::-1]).T,
    )


def _zstd() -> Coder:
    return Coder(
        f"zstd -{ZSTD_LEVEL}",
        lambda piece, rate: zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(piece.tobytes()),
        lambda data, shape: _numbers(zstandard.ZstdDecompressor().decompress(data), shape),
    )


def _xz() -> Coder:
    return Coder(
        "xz -9e",
        lambda piece, rate: lzma.compress(piece.tobytes(), preset=9 | lzma.PRESET_EXTREME),
        lambda data, shape: _numbers(lzma.decompress(data), shape),
    )


def _delta_zlib() -> Coder:
    """Return what mtscomp 1.0 does to a chunk: differences over time, channel by channel, zlib."""

    def encode(piece, rate):
        return zlib.compress(np.diff(piece, axis=0, prepend=piece[:1] * 0).tobytes(order="F"))

    def decode(data, shape):
        return np.cumsum(_numbers(zlib.decompress(data), shape[::-1]).T, axis=0, dtype=np.int16)

    return Coder("delta + zlib (mtscomp)", encode, decode)


_OPTIONAL = {"wavpack_numcodecs": (wavpack_3, _wavpack_hh), "numcodecs": (blosc,), "pcodec": (pcodec,)}
