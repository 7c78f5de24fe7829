"""The conformance vectors in tests/vectors: what the manifest means, and how a vector is encoded.

Used by the tests, by scripts/make_vectors and by scripts/determinism; needs no more than `runtime` does.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import tarfile
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

import runtime
from runtime.batch import chunking
from runtime.container.blocks import BlockReader
from runtime.container.chunk_head import WIDE
from runtime.wide import payload as wide

FOLDER = Path(__file__).resolve().parent / "vectors"
DIGESTS = FOLDER / "encoder_digests.json"
MODEL, MESSAGES_MODEL = FOLDER / "model.onnx", FOLDER / "messages-model.onnx"
RECURRENT_MODEL = FOLDER / "recurrent-model.onnx"
MTIME = 1_700_000_000 * 10**9
"""Modification time of every recording, in nanoseconds."""


@dataclass(frozen=True)
class Vector:
    """A recording and its stream.

    name : stem of valid/NAME.FORM and valid/NAME.mdo
    what : what it is there for
    chunk_frames : what the encoder aims for; None for its own choice
    embed : whether the stream carries the model
    array : whether the samples were encoded as an array, not as a file (for `runtime.decode` gives them back)
    max_error : bound of the error; the recording then is one that comes back as it is: what another one decoded to
    once : whether the stream was made from another recording, which is not kept, than the one that it decodes to
    messages : whether it is coded with the model that has messages, which is in the stream then
    recurrent : the same with the model that has a state
    form : of the recording: wav, npy, bin (raw samples), txt (kept as it is), tar (files, one for each channel)
    options : of `runtime.encode_file`; of `array` vectors those of `runtime.encode`, and dtype
    """

    name: str
    what: str
    chunk_frames: int | None = None
    embed: bool = False
    array: bool = False
    max_error: int = 0
    messages: bool = False
    recurrent: bool = False
    form: str = "wav"
    once: bool = False
    options: dict = field(default_factory=dict)

    def recording(self) -> bytes:
        """The file of the recording, or the archive of its files."""
        return (FOLDER / "valid" / f"{self.name}.{self.form}").read_bytes()

    def stream(self) -> bytes:
        """The coded file."""
        return (FOLDER / "valid" / f"{self.name}.mdo").read_bytes()


def manifest() -> dict:
    """tests/vectors/manifest.json: `valid` and `faulty` vectors with the SHA-256 of all files."""
    return json.loads((FOLDER / "manifest.json").read_text())


def encoder_digests() -> dict[str, str]:
    """SHA-256 of the normal form of what the encoder makes of each valid vector's recording, by name."""
    return json.loads(DIGESTS.read_text())


def vectors() -> list[Vector]:
    """All valid ones."""
    return [Vector(**entry["vector"]) for entry in manifest()["valid"]]


@contextmanager
def chunks_of(frames: int | None):
    """Have the encoder aim for chunks of so many frames."""
    before = chunking.CHUNK_FRAMES
    chunking.CHUNK_FRAMES = frames or before
    try:
        yield
    finally:
        chunking.CHUNK_FRAMES = before


def encode(vector: Vector, recording: bytes, model: str | os.PathLike = MODEL, verify: bool = False) -> bytes:
    """The stream of a recording, encoded as the vector says; what was made once is not made again."""
    if vector.once and (FOLDER / "valid" / f"{vector.name}.mdo").exists() and recording == vector.recording():
        return vector.stream()
    model = MESSAGES_MODEL if vector.messages else RECURRENT_MODEL if vector.recurrent else model
    options = {"model": model, "embed_model": vector.embed, "verify": verify, "max_error": vector.max_error}
    with chunks_of(vector.chunk_frames), tempfile.TemporaryDirectory() as folder:
        if vector.array:
            samples, rate = _read_canonical(recording, vector.options.get("dtype"))
            more = {name: value for name, value in vector.options.items() if name != "dtype"}
            return runtime.encode(samples, **{"sample_rate": rate, "layout": "time-channel", **options, **more})
        coded = Path(folder) / "x.mdo"
        if vector.form == "tar":
            paths = [Path(folder) / name for name in unpacked(recording)]
            for path, data in zip(paths, unpacked(recording).values(), strict=True):
                write_recording(path, data)
            outcomes = runtime.encode_files(paths, output=str(coded), array=True, jobs=1, **options, **vector.options)
            if outcomes[0].error is not None:
                raise outcomes[0].error
            return coded.read_bytes()
        path = coded.with_suffix(f".{vector.form}")
        write_recording(path, recording)
        runtime.encode_file(path, **options, **vector.options)
        return coded.read_bytes()


def write_recording(path: Path, recording: bytes) -> None:
    """Write a file with the time that is in the streams."""
    path.write_bytes(recording)
    os.utime(path, ns=(MTIME, MTIME))


def decode(stream: bytes, model: str | os.PathLike | None = MODEL) -> bytes:
    """The recording that a stream restores to."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.mdo"
        path.write_bytes(stream)
        outcome = runtime.decode_file(path, model=model)
        output = Path(outcome.output)
        if not output.is_dir():
            return output.read_bytes()
        return packed({found.name: found.read_bytes() for found in output.iterdir() if found != path})


def packed(files: dict[str, bytes]) -> bytes:
    """Files by name as an archive."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return archive.getvalue()


def unpacked(archive: bytes) -> dict[str, bytes]:
    """Undo `packed`."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}


def _read_canonical(recording: bytes, dtype: str | None):
    import numpy as np

    channels, rate, bits = struct.unpack_from("<HI6xH", recording, 22)
    samples = np.frombuffer(recording, "<i2" if bits == 16 else np.uint8, offset=44).reshape(-1, channels)
    return (samples.view(np.uint16) ^ 0x8000 if dtype == "uint16" else samples), rate


def normal_form(stream: bytes) -> bytes:
    """A stream with its zstd parts expanded and without what depends on their size (lengths, checksums, the index):
    what every encoder must give, whichever version of zstd it has."""
    blocks = BlockReader(io.BytesIO(stream))
    parts = [stream[:5], b"H", blocks.header.pack()]
    for block in blocks:
        body = block.payload
        if block.tag == b"M":
            body = zstandard.ZstdDecompressor().decompress(body)
        elif block.tag in b"JFB":
            body = zstandard.ZstdDecompressor().decompress(body[1:]) if body[0] else body[1:]
        elif block.tag == b"C" and block.payload[4] == WIDE:
            chunk = wide.parse(body, blocks.header.channels)
            body = wide.head(chunk) + chunk.stored + chunk.low_bits + (chunk.inner or b"")
        elif block.tag == b"E":
            body = blocks.index.frames.tobytes()
        parts += [block.tag, body]
    return b"".join(parts)


def sha256(data: bytes) -> str:
    """Hexadecimal digest."""
    return hashlib.sha256(data).hexdigest()
