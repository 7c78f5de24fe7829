"""Every kind of original, through the command line and back, byte for byte."""

import io
import json
import os
import struct
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
import vector_recipes
from file_calls import main, there_and_back

import runtime
from runtime.container import file_table, varint
from runtime.container.header import Header
from runtime.core import terms
from runtime.core.errors import CorruptError, UsageError
from runtime.recording import sources
from runtime.recording.wav import WavFormat, canonical_header

RANDOM = np.random.default_rng(17)
TYPES = ("<i2", ">i2", "<u2", ">u2", "|i1", "|u1")


def piped(*arguments, stdin):
    command = [sys.executable, "-m", "runtime", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)


def signal(dtype, frames=600, channels=3):
    """Samples [time, channel] that use the type's range from end to end."""
    info = np.iinfo(dtype)
    reconstruction, reach = (info.max + info.min + 1) // 2, info.max - info.min
    values = reconstruction + reach * 0.02 * RANDOM.standard_normal((frames, channels)).cumsum(0)
    values = np.clip(np.rint(values), info.min, info.max)
    values[:2] = [[info.min] * channels, [info.max] * channels]
    return values.astype(dtype)


def npy(path, samples, version=(1, 0)):
    with open(path, "wb") as file:
        np.lib.format.write_array(file, samples, version)
    return path


@pytest.mark.parametrize(("dtype", "first", "fortran"), [*product(TYPES, (False, True), (False, True))])
def test_npy(dtype, first, fortran, tmp_path, monkeypatch):
    monkeypatch.setattr("runtime.batch.chunking.CHUNK_FRAMES", 250)
    samples = signal(dtype)
    array = samples.T if first else samples
    array = np.asfortranarray(array) if fortran else np.ascontiguousarray(array)
    path = npy(tmp_path / "day.1.npy", array)
    coded = there_and_back(path, "--sample-rate", 30000, *(["--channels-first"] if first else []))
    with runtime.open(coded) as reader:
        assert (reader.sample_rate, reader.channels, reader.frames) == (30000, 3, 600)
        assert reader.dtype == np.dtype(dtype).newbyteorder("=")
        assert reader.header.channel_time == (first != fortran)
        for part in (reader.read(), np.concatenate(list(reader))):
            assert part.dtype == reader.dtype and np.array_equal(part, samples)
        assert np.array_equal(reader.read(240, 260, [2, 0]), samples[240:260, [2, 0]])
        assert np.array_equal(reader.read(-3, None, 1), samples[-3:, 1:2])
        assert np.array_equal(reader.read(5, 9, slice(1, None)), samples[5:9, 1:])
        with pytest.raises(UsageError, match="channels 3, of a recording of 3"):
            reader.read(0, 1, 3)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_npy_headers_of_all_versions_and_what_is_behind(version, tmp_path):
    path = npy(tmp_path / "x.npy", signal("<i2"), version)
    path.write_bytes(path.read_bytes() + b"more")
    there_and_back(path)


def test_npy_of_one_channel_of_no_samples_and_of_python_2(tmp_path):
    there_and_back(npy(tmp_path / "x.npy", signal("<i2")[:, 0]))
    for name in ("c", "o"):
        for path in (tmp_path / name).iterdir():
            path.unlink()
        (tmp_path / name).rmdir()
    text = b"{'descr': '<i2', 'fortran_order': False, 'shape': (4L, 2L), }".ljust(117) + b"\n"
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + bytes(range(16)))
    there_and_back(tmp_path / "x.npy")
    npy(tmp_path / "x.npy", np.zeros((0, 4), np.int16))
    assert main("encode", "-q", "-f", tmp_path / "x.npy", "--layout", "time-channel") == 0
    before = (tmp_path / "x.npy").read_bytes()
    assert main("decode", "-q", "-f", tmp_path / "x.mdo") == 0
    assert (tmp_path / "x.npy").read_bytes() == before


@pytest.mark.parametrize(("dtype", "layout"), [*product(terms.TYPES[:4], terms.LAYOUTS)])
@pytest.mark.parametrize("name", ["x.bin", "x.RAW", "x.dat", "x.samples", "x"])
def test_raw(dtype, layout, name, tmp_path, monkeypatch):
    monkeypatch.setattr("runtime.batch.chunking.CHUNK_FRAMES", 250)
    samples = signal(np.dtype(dtype).newbyteorder("<"))
    path = tmp_path / name
    path.write_bytes((samples.T if layout == "channel-time" else samples).tobytes())
    coded = there_and_back(path, "--channels", 3, "--sample-rate", 20000, "--dtype", dtype, "--layout", layout)
    with runtime.open(coded) as reader:
        assert np.array_equal(reader.read(100, 500), samples[100:500]) and reader.dtype == dtype


