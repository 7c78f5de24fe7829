"""The command line, mostly in this process, and as a command where that matters."""

import functools
import io
import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from runtime.cli import main as cli
from runtime.core.implant_table import codes_of
from runtime.predictor import model
from runtime.recording.wav import WavFormat, canonical_header

pytestmark = pytest.mark.slow


def run(*arguments, stdin=b"", **options):
    """The command in a process of its own."""
    command = [sys.executable, "-m", "runtime", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False, **options)


def main(*arguments):
    """The command in this process; gives the exit code."""
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture
def wav(simulation_wav, tmp_path):
    """A simulated recording that may be changed."""
    path = tmp_path / "a.wav"
    samples = simulation_wav.read_bytes()[44:8044]
    path.write_bytes(canonical_header(WavFormat(1, 19531, 16), 4000) + samples)
    return path


@pytest.fixture
def mdo(wav):
    """The coded form of `wav`, which is gone."""
    assert main("encode", "-q", "--rm", wav) == 0
    return wav.with_suffix(".mdo")


def test_encode_and_decode_as_commands(simulation_wav, tmp_path):
    coded = run("encode", simulation_wav, "-d", tmp_path)
    assert coded.returncode == 0, coded.stderr
    assert coded.stdout == b""
    line = coded.stderr.decode()
    assert line.count("\n") == 1
    assert "ratio" in line and "bits/sample" in line and "Msamples/s" in line
    back = run("decode", tmp_path / "simulated.mdo", "--rm")
    assert back.returncode == 0, back.stderr
    assert os.listdir(tmp_path) == ["simulated.wav"]
    assert (tmp_path / "simulated.wav").read_bytes() == simulation_wav.read_bytes()
    assert (tmp_path / "simulated.wav").stat().st_mtime_ns == simulation_wav.stat().st_mtime_ns


@pytest.mark.parametrize("extra", [b"", b"tail"])
def test_pipes(wav, extra):
    data = wav.read_bytes() + extra
    coded = run("encode", "-", stdin=data)
    assert coded.returncode == 0, coded.stderr
    assert coded.stdout.startswith(b"\x8fMDO\1")
    assert len(coded.stdout) < len(data) / 2
    back = run("decode", "-", stdin=coded.stdout)
    assert back.returncode == 0, back.stderr
    assert back.stdout == data
    assert run("test", "-", stdin=coded.stdout).returncode == 0
    broken = run("decode", "-", stdin=coded.stdout[:-1])
    assert broken.returncode == 1 and b"Traceback" not in broken.stderr


def test_output_to_a_pipe_from_a_file(wav, mdo, capfdbinary):
    assert main("decode", mdo, "-o", "-", "-q") == 0
    assert len(capfdbinary.readouterr().out) == 8044


def test_every_byte_of_a_small_file_changed_missing_or_added(wav, tmp_path, capsys):
    small = tmp_path / "small.wav"
    small.write_bytes(wav.read_bytes()[:300])  # truncated, so that its header is in the file too
    assert main("encode", "-q", small, "--rm") == 0
    path = tmp_path / "small.mdo"
    data = path.read_bytes()
    assert main("test", path) == 0
    capsys.readouterr()
    for at in range(len(data) + 1):
        variants = [data[:at] + b"\0" + data[at:], data[:at]]
        if at < len(data):
            variants += [data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :] for flip in (1, 255)]
            variants.append(data[:at] + data[at + 1 :])
        for variant in variants:
            if variant == data:
                continue
            path.write_bytes(variant)
            assert main("decode", "-q", path) == 1, f"byte {at}"
            assert capsys.readouterr().err.startswith(f"runtime: {path}: ")
            assert sorted(os.listdir(tmp_path)) == ["a.wav", "small.mdo"]


