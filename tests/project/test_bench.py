"""The benchmark: what it codes, what it compares, and that it runs on small settings."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest
from benchmark import coders, engines, plot, recordings
from test_scripts import run

from training.simulate import RATE, simulate, write_wavs


def copies(samples: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs of channels that are the same."""
    pairs = itertools.combinations(range(samples.shape[1]), 2)
    return [(a, b) for a, b in pairs if np.array_equal(samples[:, a], samples[:, b])]


@pytest.fixture
def recording():
    made = simulate(3000, channels=11)
    return recordings.Recording("simulated", made.samples, made.codes, RATE)


@pytest.mark.parametrize("channels", [2, 3, 7])
def test_channels_are_parts_of_files_and_none_is_a_copy(tmp_path, channels):
    write_wavs(tmp_path / "neuralink", 3, 0.1)
    made = recordings.implant(tmp_path, channels, 1500)
    frames = {2: 1500, 3: 1500, 7: int(0.1 * RATE) // 3}[channels]
    assert made.samples.shape == made.codes.shape == (frames, channels)
    assert copies(made.samples) == [] and abs(made.codes).max() <= 512


def test_recordings_are_simulated_where_there_are_none(tmp_path):
    for make in (recordings.implant, recordings.array):
        made = make(tmp_path, 130, 300)
        assert made.name.startswith("simulated") and made.samples.shape == (300, 130)
        moving = made.samples[:, np.ptp(made.samples, axis=0) > 0]
        assert copies(moving) == []


@pytest.mark.parametrize("coder", coders.baselines()[0], ids=lambda coder: coder.name)
def test_every_coder_restores_the_codes(coder, recording):
    coder = dataclasses.replace(coder, seconds=coder.seconds and 0.1)
    found = coders.measure(coder, recording, 0)
    assert recording.samples.size / 4 < found.bytes < recording.samples.nbytes
    assert found.encode_seconds >= 0 and found.decode_seconds >= 0


def test_engines_write_the_same_bytes(recording):
    found = [coders.measure(coders.ours(engine, True), recording, 0) for engine in engines.installed()]
    assert len({used.digest for used in found}) == 1
    assert found[0].bytes < recording.samples.nbytes / 2


def test_a_coder_that_does_not_restore_is_noticed(recording):
    wrong = coders.Coder("wrong", lambda piece, rate: piece.tobytes(), lambda data, shape: np.zeros(shape, np.int16))
    with pytest.raises(SystemExit, match="wrong did not restore simulated"):
        coders.measure(wrong, recording, 0)


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(coders, "_OPTIONAL", {"no_such_package": ()})
    assert coders.baselines()[1] == ["no_such_package"]


@pytest.mark.long
def test_it_writes_tables_and_a_plot_without_real_recordings(root, tmp_path):
    pytest.importorskip("matplotlib")
    page = tmp_path / "out" / "bench.md"
    arguments = ["--channels", 1, 2, "--samples", 600, "--scale", 0.004, "--patience", 0, "--repeats", 1]
    result = run(root, "bench", tmp_path / "absent", *arguments, "--output", page)
    assert result.returncode == 0, result.stderr
    text = page.read_text()
    assert "There are no real recordings here" in text and "![Bits and times over channels](bench.png)" in text
    assert (tmp_path / "out" / "bench.png").stat().st_size > 10000
    for part in ("middleout alone, numpy", "FLAC -8", "xz -9e", "One chunk of", "Whole commands", "Random reads"):
        assert part in text, part
    assert "processor time / the command's" in text


def test_a_plot_needs_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    assert not plot.draw(tmp_path / "plot.png", {})


@pytest.fixture
def devices(tmp_path):
    """A folder of two recordings and an array."""
    (tmp_path / "devices").mkdir()
    (tmp_path / "multilead").mkdir()
    rates = {"one": 20000.0, "two": 250000.0}
    for seed, name in enumerate(rates):
        np.save(tmp_path / "devices" / f"{name}.npy", simulate(900, channels=1 + 9 * seed, seed=seed).codes)
    entries = [{"name": name, "rate": rate} for name, rate in rates.items()]
    (tmp_path / "devices" / "list.json").write_text(json.dumps(entries))
    np.save(tmp_path / "multilead" / "array_3ch_15k.npy", simulate(900, channels=3).codes.T)
    return tmp_path


def test_devices_are_coded_as_a_whole(root, devices):
    result = run(root, "devices", devices, "--frames", 700, "--output", devices / "page.md")
    assert result.returncode == 0, result.stdout + result.stderr
    page = (devices / "page.md").read_text()
    assert page.count("| **mean** |") == 2
    for name in ("one", "two", "array_3ch_15k", "FLAC -8", "xz -9e"):
        assert name in page


def test_devices_name_what_is_missing(root, devices):
    result = run(root, "devices", devices, "--frames", 300, PATH=str(devices))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "the command wavpack" in result.stdout