@pytest.mark.slow
def test_options_of_raw_files_do_not_disturb_others(simulation_wav, tmp_path):
    files = [tmp_path / "a.wav", npy(tmp_path / "b.npy", signal("<i2")), tmp_path / "c.bin"]
    files[0].write_bytes(simulation_wav.read_bytes())
    files[2].write_bytes(signal("<i2").tobytes())
    assert main("encode", "-q", "--channels", 3, "--sample-rate", 9, *files, "-d", tmp_path / "c") == 0
    coded = sorted((tmp_path / "c").iterdir())
    rates = []
    for path in coded:
        with runtime.open(path) as reader:
            rates.append(reader.sample_rate)
    assert rates == [19531, 9, 9]
    assert main("decode", "-q", "--rm", *coded, "-d", tmp_path / "o") == 0
    assert all((tmp_path / "o" / path.name).read_bytes() == path.read_bytes() for path in files)
    assert main("encode", "-q", "--rm", "-f", "--channels", 3, files[2]) == 0
    assert sorted(os.listdir(tmp_path)) == ["a.wav", "b.npy", "c", "c.mdo", "o"]


@pytest.mark.parametrize("name", ["x", "x.bin", "-"])
@pytest.mark.parametrize("options", [[], ["--channels", 3]])
@pytest.mark.slow
def test_what_begins_as_a_known_kind_is_one(name, options, simulation_wav, tmp_path):
    file = io.BytesIO()
    np.save(file, signal("<i2"))
    for data, kind in ((file.getvalue(), "npy"), (simulation_wav.read_bytes(), "wav")):
        (tmp_path / "x").write_bytes(data)
        (tmp_path / "x.bin").write_bytes(data)
        if name == "-":
            result = piped("encode", "-", *options, stdin=data)
            (tmp_path / "x.mdo").write_bytes(result.stdout)
        else:
            assert main("encode", "-q", "-f", tmp_path / name, "-o", tmp_path / "x.mdo", *options) == 0
        with runtime.open(tmp_path / "x.mdo") as reader:
            assert reader.header.source == kind


def odd_npy(text):
    """A .npy file with a description of its own."""
    body = f"{{{text}}}".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(body)) + body + b"ab"


def array_of(folder, samples, odd=False):
    """Mono WAVs, one for each channel."""
    folder.mkdir()
    head = canonical_header(WavFormat(1, 20000, 16), len(samples))
    paths = []
    for channel, values in enumerate(samples.T):
        path = folder / f"channel {channel}.wav"
        path.write_bytes(head + values.astype("<i2").tobytes() + b"LIST\2\0\0\0ab" * (odd and channel % 2))
        os.utime(path, ns=(10**18, 10**18 + 1000 * channel))
        paths.append(path)
    return paths


