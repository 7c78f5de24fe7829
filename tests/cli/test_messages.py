"""Answers to calls that are wrong."""

import numpy as np
import pytest
from file_calls import main

import runtime
from runtime.recording.plausibility import likely_channels
from runtime.recording.wav import WavFormat, canonical_header
from training.simulate import simulate


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with a recording."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ok.wav").write_bytes(canonical_header(WavFormat(1, 20000, 16), 3000) + bytes(6000))
    np.save(tmp_path / "two.npy", np.zeros((3000, 2), np.int16))
    (tmp_path / "r.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(6392))
    (tmp_path / "x.mp3").write_bytes(b"ID3\x04" + bytes(7000))
    (tmp_path / "c.csv").write_text("1,2,3\n" * 100)
    (tmp_path / "e.edf").write_bytes(b"0       X" + bytes(7000))
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("r.h5 --channels 16", "this is an HDF5 file"),
        ("x.mp3 --channels 1", "this is an MP3 file"),
        ("e.edf --channels 1", "this is an EDF file"),
        ("ok.wav -9 -o x.mdo", "there is no option -9"),
        ("ok.wav -o nowhere/x.mdo", "there is no folder for nowhere/x.mdo"),
        ("folder", "take the recordings in it with -r"),
        ("ok.wav -o folder", "folder is a folder; name a file in it, or say -d"),
        ("ok.wav --leads 3", "did you mean --channels?"),
        ("ok.wav --chanels 3", "did you mean --channels?"),
        ("ok.wav --fs=3", "did you mean --sample-rate?"),
        ("ok.wav --nothing-like-it", "there is no option --nothing-like-it\n"),
    ],
)
def test_wrong_calls_are_told_what_is_wrong(call, answer, here, capsys):
    try:
        code = main("encode", *call.split())
    except SystemExit as error:
        code = error.code
    shown = capsys.readouterr().err
    assert code in (1, 2) and answer in shown and "Traceback" not in shown
    assert not list(here.rglob("*.mdo"))


def test_what_is_not_understood_is_kept_and_told(here, capsys):
    for name, answer in [("r.h5", "export its samples as .npy"), ("c.csv", "no recording of a known format")]:
        assert main("encode", name) == 0
        shown = capsys.readouterr().err
        assert "kept as it is" in shown and answer in shown


def test_packets_are_told_from_files(here, capsys):
    (here / "x.mds").write_bytes(b"\xa7\x4d" + bytes(90))
    assert main("decode", "x.mds") == 1
    assert "stream decode" in capsys.readouterr().err


def test_one_path_by_itself_is_a_file(here):
    for file in ("two.npy", here / "ok.wav"):
        assert [outcome.error for outcome in runtime.encode_files(file)] == [None]
    assert [outcome.error for outcome in runtime.verify_files("ok.mdo")] == [None]


def test_a_wrong_number_of_channels_is_noticed(here, capsys):
    samples = simulate(6000, 16, seed=2).samples + (100 * np.arange(16)).astype(np.int16)
    samples.tofile("x.bin")
    assert main("encode", "x.bin", "--channels", 15) == 0
    assert "look like 16 channels" in capsys.readouterr().err
    assert main("encode", "-f", "x.bin", "--channels", 16) == 0
    assert "warning" not in capsys.readouterr().err
    assert likely_channels(samples[:3]) is None
    assert likely_channels(np.zeros((5000, 4), np.int16)) is None
    for kind in (np.float32, np.float64):
        wrong = np.frombuffer(np.random.default_rng(0).bytes(1 << 16), kind).reshape(-1, 2)
        assert likely_channels(wrong) is None


def test_a_meta_file_that_is_ignored_is_told(here, capsys):
    (here / "x.bin").write_bytes(bytes(2400))
    (here / "x.meta").write_text("nSavedChans=4\nimSampRate=30000\n")
    for options in (["--channels", 3], ["--channels", 4], []):
        assert main("encode", "-f", "x.bin", *options) == 0
        told = "its .meta file, which tells of 4 channels, is ignored" in capsys.readouterr().err
        assert told == bool(options)


