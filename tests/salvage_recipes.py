"""Coded files of every kind, random damages, and what a salvage has to bring back of them."""

from __future__ import annotations

import struct
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from edf_files import edf, waves

import runtime
from runtime.archive.salvage import salvage_file
from runtime.container.blocks import BlockReader
from runtime.core.errors import FileFormatError
from runtime.recording.wav import WavFormat, canonical_header

CHUNK, CHUNKS, CHANNELS = 100, 12, 2
KINDS = (
    *("wav", "wav with more in it", "npy", "npy by channel", "raw", "raw floats", "records", "several files"),
    "records with other signals",
    *("array", "array of unknown length", "embedded model", "metadata", "near-lossless", "no checksum"),
)
DAMAGES = (
    *("flips", "many flips", "zeros", "lost bytes", "added bytes", "lost sector"),
    *("cut", "header and a flip", "index and a flip"),
)
OUTCOMES = ("all frames", "holes where chunks are damaged", "no header left")


@dataclass(frozen=True)
class Coded:
    """A coded file: its contents, where its blocks begin and end, and its samples."""

    kind: str
    data: bytes
    blocks: list[tuple[bytes, int, int]]
    samples: np.ndarray
    bounds: list[int]

    def spans(self, tags: bytes) -> list[tuple[int, int]]:
        """Return begin and end of the blocks with some tags."""
        return [(start, stop) for tag, start, stop in self.blocks if tag in tags]


def signal(kind: str = "int16", frames: int = CHUNK * CHUNKS) -> np.ndarray:
    """Return samples [frames, channels]."""
    steps = np.random.default_rng(len(kind)).integers(-40, 41, (frames, CHANNELS))
    values = np.cumsum(steps, axis=0) % 20000
    return (values / 8).astype(kind) if kind.startswith("f") else values.astype(kind)


def make(kind: str, folder: Path) -> Coded:
    """Encode a recording of a kind."""
    folder.mkdir(parents=True, exist_ok=True)
    path, out = folder / "a.wav", folder / "a.mdo"
    samples, encode = signal(), partial(runtime.encode_file, output=out, chunk_frames=CHUNK)
    front = canonical_header(WavFormat(CHANNELS, 20000, 16), len(samples))
    summed = {"sha256": True}
    if kind.startswith("array"):
        known = {} if kind.endswith("length") else {"frames": len(samples)}
        with runtime.Writer(out, 20000.5, CHANNELS, chunk_frames=CHUNK, **known, **summed) as writer:
            writer.write(samples)
    elif kind.startswith("npy"):
        path = folder / "a.npy"
        np.save(path, samples.astype(">i2") if kind == "npy" else samples.T.copy())
        encode(path, layout="time-channel" if kind == "npy" else "channel-time", **summed)
    elif kind.startswith("raw"):
        path, dtype = folder / "a.raw", "float32" if "floats" in kind else "uint16"
        samples = signal(dtype)
        path.write_bytes(samples.tobytes())
        encode(path, channels=CHANNELS, dtype=dtype, sample_rate=30000, **summed)
    elif kind == "records":
        samples = signal(frames=2048)[:, :1]
        path = neuralynx(folder, samples[:, 0])
        encode(path, **{"chunk_frames": 170, **summed})
    elif kind == "records with other signals":
        path, channels = folder / "a.edf", waves(1600, CHANNELS, 1)
        samples = np.stack(channels, axis=1).astype(np.int16)
        path.write_bytes(edf([*channels, *waves(800, 2, 2)], 16, notes=9))
        encode(path, **{"chunk_frames": 400, **summed})
    elif kind == "several files":
        paths = [folder / f"{channel}.wav" for channel in range(CHANNELS)]
        for channel, one in enumerate(paths):
            head = canonical_header(WavFormat(1, 20000, 16), len(samples))
            one.write_bytes(head + samples[:, channel].tobytes())
        runtime.encode_files(paths, array=True, output=out, chunk_frames=CHUNK, **summed)
    else:
        more = {
            "wav with more in it": {**summed},
            "embedded model": {"embed_model": True, **summed},
            "metadata": {"metadata": {"annotations": {"place": "left"}}, **summed},
            "near-lossless": {"max_error": 2, **summed},
            "no checksum": {"sha256": False},
        }.get(kind, summed)
        behind = b""
        if "more" in kind:
            behind = b"LIST" + struct.pack("<I", 40) + bytes(range(40))
            front = front[:36] + b"note" + struct.pack("<I", 6) + b"before" + front[36:]
        path.write_bytes(front + samples.tobytes() + behind)
        encode(path, **more)
    data = out.read_bytes()
    with runtime.open(out) as reader:
        found = reader.read()
    assert kind == "near-lossless" or np.array_equal(found, samples)
    blocks, bounds = places(out)
    return Coded(kind, data, blocks, found, bounds)


def neuralynx(folder: Path, samples: np.ndarray) -> Path:
    """Write a file of records: 512 samples of one channel behind a time stamp each."""
    path, count = folder / "a.ncs", len(samples) // 512
    header = b"######## Neuralynx Data File Header\r\n-ADBitVolts 0.0000001\r\n-SamplingFrequency 32000\r\n"
    records = np.zeros(count, [("time", "<u8"), ("about", "<u4", 3), ("samples", "<i2", 512)])
    records["time"], records["about"] = 10**9 + 16000 * np.arange(count), (0, 32000, 512)
    records["samples"] = samples.reshape(count, 512)
    path.write_bytes(header.ljust(16384, b"\0") + records.tobytes())
    return path