def test_an_array_takes_no_other_bytes_between_its_samples(tmp_path, capsys):
    files = [tmp_path / "a.bin", tmp_path / "b.bin"]
    for path in files:
        path.write_bytes(bytes(range(200)))
    assert main("encode", "--array", *files, "-o", tmp_path / "x.mdo", "--channels", 1, "--skip", 10, "--rm") == 2
    assert "by itself" in capsys.readouterr().err and all(path.exists() for path in files)


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("where", ["-d", "-o", "beside"])
def test_mono_files_as_one_recording(odd, where, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("runtime.batch.chunking.CHUNK_FRAMES", 250)
    samples = signal("<i2", channels=5)
    files = array_of(tmp_path / "in", samples, odd)
    coded = tmp_path / "x.mdo"
    assert main("encode", "--array", *files, "-o", coded) == 0
    assert "channel 0.wav and 4 more" in capsys.readouterr().err
    with runtime.open(coded) as reader:
        assert np.array_equal(reader.read(), samples)
    assert main("test", coded) == 0
    out = tmp_path if where == "beside" else tmp_path / "out"
    assert main("decode", coded, *([] if where == "beside" else [where, out])) == 0
    assert sorted(out.glob("*.wav")) == [out / path.name for path in files]
    for path in files:
        assert (out / path.name).read_bytes() == path.read_bytes()
        assert (out / path.name).stat().st_mtime_ns == path.stat().st_mtime_ns
    summary = capsys.readouterr().err
    assert summary.count(str(sum(path.stat().st_size for path in files))) == 2
    assert main("decode", coded, *([] if where == "beside" else [where, out])) == 2
    assert main("decode", coded, "-o", "-") == 2
    assert main("decode", coded, "-o", coded, "-f") == 2
    assert coded.stat().st_size < 6500


def test_an_array_of_other_files(tmp_path):
    samples = signal(">u2", channels=3)
    for channel in range(3):
        npy(tmp_path / f"{channel}.npy", samples[:, channel])
    assert main("encode", "-q", "--array", "--rm", *sorted(tmp_path.glob("*.npy")), "--sample-rate", 7) == 0
    assert os.listdir(tmp_path) == ["0.mdo"]
    assert main("decode", "-q", "--rm", tmp_path / "0.mdo") == 0
    assert sorted(os.listdir(tmp_path)) == ["0.npy", "1.npy", "2.npy"]
    assert np.array_equal(np.load(tmp_path / "2.npy"), samples[:, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("short", "599 samples of int16"),
        ("rate", "at 1 Hz"),
        ("stereo", "2 channels"),
        ("bytes", "uint8"),
        ("text", "channel 1.wav: this is not a WAV file"),
        ("missing", "channel 1.wav: No such file"),
        ("again", "the same name"),
        ("pipe", "not from standard input"),
        ("output", "own output"),
    ],
)
def test_files_that_do_not_go_together(change, message, tmp_path, capsys):
    samples = signal("<i2", channels=3)
    files = array_of(tmp_path / "in", samples)
    data = files[1].read_bytes()
    for kind, content in {
        "short": canonical_header(WavFormat(1, 20000, 16), 599) + data[44:-2],
        "rate": canonical_header(WavFormat(1, 1, 16), 600) + data[44:],
        "stereo": canonical_header(WavFormat(2, 20000, 16), 300) + data[44:],
        "bytes": canonical_header(WavFormat(1, 20000, 8), 600) + data[44:644],
        "text": b"text",
    }.items():
        if kind == change:
            files[1].write_bytes(content)
    if change == "missing":
        files[1].unlink()
    if change in ("again", "pipe"):
        files[1] = files[0] if change == "again" else "-"
    output = files[2] if change == "output" else tmp_path / "x.mdo"
    assert main("encode", "-q", "-f", "--array", *files, "-o", output) in (1, 2)
    assert message in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["in"]


@pytest.mark.parametrize("kind", ["raw", "npy", "npy 2"])
@pytest.mark.slow
def test_pipes(kind, tmp_path):
    samples = signal("<u2")
    raw = ["--channels", 3, "--dtype", "uint16"] if kind == "raw" else []
    file = io.BytesIO()
    np.lib.format.write_array(file, samples, (2, 0) if kind == "npy 2" else None)
    data = samples.tobytes() if kind == "raw" else file.getvalue()
    coded = piped("encode", "-", "--sample-rate", 5, *raw, stdin=data)
    assert coded.returncode == 0, coded.stderr
    reader = runtime.Reader(io.BytesIO(coded.stdout))
    assert np.array_equal(reader.read(), samples) and reader.header.suffix == f".{kind[:3]}"
    back = piped("decode", "-", stdin=coded.stdout)
    assert back.stdout == data, back.stderr
    cut = piped("encode", "-", *raw, stdin=data[:-1])
    assert cut.returncode in (1, 2) and (b"whole number" in cut.stderr or b"shorter" in cut.stderr)


def test_what_lies_channel_by_channel_does_not_go_through_pipes(tmp_path, capfd):
    (tmp_path / "x.bin").write_bytes(signal("<i2").T.tobytes())
    assert piped("encode", "-", "--channels", 3, "--channels-first", stdin=b"12" * 300).returncode == 2
    assert main("encode", "-q", tmp_path / "x.bin", "--channels", 3, "--layout", "channel-time") == 0
    assert main("decode", "-q", tmp_path / "x.mdo", "-o", "-") == 2
    assert "only a file" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("x.npy", signal("<i2", 3, 40), [], "40 channels of 3 time steps"),
        ("x.npy", signal("<i2", 40, 3), ["--channels-first"], None),
        ("x.bin", bytes(2 * 3 * 40), ["--channels", 40], "40 channels of 3 time steps"),
        ("x.bin", bytes(2 * 3 * 40), ["--channels", 40, "--layout", "time-channel"], None),
        ("x.bin", bytes(2 * 3 * 40), [], "say with --channels"),
        ("x.bin", bytes(7), ["--channels", 2, "--channels-first"], "no whole number of frames of 2 int16"),
        ("x.bin", bytes(14), ["--channels", 70000], "70000 channels"),
    ],
)
def test_what_is_not_right_is_refused_with_a_way_out(name, content, options, message, tmp_path, capsys):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    code = main("encode", "-q", path, *options)
    if message is None:
        assert code == 0
    else:
        assert code in (1, 2) and message in capsys.readouterr().err
        assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.npy", np.zeros(5, np.int64), "an array of int64"),
        ("x.npy", np.zeros((2, 2, 2), np.int16), "shape (2, 2, 2)"),
        ("x.npy", np.zeros(5, [("a", "<i2")]), "an array of records"),
        ("x.npy", b"\x93NUMPY\1\0\xff\xff{", "header is damaged"),
        ("x.npy", b"\x93NUMPY\1\0\4\0{1: ", "header is damaged"),
        ("x.npy", b"\x93NUMPY\1\0\2\0[]", "header is damaged"),
        ("x.npy", odd_npy("'fortran_order': False, 'shape': (1,)"), "header is damaged"),
        ("x.npy", odd_npy("'descr': ',', 'fortran_order': False, 'shape': (1,)"), "header is damaged"),
        ("x.npy", odd_npy("'descr': 5, 'fortran_order': False, 'shape': (1,)"), "header is damaged"),
        ("x.npy", b"\x93NUMPY\7\0", "version 7"),
        ("x.npy", b"text", "not a .npy file"),
        ("x", b"text", "no recording of a known format"),
    ],
)
def test_what_is_not_understood_is_kept_and_told(name, content, message, tmp_path, capsys):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    before = path.read_bytes()
    assert main("encode", path) == 0
    shown = capsys.readouterr().err
    assert "kept as it is" in shown and message in shown
    assert main("decode", "-f", tmp_path / "x.mdo") == 0
    assert path.read_bytes() == before


