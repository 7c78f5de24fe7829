"""Files of wide samples, through the command line and back, byte for byte."""

import json
import struct

import numpy as np
import pytest
from file_calls import main, there_and_back

import runtime
from runtime.core import sample_formats

FRAMES, CHANNELS = 700, 2
ORDERS = {"<": "little", ">": "big"}


def numbers():
    """Whole numbers, float64 [frames, channels]."""
    return np.rint(np.random.default_rng(8).normal(0, 900, (FRAMES, CHANNELS)).cumsum(axis=0)) + 0.0


def packed(values, dtype):
    """Bytes of values in a sample format, little-endian or big-endian."""
    if dtype[1:] == "i3":
        return b"".join(int(x).to_bytes(3, ORDERS[dtype[0]], signed=True) for x in values.ravel())
    return values.astype(dtype).tobytes()


def wav(values, dtype, extensible=False):
    """A WAV file as other programs write it."""
    data, width = packed(values, dtype), int(dtype[2])
    encoding = 3 if dtype[1] == "f" else 1
    rates = (1000, 1000 * CHANNELS * width, CHANNELS * width, 8 * width)
    fmt = struct.pack("<HHIIHH", 0xFFFE if extensible else encoding, CHANNELS, *rates)
    if extensible:
        guid = struct.pack("<H", encoding) + bytes.fromhex("000000001000800000aa00389b71")
        fmt += struct.pack("<HHI", 22, 8 * width, 3) + guid
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("dtype", ["<i3", "<i4", "<f4", "<f8"])
def test_wav_files(tmp_path, dtype, extensible):
    values = numbers() / (2**15 if dtype[1] == "f" else 1)
    path = tmp_path / "x.wav"
    path.write_bytes(wav(values, dtype, extensible))
    with runtime.open(there_and_back(path)) as reader:
        assert reader.header.canonical != extensible
        assert np.array_equal(reader.read(), values)
    assert (tmp_path / "c" / "x.mdo").stat().st_size < 1.6 * FRAMES * CHANNELS + 200


@pytest.mark.parametrize("dtype", ["<i4", ">i4", "<u4", ">u4", "<f4", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("layout", ["time-channel", "channel-time"])
def test_npy_files(tmp_path, dtype, layout):
    values = numbers() * (0.1 if dtype[1] == "f" else 1) + (1 << 31 if dtype[1] == "u" else 0)
    samples = values.astype(dtype)
    path = tmp_path / "x.npy"
    np.save(path, samples if layout == "time-channel" else np.ascontiguousarray(samples.T))
    with runtime.open(there_and_back(path, "--layout", layout)) as reader:
        assert reader.dtype == np.dtype(dtype).newbyteorder("=")
        assert np.array_equal(reader.read(), samples)


@pytest.mark.parametrize("dtype", ["int24", "int32", "uint32", "float32", "float64"])
@pytest.mark.parametrize("layout", ["time-channel", "channel-time"])
def test_raw_files(tmp_path, dtype, layout):
    values = numbers() * (0.0488281 if "float" in dtype else 1) + (1 << 31 if dtype == "uint32" else 0)
    path = tmp_path / "x.raw"
    form = sample_formats.parse(dtype)
    path.write_bytes(packed(values if layout == "time-channel" else values.T, form))
    with runtime.open(there_and_back(path, "--channels", CHANNELS, "--dtype", dtype, "--layout", layout)) as reader:
        assert np.array_equal(reader.read(), values.astype(sample_formats.array_type(form)))


def test_one_file_for_each_channel(tmp_path):
    for channel, values in enumerate(numbers().T):
        (tmp_path / f"{channel}.raw").write_bytes(packed(values, "<i3"))
    files = [tmp_path / "0.raw", tmp_path / "1.raw"]
    given = ("--array", "--channels", 1, "--dtype", "int24")
    assert main("encode", "-q", *files, *given, "-o", tmp_path / "x.mdo") == 0
    assert main("decode", "-q", tmp_path / "x.mdo", "-d", tmp_path / "o") == 0
    assert [(tmp_path / "o" / file.name).read_bytes() for file in files] == [file.read_bytes() for file in files]


@pytest.mark.parametrize("dtype", ["int32", "uint32", "float32", "float64"])
def test_arrays_become_wav_files(tmp_path, dtype):
    values = (numbers() * (0.1 if "float" in dtype else 1) + (1 << 31 if dtype == "uint32" else 0)).astype(dtype)
    coded = runtime.encode(values, 1000)
    back, _ = runtime.decode(coded)
    assert back.dtype == values.dtype and np.array_equal(back, values)
    (tmp_path / "x.mdo").write_bytes(coded)
    assert main("decode", "-q", tmp_path / "x.mdo") == 0
    plain = sample_formats.to_plain(values)
    assert (tmp_path / "x.wav").read_bytes() == wav(plain, sample_formats.wav_format(values.dtype.str))


def test_formats_of_24_bits_in_either_order():
    values = np.int32([[-(2**23), 2**23 - 1], [0, -1], [0x123456, -0x123456]])
    for dtype in ("<i3", ">i3"):
        data = packed(values, dtype)
        assert np.array_equal(sample_formats.from_bytes(data, dtype, 2), values)
        assert sample_formats.to_bytes(values, dtype) == data


def test_stored_floats_are_told_of(tmp_path, capsys):
    path = tmp_path / "x.npy"
    np.save(path, np.random.default_rng(9).standard_normal((FRAMES, 3)).astype(np.float32))
    assert main("encode", path) == 0
    assert "note: 3 channels hold floats that are no whole numbers times a step" in capsys.readouterr().err
    assert main("info", tmp_path / "x.mdo") == 0
    assert "3 stored, compressed by zstd" in capsys.readouterr().out
    np.save(path, (numbers() * 0.1).astype(np.float32))
    assert main("encode", "-f", path) == 0
    assert "note" not in capsys.readouterr().err
    assert main("info", "--json", tmp_path / "x.mdo") == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert facts["value_maps"]["in steps of 0.1"] == 2
    assert (facts["sample_bits"], facts["dtype"]) == (32, "float32")


def test_lossy_options_are_refused_by_name(tmp_path, capsys):
    path = tmp_path / "x.wav"
    path.write_bytes(wav(numbers(), "<i3"))
    assert main("encode", "-q", path, "--max-error", 3) == 2
    assert "int24 are coded without loss only" in capsys.readouterr().err


def test_channels_are_compared_by_what_is_coded(tmp_path):
    common = np.random.default_rng(10).normal(0, 9, (5000, 1))
    values = np.rint(common + np.random.default_rng(11).normal(0, 3, (5000, 2))) * 0.1
    np.save(tmp_path / "x.npy", values.astype(np.float32))
    assert main("topology", tmp_path / "x.npy", "--sample-rate", 1000, "-o", tmp_path / "t.json") == 0
    assert main("encode", "-q", tmp_path / "x.npy", "--topology", tmp_path / "t.json") == 0
