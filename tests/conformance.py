"""The conformance vectors in tests/vectors: what the manifest means, and how a vector is encoded.

Used by the tests, by scripts/make_vectors and by scripts/determinism; needs no more than `runtime` does.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import zstandard

import runtime
from runtime import chunking, writer
from runtime.container import BlockReader

FOLDER = Path(__file__).resolve().parent / "vectors"
MODEL = FOLDER / "model.onnx"
MTIME = 1_700_000_000 * 10**9
"""Modification time of every recording, in nanoseconds."""


@dataclass(frozen=True)
class Vector:
    """A recording and its stream.

    name : stem of valid/NAME.wav and valid/NAME.mdo
    what : what it is there for
    chunk_frames : what the encoder aims for; None for its own choice
    embed : whether the stream carries the model
    array : whether the samples were encoded as an array, not as a file (for `runtime.decode` gives them back)
    max_error : bound of the error; the recording then is one that comes back as it is: what another one decoded to
    """

    name: str
    what: str
    chunk_frames: int | None = None
    embed: bool = False
    array: bool = False
    max_error: int = 0

    def recording(self) -> bytes:
        """The WAV file."""
        return (FOLDER / "valid" / f"{self.name}.wav").read_bytes()

    def stream(self) -> bytes:
        """The coded file."""
        return (FOLDER / "valid" / f"{self.name}.mdo").read_bytes()


def manifest() -> dict:
    """tests/vectors/manifest.json: `valid` and `faulty` vectors with the SHA-256 of all files."""
    return json.loads((FOLDER / "manifest.json").read_text())


def vectors() -> list[Vector]:
    """All valid ones."""
    return [Vector(**entry["vector"]) for entry in manifest()["valid"]]


@contextmanager
def chunks_of(frames: int | None):
    """Have the encoder aim for chunks of so many frames."""
    homes = (chunking, writer)
    before = [home.CHUNK_FRAMES for home in homes]
    for home in homes if frames else ():
        home.CHUNK_FRAMES = frames
    try:
        yield
    finally:
        for home, value in zip(homes, before, strict=True):
            home.CHUNK_FRAMES = value


def encode(vector: Vector, recording: bytes, model: str | os.PathLike = MODEL, verify: bool = False) -> bytes:
    """The stream of a WAV file's bytes, encoded as the vector says."""
    options = {"model": model, "embed_model": vector.embed, "verify": verify, "max_error": vector.max_error}
    with chunks_of(vector.chunk_frames), tempfile.TemporaryDirectory() as folder:
        if vector.array:
            samples, rate = _read_canonical(recording)
            return runtime.encode(samples, rate, layout="time-lead", **options)
        path = Path(folder) / "x.wav"
        write_recording(path, recording)
        runtime.encode_file(path, **options)
        return (Path(folder) / "x.mdo").read_bytes()


def write_recording(path: Path, recording: bytes) -> None:
    """Write a WAV file with the time that is in the streams."""
    path.write_bytes(recording)
    os.utime(path, ns=(MTIME, MTIME))


def decode(stream: bytes, model: str | os.PathLike | None = MODEL) -> bytes:
    """The WAV file that a stream restores to."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.mdo"
        path.write_bytes(stream)
        outcome = runtime.decode_file(path, model=model)
        return Path(outcome.output).read_bytes()


def _read_canonical(recording: bytes):
    import numpy as np

    leads, rate, bits = struct.unpack_from("<HI6xH", recording, 22)
    return np.frombuffer(recording, "<i2" if bits == 16 else np.uint8, offset=44).reshape(-1, leads), rate


def normal_form(stream: bytes) -> bytes:
    """A stream with its zstd parts expanded and without what depends on their size (lengths, checksums, the index):
    what every encoder must give, whichever version of zstd it has."""
    blocks = BlockReader(io.BytesIO(stream))
    parts = [stream[:5], b"H", blocks.header.pack()]
    for block in blocks:
        body = block.payload
        if block.tag == b"M":
            body = zstandard.ZstdDecompressor().decompress(body)
        elif block.tag in b"FB":
            body = zstandard.ZstdDecompressor().decompress(body[1:]) if body[0] else body[1:]
        elif block.tag == b"E":
            body = blocks.index.frames.tobytes()
        parts += [block.tag, body]
    return b"".join(parts)


def sha256(data: bytes) -> str:
    """Hexadecimal digest."""
    return hashlib.sha256(data).hexdigest()
