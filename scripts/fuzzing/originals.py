"""Readers of originals as targets: WAV, `.npy`, raw samples, files of acquisition systems, records."""

from __future__ import annotations

import io
import itertools
import struct
import sys

import numpy as np

from runtime.container.chunk_head import chunk_frames
from runtime.container.record_bytes import Packed, Unpacked
from runtime.container.records import Bytes, Integers, Layout, Records, Samples, Signal
from runtime.core import sample_formats
from runtime.core.terms import CHANNEL_TIME
from runtime.recording import npy as npy_files
from runtime.recording.raw import Form, RawReader
from runtime.recording.records import Assembler
from runtime.recording.wav import WavReader

from .vectors import TESTS, files

sys.path.append(str(TESTS / "recording" / "formats"))

import acquisition_files  # noqa: E402  (of the tests)
from parsed import parse  # noqa: E402

_READ = 1 << 16


def wav(data: bytes) -> None:
    for size in (len(data), None):
        _read_source(WavReader(io.BytesIO(data), size))


def npy(data: bytes) -> None:
    for layout in (None, CHANNEL_TIME):
        file = io.BytesIO(data)
        front, form = npy_files.read_header(file, 20000, layout)
        _read_source(RawReader(file, len(data) - len(front), form, front))


def raw(data: bytes) -> None:
    types = [sample_formats.parse(name) for name in ("int16", "uint8", "int24", "float64")]
    channels, kind = (data[0] % 5 + 1, types[data[1] % 4]) if len(data) > 1 else (1, types[0])
    for layout in (None, CHANNEL_TIME):
        form = Form(channels, 20000, kind, None, layout, layout == CHANNEL_TIME)
        _read_source(RawReader(io.BytesIO(data[2:]), len(data) - 2, form))


def acquisition(data: bytes) -> None:
    """Describe a file, take it apart, and put it together again: a file that comes back otherwise is a finding."""
    found = parse(data, step=_READ)
    if found is not None and found.back != data:
        raise AssertionError("the file comes back as another one")


def acquisition_seeds() -> list[bytes]:
    return [make().data for make in acquisition_files.CASES.values()]


def layout(data: bytes) -> None:
    """Take the first byte for a number of channels, some for a layout, and the rest for the bytes of its records."""
    channels, size = data[0] % 4 + 1 if data else 1, data[1] if len(data) > 1 else 0
    layout = Layout.parse(data[2 : 2 + size], channels, 2)
    assembler = Assembler(layout, "<i2")
    frames = min(layout.frames, _READ // channels)
    packed = Packed(data[2 + size :], layout, list(layout.begun(0, frames)), "<i2")
    for chunk, signals in packed.chunks:
        packed.take(np.zeros((chunk_frames(chunk, signals), signals), np.int16))
    samples = np.zeros((frames, channels), np.int16)
    for _ in itertools.chain(assembler.start(), assembler.add(samples, packed.rows)):
        pass


def layout_seeds() -> list[bytes]:
    found = []
    signals = Records(4, (Signal(2, 5), Samples(2, 3), Integers(2), Signal(2, 5)))
    for records in (Records(5, (Samples(2),)), Records(3, (Integers(4, 2), Samples(2, 3, True), Bytes(3))), signals):
        packed = Layout((b"front", records, b"between", records)).pack()
        kept = np.arange(2 * records.count * records.kept, dtype=np.uint8).reshape(2, records.count, -1)
        for chunk in (b"", struct.pack("<IB", 20, 0)):
            unpacked = Unpacked([(records, part) for part in kept], "<i2")
            while unpacked.take(chunk):
                pass
            found.append(bytes([1, len(packed)]) + packed + unpacked.pack())
    return found


def _read_source(source: WavReader | RawReader) -> None:
    while len(source.read(_READ)) == _READ:
        pass
    for _ in source.back():
        pass


def npy_seeds() -> list[bytes]:
    found = []
    for array in (np.zeros((3, 2), np.int16), np.zeros(4, np.uint8), np.asfortranarray(np.zeros((3, 2), ">f4"))):
        file = io.BytesIO()
        np.save(file, array)
        found.append(file.getvalue())
    return found + [data[:2000] for data in files("vectors/valid/*.npy")]
