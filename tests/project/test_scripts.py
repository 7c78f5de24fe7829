"""The scripts that the README names, and what they rest on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import roundtrip
import soundfile

from training.evaluation import baselines
from training.simulate import simulate, write_wav

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder of two short recordings."""
    (tmp_path / "data").mkdir()
    for seed in range(2):
        write_wav(tmp_path / "data" / f"{seed}.wav", simulate(4000, seed=seed))
    return tmp_path / "data"


def run(root, script, *arguments, **environment):
    """Run a script of the checkout with this Python from another folder."""
    return subprocess.run(
        [sys.executable, root / "scripts" / script, *map(str, arguments)],
        cwd=root.parent,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def broken_command(tmp_path, monkeypatch):
    """A `runtime` that "compresses" by copying and gives back one byte too few."""
    script = tmp_path / "broken.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "names = sys.argv[sys.argv.index('--') + 1:]\n"
        "target = Path(sys.argv[sys.argv.index('-d') + 1])\n"
        "suffix, cut = ('.mdo', None) if sys.argv[1] == 'encode' else ('.wav', -1)\n"
        "for name in names:\n"
        "    (target / (Path(name).stem + suffix)).write_bytes(Path(name).read_bytes()[:cut])\n"
    )
    monkeypatch.setattr(roundtrip, "runtime_command", lambda: ([sys.executable, str(script)], dict(os.environ)))


def test_a_wrong_byte_is_noticed(folder, tmp_path, broken_command):
    (tmp_path / "work").mkdir()
    paths = sorted(folder.glob("*.wav"))
    assert roundtrip.round_trip(paths, tmp_path / "work").different == paths


def test_a_wrong_byte_fails_the_demo(folder, broken_command, capsys):
    import demo

    assert demo.main([str(folder / "0.wav")]) == 1
    assert "NOT restored" in capsys.readouterr().out


def test_files_of_the_same_name_are_refused(folder, tmp_path):
    with pytest.raises(roundtrip.RoundTripError, match="same name"):
        roundtrip.round_trip([folder / "0.wav", tmp_path / "0.wav"], tmp_path)


def test_demo_of_simulated_recordings(root, tmp_path):
    result = run(root, "demo.py", "--output", tmp_path / "results" / "demo.md")
    page = (tmp_path / "results" / "demo.md").read_text()
    assert page.startswith("# 4 simulated recording(s)") and "Measured by `scripts/demo.py` on " in page
    assert "| middleout | " in page and "|---:|" in page.replace(" ", "")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "All restored byte for byte" in result.stdout
    for name in ("middleout", *(baseline.name for baseline in baselines.BASELINES)):
        assert name in result.stdout


def test_demo_names_missing_compressors(root, folder, tmp_path):
    result = run(root, "demo.py", folder / "0.wav", PATH=str(tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("not installed") == len(baselines.BASELINES)


def test_challenge_evaluation(root, folder):
    result = run(root, "challenge_eval", folder)
    assert result.returncode == 0, result.stdout + result.stderr
    for text in ("All restored byte for byte", "data + code and model", "3.513", "mean over files"):
        assert text in result.stdout


def test_challenge_evaluation_needs_recordings(root, tmp_path):
    result = run(root, "challenge_eval", tmp_path)
    assert result.returncode == 2 and "no WAVs" in result.stderr


def test_baselines_work_on_codes(folder, tmp_path):
    codes, rate = baselines.read_codes(folder / "1.wav")
    np.testing.assert_array_equal(codes, simulate(4000, seed=1).codes)
    assert rate == 19531
    samples = (np.arange(600, dtype=np.int16) * 31).reshape(-1, 2)
    soundfile.write(tmp_path / "other.wav", samples, 8000, subtype="PCM_16")
    np.testing.assert_array_equal(baselines.read_codes(tmp_path / "other.wav")[0], samples)
    soundfile.write(tmp_path / "small.wav", samples, 8000, subtype="PCM_U8")
    np.testing.assert_array_equal(baselines.read_codes(tmp_path / "small.wav")[0], samples >> 8)


@pytest.mark.parametrize("baseline", baselines.BASELINES, ids=lambda baseline: baseline.name)
@pytest.mark.parametrize("channels", [1, 2, 11])
def test_every_baseline_restores_the_codes(baseline, channels, tmp_path):
    if not baseline.installed:
        pytest.skip(f"{baseline.name} is not installed")
    path = tmp_path / "recording.wav"
    write_wav(path, simulate(3000, channels=channels))
    measured = baselines.measure(path, baseline)
    assert 100 < measured.bytes < path.stat().st_size * 0.8
    assert measured.encode_seconds > 0 and measured.decode_seconds > 0
    without = baselines.measure_all([path], [baseline])[baseline.name][0]
    assert without.bytes == measured.bytes and np.isnan(without.decode_seconds)


def test_a_failing_baseline_is_an_error(folder):
    baseline = baselines.Baseline("false", "false {source}", "false {source}")
    with pytest.raises(baselines.BaselineError, match="false failed"):
        baselines.measure(folder / "0.wav", baseline)


def test_validation_split_and_figures(root, shared_data, folder, tmp_path):
    if baselines.missing(baselines.AUDIO_BASELINES):
        pytest.skip("needs FLAC and WavPack")
    (tmp_path / "neuralink").mkdir()
    for path in sorted((shared_data / "neuralink").glob("*.wav"))[:2]:
        shutil.copy(path, tmp_path / "neuralink")
    result = run(root, "validate", tmp_path, "--files")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "bits per sample" in result.stdout and "0 of 2 not smaller" in result.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory(root):
    arguments = ["--megabytes", 3, "--channels", 40, "--busy", 2, "--layout", "channel-time", "--", "--independent"]
    result = run(root, "memory", *arguments)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Memory: 3 MB, 40 channels, 37500 frames, channel-time")
    assert all(f"| {name} | " in result.stdout for name in ("topology", "encode", "decode"))
    assert "the same came back" in result.stdout


def test_latency(root, tmp_path):
    result = run(root, "latency", str(tmp_path), "--channels", "32", "--seconds", "0.1", "--models", "implant-small")
    assert result.returncode == 0, result.stderr
    assert "p99" in result.stdout and "32 implant-small 14" in result.stderr