def test_a_damaged_file_as_a_command(mdo):
    data = bytearray(mdo.read_bytes())
    data[len(data) // 2] ^= 4
    mdo.write_bytes(data)
    for verb in ("decode", "test"):
        result = run(verb, mdo)
        assert result.returncode == 1
        assert result.stderr.decode().startswith(f"runtime: {mdo}: damaged")
        assert result.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        (["encode"], 2),
        (["encode", "missing.wav"], 2),
        (["encode", "a.wav", "--jobs", "0"], 2),
        (["encode", "a.wav", "-o", "x", "-d", "y"], 2),
        (["encode", "a.wav", "a.wav", "-o", "x"], 2),
        (["encode", "a.wav", "-"], 2),
        (["encode", "a.wav", "-o", "-", "--rm"], 2),
        (["encode", "."], 2),
        (["encode", "a.wav", "-o", "missing/x.mdo"], 2),
        (["encode", "a.wav", "-o", "a.wav", "-f"], 2),
        (["encode", "a.wav", "--model", "nonsense"], 3),
        (["encode", "a.wav", "--model", "missing.onnx"], 3),
        (["encode", "a.wav", "--model", "text.onnx"], 3),
        (["encode", "coded.wav", "missing.wav"], 2),
        (["decode", "text.wav"], 1),
        (["decode", "empty.mdo"], 1),
        (["test", "missing.mdo"], 2),
        (["info", "missing.mdo"], 2),
        (["info", "text.wav"], 1),
        (["info", "empty.mdo"], 1),
        (["nonsense"], 2),
    ],
)
def test_bad_input_gives_a_message_and_its_exit_code(arguments, code, wav, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.wav").write_text("text")
    (tmp_path / "coded.wav").write_bytes(b"\x8fMDO\1")
    (tmp_path / "text.onnx").write_text("text")
    (tmp_path / "empty.mdo").write_bytes(b"")
    before = sorted(os.listdir(tmp_path))
    try:
        assert main(*arguments) == code
    except SystemExit as error:
        assert error.code == code
    assert "runtime" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == before


def test_the_worst_exit_code_wins_and_the_rest_is_done(wav, tmp_path, capsys):
    (tmp_path / "bad.wav").write_bytes(b"\x8fMDO\1")
    assert main("encode", tmp_path / "bad.wav", tmp_path / "missing.wav", wav) == 2
    messages = capsys.readouterr().err.splitlines()
    assert len(messages) == 3
    assert messages[-1].startswith(f"{wav}: 8044 -> ")
    assert (tmp_path / "a.mdo").exists()


def test_nothing_is_overwritten_without_force(wav, mdo, capsys):
    wav.write_bytes(b"precious")
    assert main("decode", mdo) == 2
    assert "-f" in capsys.readouterr().err
    assert wav.read_bytes() == b"precious"
    assert main("decode", "-q", "-f", mdo) == 0
    assert len(wav.read_bytes()) == 8044


def test_quiet_is_quiet_and_several_files_have_one_summary(wav, tmp_path, capsys):
    other = tmp_path / "b.wav"
    other.write_bytes(wav.read_bytes())
    assert main("encode", "-q", wav, other) == 0
    assert capsys.readouterr().err == ""
    assert main("encode", "-f", wav, other) == 0
    summary = capsys.readouterr().err
    assert summary.startswith("2 files: 16088 -> ") and summary.count("\n") == 1


def test_a_terminal_gets_a_progress_bar(wav, tmp_path, monkeypatch, capsys):
    pytest.importorskip("rich")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    (tmp_path / "bad.wav").write_bytes(b"\x8fMDO\1")
    assert main("encode", wav, tmp_path / "bad.wav") == 2
    assert "bad.wav: this is a coded file already" in capsys.readouterr().err


def test_info(mdo, capsys):
    assert main("info", mdo) == 0
    text = capsys.readouterr().out
    assert "4000 of 16 bits" in text and "1 implant" in text and "ratio" in text
    assert main("info", "--json", mdo) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert facts["channels"] == 1 and facts["frames"] == facts["samples"] == 4000
    assert facts["value_maps"] == {"implant": 1}
    assert facts["model"] == model.load().identity.hex()
    assert facts["model_name"] is not None
    assert facts["coded_bytes"] == mdo.stat().st_size
    assert facts["original_suffix"] == ".wav"
    assert facts["bits_per_sample"] == pytest.approx(8 * mdo.stat().st_size / 4000)


def test_models(capsys):
    assert main("models") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [name for name, _ in model.available()]
    assert lines and model.load().identity.hex() in " ".join(lines)


@pytest.mark.parametrize("arguments", [["--help"], ["encode", "--help"], ["--version"], ["models"], ["info", "FILE"]])
def test_quick_commands_do_not_load_onnxruntime(arguments, mdo):
    arguments = [str(mdo) if argument == "FILE" else argument for argument in arguments]
    code = (
        "import sys\nfrom runtime.cli.main import main\n"
        f"try:\n    code = main({arguments!r})\nexcept SystemExit as error:\n    code = error.code\n"
        "sys.exit(99 if 'onnxruntime' in sys.modules else code)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout


def test_version(capsys):
    with pytest.raises(SystemExit) as error:
        main("--version")
    assert error.value.code == 0
    assert capsys.readouterr().out == "middleout 0.1.0\n"


def test_a_model_given_by_path(wav, tmp_path, capsys, monkeypatch):
    path = tmp_path / "mine.onnx"
    path.write_bytes(model.load().data)
    assert main("encode", "-q", "--model", path, wav, "--rm") == 0
    monkeypatch.setattr(model, "available", lambda: [])
    assert main("decode", tmp_path / "a.mdo") == 3
    assert model.load(path).identity.hex() in capsys.readouterr().err
    assert main("decode", "-q", "--model", path, tmp_path / "a.mdo") == 0


def test_an_interrupt_ends_quietly(wav, tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("runtime.batch.coders.Encoder.run", interrupted)
    assert main("encode", wav) == 130
    assert capsys.readouterr().err == ""
    assert os.listdir(tmp_path) == ["a.wav"]


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_removes_what_was_begun(name, tmp_path, wav):
    command = [sys.executable, "-m", "runtime", "encode", "-", "-o", str(tmp_path / "x.mdo")]
    # A shell may have started the tests in the background, where SIGINT is ignored.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed)
    process.stdin.write(wav.read_bytes()[:1000])
    process.stdin.flush()
    time.sleep(1.5)
    process.send_signal(getattr(signal, name))
    _, messages = process.communicate(timeout=30)
    assert (process.returncode, messages) == (130, b"")
    assert os.listdir(tmp_path) == ["a.wav"]


def test_a_reader_that_leaves_is_no_traceback(mdo):
    command = [sys.executable, "-m", "runtime", "decode", str(mdo), "-o", "-"]
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writing)
    assert result.stderr == b""
    assert result.returncode == 1


def test_no_binary_on_a_terminal(wav, monkeypatch, capsys):
    terminal = SimpleNamespace(isatty=lambda: True, buffer=io.BytesIO(), flush=lambda: None)
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main("encode", wav, "-o", "-") == 2
    assert "terminal" in capsys.readouterr().err


def test_a_bounded_error(wav, capsys):
    out, back = wav.with_suffix(".mdo"), wav.with_name("back.wav")
    assert main("encode", wav, "--max-error", 2) == 0
    assert main("decode", out, "-o", back) == 0 and main("test", out) == 0
    before, after = (codes_of(np.frombuffer(path.read_bytes()[44:], "<i2")) for path in (wav, back))
    assert np.abs(before.astype(int) - after).max() == 2
    capsys.readouterr()
    assert main("info", out) == 0
    assert "not lossless: at most 2," in capsys.readouterr().out
    assert main("info", "--json", out) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert facts["max_error"] == {"min": 2, "mean": 2.0, "max": 2} and not facts["lossless"]


@pytest.mark.parametrize("bound", ["256", "-1", "1.5", "x"])
def test_impossible_bounds_are_usage_errors(wav, bound):
    with pytest.raises(SystemExit) as caught:
        main("encode", wav, f"--max-error={bound}")
    assert caught.value.code == 2


@pytest.mark.parametrize("length", ["0.01s", "10ms", "195"])
def test_the_length_of_chunks(wav, length, capsys):
    assert main("encode", "-q", "--chunk", length, wav) == 0
    capsys.readouterr()
    assert main("info", "--json", wav.with_suffix(".mdo")) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert facts["chunks"] == 21 and facts["chunk_frames"] == 191  # of 4000
    assert main("info", wav.with_suffix(".mdo")) == 0
    assert "21, of up to 191 frames (0.00978 s)" in capsys.readouterr().out


@pytest.mark.parametrize("length", ["x", "1m", "s", "1.5", ""])
def test_impossible_lengths_of_chunks_are_usage_errors(wav, length, capsys):
    with pytest.raises(SystemExit) as caught:
        main("encode", "--chunk", length, wav)
    assert caught.value.code == 2 and "0.1s, 100ms or 4096" in capsys.readouterr().err
    assert main("encode", "--chunk", "0s", wav) == 2 and main("encode", "--chunk", "0", wav) == 2


ABOUT = {
    "channel_ids": [f"AP{channel}" for channel in range(6)],
    "gain_to_uV": [0.195] * 5 + [4.69],
    "offset_to_uV": [0] * 6,
    "probe": {"contact_positions": [[0, 20 * at] for at in range(8)], "annotations": {"name": "Neuropixels 1.0"}},
    "start_time": "2026-11-29T02:30:00Z",
    "annotations": {"subject": "m1\x1b[31m"},
    "lab": 3,
}


@pytest.mark.parametrize("rate", ["29999.4325", "30000.149579831934", "30000", "3e4"])
def test_a_sample_rate_and_metadata_of_a_recording(rate, tmp_path, capsys):
    path, about = tmp_path / "x.npy", tmp_path / "x.json"
    np.save(path, np.arange(600, dtype=np.int16).reshape(100, 6))
    original = path.read_bytes()
    about.write_text(json.dumps(ABOUT))
    assert main("encode", "-q", "--rm", path, "--sample-rate", rate, "--metadata", about) == 0
    assert main("test", "-q", tmp_path / "x.mdo") == 0
    assert main("info", "--json", tmp_path / "x.mdo") == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert facts["sample_rate"] == float(rate) and facts["metadata"] == ABOUT
    assert main("info", tmp_path / "x.mdo") == 0
    text = capsys.readouterr().out
    assert f"sample rate {facts['sample_rate']} Hz" in text
    for line in (
        "channel ids AP0, AP1, AP2, ..., AP5",
        "gain        0.195 to 4.69 uV for a unit of samples",
        "offset      0 uV for a sample of 0",
        "probe       Neuropixels 1.0, 8 contacts",
        "start time  2026-11-29T02:30:00Z",
        "annotations subject = m1?[31m",
        "metadata    other keys: lab",
    ):
        assert f"  {line}\n" in text or text.endswith(f"  {line}\n")
    assert main("decode", "-q", tmp_path / "x.mdo") == 0
    assert path.read_bytes() == original


@pytest.mark.parametrize("rate", ["x", "-1", "nan", "inf", "1e300", "1e-9", ""])
def test_impossible_sample_rates_are_usage_errors(wav, rate, capsys):
    with pytest.raises(SystemExit) as caught:
        main("encode", f"--sample-rate={rate}", wav)
    assert caught.value.code == 2 and "number of Hz" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[]", '{"gain_to_uV": [1, 2]}', '{"a": NaN}', None])
def test_impossible_metadata_are_usage_errors(wav, text, tmp_path, capsys):
    if text is not None:
        (tmp_path / "x.json").write_text(text)
    assert main("encode", wav, "--metadata", tmp_path / "x.json") == 2
    assert "metadata" in capsys.readouterr().err
    assert not wav.with_suffix(".mdo").exists()


def test_streams_have_whole_sample_rates(capsys, monkeypatch):
    assert main("stream", "encode", "--channels", 2, "--sample-rate", "29999.5") == 2
    assert "whole number of Hz" in capsys.readouterr().err


def test_control_characters_of_names_are_escaped(wav, capsys):
    odd = wav.with_name("\x1b[31m\n\udcff.wav")
    wav.rename(odd)
    assert main("encode", odd) == 0
    assert main("encode", odd) == 2
    assert main("info", odd.with_suffix(".mdo")) == 0
    assert main("info", odd) == 1
    shown = capsys.readouterr()
    for text in shown:
        assert "\x1b" not in text and "\udcff" not in text and "[31m\n" not in text
    assert shown.err.count(r"\x1b[31m\n\udcff.wav") == 3