def test_options_that_a_header_contradicts_are_told(here, capsys):
    assert main("encode", "ok.wav", "--channels", "3", "--sample-rate", "5") == 0
    shown = capsys.readouterr().err
    assert "it has 1 channels, as its header says" in shown and "its sample rate is" in shown
    assert main("encode", "-f", "ok.wav", "--channels", "1") == 0
    assert "header" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("encode ok.wav --log no/x", "no/x: No such file or directory"),
        ("salvage none.mdo -o x.wav", "none.mdo: No such file or directory"),
        ("stream calibrate none.wav -o x", "none.wav: No such file or directory"),
        ("encode --array ok.wav ok.wav --shard 1/2 -o x.mdo", "not with -r or --shard"),
        ("stream calibrate wide.wav -o x", "int16"),
    ],
)
def test_what_is_wrong_is_named(call, answer, here, capsys):
    (here / "wide.wav").write_bytes(canonical_header(WavFormat(1, 20000, 24), 30000) + bytes(90000))
    assert main(*call.split()) == 2
    assert answer in capsys.readouterr().err and not (here / "x").exists()


@pytest.mark.parametrize("call", ["encode ok.wav -o two.npy/x.mdo", "encode none.wav", "decode none.mdo"])
def test_errors_of_the_file_system_name_their_path_once(call, here, capsys):
    assert main(*call.split()) == 2
    told = capsys.readouterr().err.strip()
    wrong = "two.npy/x.mdo: Not a directory" if "ok" in call else f"{call.split()[1]}: No such file or directory"
    assert told == f"runtime: {'ok.wav: ' if 'ok' in call else ''}{wrong}"


@pytest.mark.parametrize("coded", [False, True])
def test_python_calls_name_the_file_that_is_missing(coded, here):
    call = runtime.decode_file if coded else runtime.encode_file
    with pytest.raises(runtime.UsageError, match="none.x: No such file"):
        call("none.x")
    with pytest.raises(runtime.UsageError, match="none.x: No such file"):
        runtime.salvage_file("none.x", "o.wav")


def test_a_calibration_skips_what_is_in_front(here, capsys):
    samples = simulate(30000, 2, seed=1).samples.astype("<i2").tobytes()
    for name, front in (("a", b""), ("b", b"x")):
        (here / name).write_bytes(front + samples)
        more = ["--skip", "1"] if front else []
        assert main("stream", "calibrate", name, "--channels", "2", *more, "-o", f"{name}.mdc") == 0
    assert (here / "a.mdc").read_bytes() == (here / "b.mdc").read_bytes()


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ("topology ok.wav -o ok.wav -f", "overwritten by its own output"),
        ("stream calibrate ok.wav -o ok.wav -f", "overwritten by its own output"),
        ("encode ok.wav --log ok.wav", "is a recording"),
        ("encode - -d out", "say with -o what to write"),
        ("decode - -d out", "say with -o what to write"),
        ("report ok.wav --original none.wav -o x.html", "none.wav: No such file"),
        ("encode -- -none.wav", "no option -none.wav, and no such file"),
    ],
)
def test_inputs_stay_and_absurd_calls_are_refused(call, answer, here, capsys):
    before = (here / "ok.wav").read_bytes()
    if call.startswith("report"):
        pytest.importorskip("matplotlib")
    assert main(*call.split()) == 2
    assert answer in capsys.readouterr().err and (here / "ok.wav").read_bytes() == before


def test_closed_standard_streams_are_no_surprise(here, monkeypatch, capsys):
    assert main("encode", "-q", "ok.wav") == 0
    monkeypatch.setattr("sys.stdin", None)
    assert main("test", "-") == 2 and "no standard input" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdout", None)
    assert main("info", "ok.mdo") == 0
