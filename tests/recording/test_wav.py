"""The walk over WAV files: front, samples and back joined are the file, whatever is in it."""

import io
import struct

import numpy as np
import pytest

from runtime.core import limits
from runtime.core.errors import FileFormatError, UsageError
from runtime.core.sample_formats import to_bytes
from runtime.recording.wav import WavFormat, WavReader, canonical_header


def fmt(channels=1, rate=20000, bits=16, encoding=1, width=None, extra=b""):
    width = width or -(-bits // 8)
    body = struct.pack("<HHIIHH", encoding, channels, rate, rate * channels * width, channels * width, bits) + extra
    return chunk(b"fmt ", body)


def chunk(name, body, size=None):
    size = len(body) if size is None else size
    return name + struct.pack("<I", size) + body + b"\0" * (len(body) % 2)


def riff(*chunks, size=None):
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def extensible(bits, width, channels=1):
    guid = bytes.fromhex("0100000000001000800000aa00389b71")
    extra = struct.pack("<HHI", 22, bits, 0) + guid
    return fmt(channels, bits=8 * width, encoding=0xFFFE, extra=extra)


class Pipe(io.RawIOBase):
    """Gives a few bytes at a time, and neither size nor position."""

    def __init__(self, data):
        self._data = io.BytesIO(data)

    def read(self, count=-1):
        return self._data.read(min(count, 7))


def split(data, pipe=False, step=5):
    reader = WavReader(Pipe(data) if pipe else io.BytesIO(data), None if pipe else len(data))
    parts = []
    while len(part := reader.read(step)):
        parts.append(part)
    samples = np.concatenate(parts) if parts else np.empty((0, reader.form.channels), np.int16)
    return reader, samples, b"".join(reader.back())


SAMPLES = bytes(range(200)) * 2
ODD = {
    "canonical": (riff(fmt(), chunk(b"data", SAMPLES)), 200),
    "8 bits": (riff(fmt(bits=8), chunk(b"data", SAMPLES)), 400),
    "8 bits, odd length": (riff(fmt(bits=8), chunk(b"data", SAMPLES[:33])), 33),
    "12 bits": (riff(fmt(bits=12), chunk(b"data", SAMPLES)), 200),
    "3 channels and a rest": (riff(fmt(3), chunk(b"data", SAMPLES)), 66),
    "no samples": (riff(fmt(), chunk(b"data", b"")), 0),
    "no samples, chunk behind": (riff(fmt(), chunk(b"data", b""), chunk(b"LIST", b"hello!")), 0),
    "chunks in front": (riff(chunk(b"JUNK", b"12345"), fmt(), chunk(b"fact", b"1234"), chunk(b"data", SAMPLES)), 200),
    "chunks behind": (riff(fmt(), chunk(b"data", SAMPLES), chunk(b"LIST", b"abc")), 200),
    "bytes behind": (riff(fmt(), chunk(b"data", SAMPLES)) + b"tail", 200),
    "odd data size": (riff(fmt(), chunk(b"data", SAMPLES[:101])), 50),
    "odd data size, no padding": (riff(fmt(), chunk(b"data", SAMPLES[:101])[:-1]), 50),
    "truncated": (riff(fmt(), chunk(b"data", SAMPLES, 1000)), 200),
    "truncated in a frame": (riff(fmt(2), chunk(b"data", SAMPLES[:102], 1000)), 25),
    "size unknown": (riff(fmt(), chunk(b"data", SAMPLES, 0xFFFFFFFF), size=0xFFFFFFFF), 200),
    "size never filled in": (riff(fmt(), chunk(b"data", SAMPLES, 0), size=0), 200),
    "size of the start": (riff(fmt(), chunk(b"data", SAMPLES, 0), size=36), 200),
    "wrong RIFF size": (riff(fmt(), chunk(b"data", SAMPLES), size=7), 200),
    "longer format": (riff(fmt(extra=b"\0\0"), chunk(b"data", SAMPLES)), 200),
    "extensible": (riff(extensible(16, 2), chunk(b"data", SAMPLES)), 200),
    "extensible, 12 bits": (riff(extensible(12, 2, channels=2), chunk(b"data", SAMPLES)), 100),
    "wrong byte rate": (riff(fmt().replace(struct.pack("<I", 40000), b"abcd"), chunk(b"data", SAMPLES)), 200),
    "rate 0": (riff(fmt(rate=0), chunk(b"data", SAMPLES)), 200),
    "two data chunks": (riff(fmt(), chunk(b"data", SAMPLES), chunk(b"data", SAMPLES)), 200),
    "format again": (riff(fmt(), fmt(2), chunk(b"data", SAMPLES)), 200),
}


@pytest.mark.parametrize("pipe", [False, True])
@pytest.mark.parametrize("name", ODD)
def test_parts_joined_are_the_file(name, pipe):
    data, frames = ODD[name]
    reader, samples, back = split(data, pipe)
    assert samples.shape == (frames, reader.form.channels)
    assert samples.dtype == np.int16
    assert reader.front + to_bytes(samples, reader.dtype) + back == data
    assert reader.frames == (None if pipe else frames)


@pytest.mark.parametrize("name", ODD)
def test_the_canonical_flag_means_that_nothing_else_is_needed(name):
    data, frames = ODD[name]
    reader, samples, back = split(data)
    whole = canonical_header(reader.form, frames) + to_bytes(samples, reader.dtype)
    assert reader.canonical == (whole == data and not back)
    assert reader.canonical == (name in {"canonical", "8 bits", "no samples", "rate 0"})
    assert not split(data, pipe=True)[0].canonical


@pytest.mark.parametrize("name", ODD)
def test_a_file_that_was_cut_is_told_of(name):
    told = {"truncated": (500, 200), "truncated in a frame": (250, 25)}.get(name)
    notes = (f"its header tells of {told[0]} frames, and {told[1]} are there",) if told else ()
    if name == "no samples, chunk behind":
        notes = ("its header tells of no samples: 14 bytes behind it are kept as they are",)
    assert split(ODD[name][0])[0].notes == notes


def test_samples_have_their_values():
    samples = np.array([[-32768, 32767], [0, -1], [258, 2]], np.int16)
    _, read, _ = split(riff(fmt(2), chunk(b"data", samples.astype("<i2").tobytes())))
    assert np.array_equal(read, samples)
    _, read, _ = split(riff(fmt(bits=8), chunk(b"data", bytes([0, 128, 255]))))
    assert read.ravel().tolist() == [-128, 0, 127]


def test_the_canonical_header_is_the_one_of_the_wave_module(tmp_path):
    import wave

    path = tmp_path / "x.wav"
    for channels, width, frames in ((1, 2, 10), (4, 2, 3), (1, 1, 4), (2, 2, 0)):
        with wave.open(str(path), "wb") as file:
            file.setparams((channels, width, 19531, 0, "NONE", None))
            file.writeframes(bytes(frames * channels * width))
        head = canonical_header(WavFormat(channels, 19531, 8 * width), frames)
        assert path.read_bytes()[:44] == head


def test_too_long_for_a_header():
    head = canonical_header(WavFormat(1024, 20000, 16), 1 << 30)
    assert head[4:8] == head[40:44] == b"\xff" * 4


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"hello", "not a WAV file"),
        (b"fLaC" + bytes(40), "FLAC"),
        (b"RF64" + riff(fmt(), chunk(b"data", SAMPLES))[4:], "RF64"),
        (b"\x8fMDO\1" + bytes(40), "already"),
        (riff(fmt(encoding=3, bits=16), chunk(b"data", SAMPLES)), "floats of 16 bits"),
        (riff(fmt(encoding=2, bits=4), chunk(b"data", SAMPLES)), "ADPCM"),
        (riff(fmt(encoding=0x1234), chunk(b"data", SAMPLES)), "0x1234"),
        (riff(extensible(16, 2).replace(b"\x80\0\0\xaa", b"\x80\0\0\xab"), chunk(b"data", SAMPLES)), "0xfffe"),
        (riff(fmt(bits=40), chunk(b"data", SAMPLES)), "40 bits"),
        (riff(fmt(bits=4), chunk(b"data", SAMPLES)), "4 bits"),
        (riff(fmt(channels=0), chunk(b"data", SAMPLES)), "contradicts"),
        (riff(fmt(width=5), chunk(b"data", SAMPLES)), "contradicts"),
        (riff(fmt(bits=12, width=1), chunk(b"data", SAMPLES)), "contradicts"),
        (riff(chunk(b"fmt ", b"123")), "too short"),
        (riff(chunk(b"data", SAMPLES)), "no format chunk"),
        (riff(fmt()), "ends before"),
        (riff(fmt(), chunk(b"LIST", b"", 100)), "ends before"),
        (riff(fmt(), chunk(b"LIST", b"", 0xFFFFFFF0)), "256 MiB"),
    ],
)
@pytest.mark.parametrize("pipe", [False, True])
def test_what_is_not_supported_is_named(data, message, pipe):
    with pytest.raises((FileFormatError, UsageError), match=message):
        split(data, pipe)


def test_any_cut_of_a_file_either_splits_or_is_refused():
    data = ODD["chunks in front"][0]
    for end in range(len(data)):
        for pipe in (False, True):
            try:
                reader, samples, back = split(data[:end], pipe)
            except FileFormatError:
                assert end < data.index(b"data") + 8
            else:
                assert reader.front + to_bytes(samples, "<i2") + back == data[:end]


def test_what_is_behind_comes_in_pieces(monkeypatch):
    monkeypatch.setattr(limits, "MAX_FOREIGN_PIECE", 16)
    data = riff(fmt(2), chunk(b"data", SAMPLES[:103])) + b"0123456789" * 10
    reader = WavReader(io.BytesIO(data), len(data))
    reader.read(1000)
    pieces = list(reader.back())
    assert max(map(len, pieces)) <= 16
    assert data.endswith(b"".join(pieces))