def places(path: Path) -> tuple[list[tuple[bytes, int, int]], list[int]]:
    """Return tag, begin and end of every block, and the first frames of the chunks and their end."""
    with open(path, "rb") as file:
        reader = BlockReader(file)
        found, at = [(b"H", 5, reader.offset)], reader.offset
        for block in reader:
            found.append((block.tag, at, reader.offset))
            at = reader.offset
    return found, [0, *np.cumsum(reader._seen.frames).tolist()]


def damage(coded: Coded, what: str, random: np.random.Generator) -> tuple[bytes, np.ndarray]:
    """Damage a file. Returns its bytes, and for each the place where it was in the whole file, -1 for none."""
    data, source = np.frombuffer(coded.data, np.uint8).copy(), np.arange(len(coded.data))

    def change(at: int, values: np.ndarray) -> None:
        differs = data[at : at + len(values)] != values
        data[at : at + len(values)] = values
        source[at : at + len(values)][differs] = -1

    def flip(start: int = 0, stop: int | None = None) -> None:
        at = int(random.integers(start, len(data) if stop is None else stop))
        change(at, data[at : at + 1] ^ np.uint8(1 << random.integers(8)))

    if "header" in what:
        flip(*coded.spans(b"H")[0])
    if "index" in what:
        flip(*coded.spans(b"E")[0])
    at = int(random.integers(len(data)))
    size = int(random.integers(1, 200))
    if "flip" in what:
        for _ in range(int(random.integers(*{"flips": (1, 4), "many flips": (4, 30)}.get(what, (1, 2))))):
            flip()
    elif what == "zeros":
        change(at, np.zeros(min(size, len(data) - at), np.uint8))
    elif what in ("lost bytes", "lost sector"):
        gone = slice(at, at + (512 if "sector" in what else size))
        data, source = np.delete(data, gone), np.delete(source, gone)
    elif what == "added bytes":
        data = np.insert(data, at, random.integers(0, 256, size, np.uint8))
        source = np.insert(source, at, np.full(size, -1))
    elif what == "cut":
        data, source = data[:at], source[:at]
    return data.tobytes(), source


def is_whole(span: tuple[int, int], source: np.ndarray) -> bool:
    """Tell whether the bytes of a span are somewhere in a damaged file as they were."""
    start, stop = span
    places = np.flatnonzero(source == start)
    return len(places) > 0 and np.array_equal(source[places[0] : places[0] + stop - start], np.arange(start, stop))


def check(coded: Coded, damaged: tuple[bytes, np.ndarray], folder: Path, fill: str, both: bool = True) -> str:
    """Salvage a damaged file, and compare with what it was.

    Parameters
    ----------
    damaged : of `damage`
    folder : where to work
    fill : of `salvage_file`
    both : whether to restore the original too, at once and by way of the coded file

    Returns
    -------
    str
        What became of it.

    Raises
    ------
    AssertionError
        A chunk that is whole did not come back, or anything else is not as it should be.
    """
    data, source = damaged
    path, again = folder / "damaged.mdo", folder / "again.mdo"
    path.write_bytes(data)
    try:
        found = salvage_file(path, again, fill=fill, force=True, jobs=1)
    except FileFormatError:
        assert not any(is_whole(span, source) for span in coded.spans(b"HS")), "a header was whole, and nothing saved"
        return "no header left"
    with runtime.open(again) as reader:
        samples = reader.read()
    whole = [is_whole(span, source) for span in coded.spans(b"C")]
    lost = [(hole.start, hole.stop) for hole in found.holes]
    certain = coded.kind != "array of unknown length" or is_whole(coded.blocks[-1][1:], source)
    expected = runs(coded.bounds, whole, None if certain else len(samples))
    assert lost == expected, f"holes {lost}, not {expected}"
    kept = np.ones(len(samples), bool)
    for start, stop in lost:
        kept[start:stop] = False
        held = fill == "hold" and start > 0
        zero = 1 << 8 * samples.itemsize - 1 if samples.dtype.kind == "u" else 0
        assert (samples[start:stop] == (samples[start - 1] if held else zero)).all(), "a hole is not filled"
    assert np.array_equal(samples[kept], coded.samples[: len(samples)][kept]), "other samples"
    assert found.intact == (data == coded.data), f"intact: {found.intact}"
    if both:
        restore(path, again, folder, fill)
    return "all frames" if all(whole) else "holes where chunks are damaged"


def restore(path: Path, again: Path, folder: Path, fill: str) -> None:
    """Restore the original of a damaged file, at once and by way of a coded one, and compare."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        one, other = Path(work) / "one", Path(work) / "other"
        salvage_file(path, one, fill=fill, jobs=1)
        runtime.decode_file(again, other)
        assert contents(one) == contents(other), "restored at once and by way of a coded file is not the same"


def contents(path: Path) -> object:
    """Return the bytes of a file, or of all in a folder."""
    return {one.name: one.read_bytes() for one in path.iterdir()} if path.is_dir() else path.read_bytes()


def runs(bounds: list[int], whole: list[bool], most: int | None) -> list[tuple[int, int]]:
    """Return the frames of chunks that are not whole, joined where they touch; `most` if later ones are not known."""
    found: list[tuple[int, int]] = []
    for start, stop, good in zip(bounds, bounds[1:], whole, strict=False):
        if good or most is not None and start >= most:
            continue
        if found and found[-1][1] == start:
            found[-1] = found[-1][0], stop
        else:
            found.append((start, stop))
    return found