def test_a_cut_array_comes_back_as_it_was(tmp_path, capsys):
    for samples in (signal("<i2"), np.asfortranarray(signal("<i2"))):
        path = npy(tmp_path / "x.npy", samples)
        path.write_bytes(path.read_bytes()[:-1])
        before = path.read_bytes()
        assert main("encode", "-f", path) == 0
        assert "shorter than its header says" in capsys.readouterr().err
        assert main("decode", "-f", "-q", tmp_path / "x.mdo") == 0
        assert path.read_bytes() == before


def test_axes_in_a_pipe_are_checked_at_its_end():
    result = piped("encode", "-", "--channels", 40, stdin=bytes(240))
    assert result.returncode == 2 and b"40 channels of 3 time steps" in result.stderr


def test_info_tells_the_source(tmp_path, capsys):
    files = array_of(tmp_path / "in", signal("<i2"))
    assert main("encode", "-q", "--array", *files, "-o", tmp_path / "a.mdo") == 0
    (tmp_path / "b.bin").write_bytes(signal("<u2").tobytes())
    assert main("encode", "-q", tmp_path / "b.bin", "--channels", 3, "--dtype", "uint16", "--channels-first") == 0
    npy(tmp_path / "c.npy", signal(">i2"))
    assert main("encode", "-q", tmp_path / "c.npy") == 0
    coded = sorted(tmp_path.glob("*.mdo"))
    assert main("info", "--json", *coded) == 0
    facts = json.loads(capsys.readouterr().out)
    told = [(fact["source"], fact["dtype"], fact["layout"]) for fact in facts]
    assert told[0] == ("files", "int16", "time-channel")
    assert told[1:] == [("raw", "uint16", "channel-time"), ("npy", "big-endian int16", "time-channel")]
    assert main("info", *coded) == 0
    text = capsys.readouterr().out
    assert "raw samples, uint16, channel-time" in text and ".npy file, big-endian int16" in text


def test_tables_of_files_are_checked():
    usual, number = b"RIFF", "3839f1aa.wav"
    table = [
        file_table.Member("a.wav", None, b"front", b""),
        file_table.Member("b.wav", 5, usual, b"back"),
        file_table.Member(number, 6, usual, b""),
        file_table.Member(number.upper(), 7, usual, b""),
    ]
    packed = file_table.pack(table, usual)
    assert file_table.parse(packed, 4, usual) == table
    for end in range(len(packed)):
        with pytest.raises(CorruptError):
            file_table.parse(packed[:end], 4, usual)
    for name in ("../a", "a/b", "", ".", "..", "a\\b", "c:", "a\n", "b.wav", number):
        with pytest.raises(CorruptError):
            file_table.parse(file_table.pack([file_table.Member(name, 0, b"", b""), *table[1:]], usual), 4, usual)
    for wrong in (packed + b"x", packed.replace(b"a.wav", b"\xff.wav"), b"\2" + packed[1:]):
        with pytest.raises(CorruptError):
            file_table.parse(wrong, 4, usual)


def test_a_table_of_usual_files_is_small():
    usual = [file_table.Member(f"{number}.wav", 1, b"RIFF", b"") for number in range(10)]
    assert len(file_table.pack(usual, b"RIFF")) == 10 * (1 + 8 + 1 + 5)


@pytest.mark.parametrize(
    "fields",
    [
        {"source": "raw", "channel_time": True},
        {"source": "wav", "channel_time": True, "frames": 1},
        {"source": "samples", "channel_time": True, "frames": 1},
        {"source": "files"},
        {"source": "samples", "dtype": ">u2"},
        {"source": "raw", "canonical": True, "frames": 1},
    ],
)
def test_headers_that_contradict_themselves(fields):
    packed = Header(2, 1, bytes(8), **fields).pack()
    with pytest.raises(CorruptError):
        Header.parse(packed)
    good = {"source": "npy", "channel_time": True, "frames": 1, "dtype": ">u2"}
    assert Header.parse(Header(2, 1, bytes(8), **good).pack()) == Header(2, 1, bytes(8), **good)


def test_excerpts_are_spread_over_the_recording(tmp_path):
    samples = signal("<i2", 4000)
    np.save(tmp_path / "a.npy", samples)
    np.save(tmp_path / "b.npy", np.asfortranarray(samples))
    (tmp_path / "c.bin").write_bytes(samples.tobytes())
    files = array_of(tmp_path / "in", samples)
    (tmp_path / "d.wav").write_bytes(canonical_header(WavFormat(3, 1, 16), 4000) + samples.tobytes())
    given = sources.Given(channels=3)
    found = []
    for paths, array in [([tmp_path / name], False) for name in ("a.npy", "b.npy", "c.bin", "d.wav")] + [(files, True)]:
        with sources.Recording([str(path) for path in paths], given, array) as recording:
            found.append(recording.excerpt(100, pieces=4))
    expected = np.concatenate([samples[at : at + 25] for at in (0, 1325, 2650, 3975)])
    assert all(np.array_equal(part, expected) for part in found)
    with sources.Recording([str(tmp_path / "a.npy")], given) as recording:
        assert np.array_equal(recording.excerpt(4000), samples)


def test_topology_of_recordings_of_every_kind(tmp_path, capsys):
    common = RANDOM.normal(0, 60, 6000)
    samples = np.stack([common + RANDOM.normal(0, 60, 6000), RANDOM.normal(0, 60, 6000), -common], 1).astype(np.int16)
    files = array_of(tmp_path / "in", samples)
    np.save(tmp_path / "a.npy", samples.T)
    (tmp_path / "b.bin").write_bytes(samples.tobytes())
    out = tmp_path / "t.json"
    array, raw = [tmp_path / "a.npy", "--channels-first"], [tmp_path / "b.bin", "--channels", 3]
    for options in (["--array", *files], files, array, raw):
        assert main("topology", *options, "-o", out) == 0
        found = json.loads(out.read_text())
        assert [edge[:2] for edge in found["edges"] if edge[4]] == [[0, 2]]
        assert found["channels"][1] in ("0001", "channel 1")
        assert main("topology", *options, "-o", out) == 2
        assert main("topology", *options, "-o", out, "--update", out) == 0
        assert json.loads(out.read_text()) == found
        if options is not raw:
            out.unlink()
    assert main("encode", "-q", "--topology", out, tmp_path / "b.bin", "--channels", 3) == 0
    assert main("encode", "-q", "-f", "--topology", out, "--array", *files, "-o", tmp_path / "x.mdo") == 2
    assert "knows none of the recording's channels" in capsys.readouterr().err
    (tmp_path / "bad.json").write_text("{}")
    assert main("topology", *files, "-o", tmp_path / "u.json", "--update", tmp_path / "bad.json") == 2
    assert main("encode", "--topology", tmp_path / "bad.json", tmp_path / "b.bin") == 2
    assert main("topology", tmp_path / "none.wav", "-o", tmp_path / "u.json") == 2
    assert "none.wav: No such file" in capsys.readouterr().err
    assert not (tmp_path / "u.json").exists()


@pytest.mark.parametrize("frames", [5, 599, 601, 1 << 30, 1 << 61])
def test_announced_frames_place_nothing_wrong(frames, tmp_path, capsys):
    """A forged length, its checksum right: channels would lie elsewhere."""
    (tmp_path / "x.bin").write_bytes(signal("<i2").T.tobytes())
    assert main("encode", "-q", "--rm", tmp_path / "x.bin", "--channels", 3, "--channels-first") == 0
    coded = tmp_path / "x.mdo"
    coded.write_bytes(vector_recipes.with_header(coded.read_bytes(), frames=varint.pack(frames + 1)))
    assert main("decode", coded) == 1 and main("test", coded) == 1
    assert os.listdir(tmp_path) == ["x.mdo"]
    assert "Traceback" not in capsys.readouterr().err


def test_a_failure_leaves_none_of_several_files(tmp_path, monkeypatch):
    monkeypatch.setattr("runtime.batch.chunking.CHUNK_FRAMES", 250)
    files = array_of(tmp_path / "in", signal("<i2"))
    coded = tmp_path / "x.mdo"
    assert main("encode", "-q", "--array", *files, "-o", coded) == 0
    data = bytearray(coded.read_bytes())
    data[-300] ^= 1
    coded.write_bytes(data)
    assert main("decode", "-q", coded, "-d", tmp_path / "out") == 1
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize(("form", "channels"), [("FLAC", 3), ("AIFF", 1), ("CAF", 2), ("W64", 3)])
@pytest.mark.slow
def test_samples_of_audio_files(form, channels, tmp_path, capsys):
    import soundfile

    samples, path = signal("<i2", channels=channels), tmp_path / f"x.{form.lower()}"
    soundfile.write(path, samples, 20000, format=form, subtype="PCM_16")
    assert main("encode", "-q", path, "--samples-only", "--rm") == 2
    assert main("encode", "-q", path, "--samples-only", "--array") == 2
    assert main("encode", "-q", path, "--samples-only") == 0 and path.exists()
    with runtime.open(tmp_path / "x.mdo") as reader:
        assert (reader.header.source, reader.sample_rate) == ("samples", 20000)
        assert np.array_equal(reader.read(), samples)
    assert main("decode", "-q", tmp_path / "x.mdo") == 0
    assert np.array_equal(soundfile.read(tmp_path / "x.wav", dtype="int16", always_2d=True)[0], samples)
    soundfile.write(path, samples / 32768, 20000, format=form, subtype="PCM_24")
    assert main("encode", "-q", "-f", path, "--samples-only") == 0
    with runtime.open(tmp_path / "x.mdo") as reader:
        assert np.array_equal(reader.read(), samples.astype(np.int32) * 256)
    if form == "W64":
        soundfile.write(path, samples / 32768, 20000, format=form, subtype="PCM_U8")
        assert main("encode", "-q", "-f", path, "--samples-only") == 0
        with runtime.open(tmp_path / "x.mdo") as reader:
            assert np.array_equal(reader.read(), soundfile.read(path, dtype="int16")[0])
    if form != "FLAC":
        soundfile.write(path, samples / 32768, 20000, format=form, subtype="ULAW")
        assert main("encode", "-q", "-f", path, "--samples-only") == 1
    path.write_bytes(b"text")
    assert main("encode", "-q", "-f", path, "--samples-only") == 1
    assert "no audio file" in capsys.readouterr().err
    assert piped("encode", "-", "--samples-only", stdin=b"fLaC" + bytes(99)).returncode == 2
    for start in (b"########", b"RF64"):
        for options in ([], ["--channels", 1]):
            done = piped("encode", "-", *options, stdin=start + bytes(99))
            assert done.returncode == 2 and b"needs a file; this is a pipe" in done.stderr
