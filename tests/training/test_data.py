"""Loading recordings of every kind, the report on them, and the split."""

import json

import numpy as np
import pytest
import soundfile

from runtime.core.implant_table import CODE_TO_SAMPLE
from training.__main__ import main
from training.data import check, splits
from training.data import recordings as data
from training.simulate import simulate, write_wav

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recording():
    return simulate(3000, channels=3, seed=4)


def test_the_same_recording_in_every_format(recording, tmp_path):
    write_wav(tmp_path / "a.wav", recording)
    np.save(tmp_path / "b.npy", recording.samples)
    np.save(tmp_path / "c.npy", np.asfortranarray(recording.samples))
    recording.samples.astype("<i2").tofile(tmp_path / "d.bin")
    loaded = data.load(tmp_path, data.Given(channels=3))
    assert loaded.names == [f"{stem}:{channel:04d}" for stem in "abcd" for channel in range(3)]
    for i in range(12):
        assert np.array_equal(loaded[i], recording.codes[:, i % 3] + 512)
    assert loaded.sample_rate == recording.rate
    assert ("a:0000", "a:0002") in loaded.pairs() and ("a:0000", "b:0000") not in loaded.pairs()
    training, held = splits.split(loaded.names, loaded.pairs(), 1)
    assert len({name[0] for name in held}) == 1 and len(held) == 3 and len(training) == 9


def test_channels_first(recording, tmp_path, capsys):
    np.save(tmp_path / "a.npy", recording.samples.T)
    assert main(["check", str(tmp_path)]) == 1
    assert "3000 channels of 3 time steps" in capsys.readouterr().err
    assert main(["check", str(tmp_path), "--channels-first"]) == 0
    loaded = data.load(tmp_path, data.Given(layout="channel-time"))
    assert len(loaded) == 3 and np.array_equal(loaded[2], recording.codes[:, 2] + 512)


def test_eight_bits(tmp_path):
    values = np.arange(2000, dtype=np.uint8)
    np.save(tmp_path / "a.npy", values)
    soundfile.write(tmp_path / "b.wav", (values.astype(np.int16) - 128) << 8, 8000, subtype="PCM_U8")
    for name in ("a.npy", "b.wav"):
        assert np.array_equal(data.read_samples(tmp_path / name)[0][:, 0], values.astype(np.int16) - 128)


def test_samples_off_the_table_lose_their_low_bits():
    noise = np.random.default_rng(0).normal(0, 300, 5000)
    codes = data.codes_of((noise + 5000).astype(np.int16))
    assert 500 < codes.mean() < 524 and 2 < codes.std() < 12


@pytest.mark.parametrize("name, content, message", [
    ("a.bin", b"12345", "2 channels of 1 time steps"),
    ("a.wav", b"RIFF", "not a WAV file"),
    ("a.txt", b"", "not one of .wav"),
])  # fmt: skip
def test_bad_files(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        data.load(tmp_path / name, data.Given(channels=2))


def test_bad_input_gets_a_message(tmp_path, capsys):
    soundfile.write(tmp_path / "f.wav", np.zeros(100), 8000, subtype="ULAW")
    assert main(["check", str(tmp_path)]) == 1
    assert "supported are WAV files of integer PCM with 8 to 32 bits" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "nothing")]) == 1
    assert "no such file or folder" in capsys.readouterr().err
    (tmp_path / "f.wav").unlink()
    assert main(["check", str(tmp_path)]) == 1
    assert "no recordings" in capsys.readouterr().err
    np.save(tmp_path / "x.npy", np.zeros(5, complex))
    assert main(["check", str(tmp_path)]) == 1
    assert "an array of complex128" in capsys.readouterr().err


def test_problems_of_channels(recording, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "150")
    good = recording.samples[:, 0]
    part = good.copy()
    part[500:1700] = part[500]
    channels = {"good": (good, []), "flat": (np.zeros(2000, np.int16), ["flat"]), "short": (good[:99], ["short"])}
    channels["clipped"] = (np.clip(good, good.mean() - 200, good.mean() + 200).astype(np.int16), ["clipped"])
    channels["part"] = (part, ["flat in part"])
    for name, (samples, problems) in channels.items():
        np.save(tmp_path / f"{name}.npy", samples)
        found = check.check_channel(name, samples, 0).problems
        assert [p for p in found if "implant" not in p] == problems, name
    assert main(["check", str(tmp_path), "--all"]) == 0
    out = capsys.readouterr().out
    assert "5 channels" in out and "flat in part" in out and "fit for training: 3" in out
    assert data.load(tmp_path).names == ["clipped", "good", "part"]
    with pytest.raises(ValueError, match="flat or shorter"):
        data.load(tmp_path / "flat.npy")


def test_longest_run():
    assert check.longest_run(np.array([1, 2, 2, 2, 3], np.int16)) == 3
    assert check.longest_run(CODE_TO_SAMPLE) == 1


def test_pairs_of_names_are_read(tmp_path):
    (tmp_path / "pairs.json").write_text(json.dumps([["0a", "0b"], ["1a", "1b"]]))
    assert splits.read_pairs(tmp_path / "pairs.json") == [("0a", "0b"), ("1a", "1b")]
    assert splits.read_pairs(None) == [] == splits.read_pairs(tmp_path / "nothing.json")


def test_a_file_that_cannot_be_read_does_not_stop_the_report(recording, tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.zeros((100, 384), np.int16))
    write_wav(tmp_path / "b.wav", recording)
    assert main(["check", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "3 channels" in out and "fit for training: 3" in out
    assert f"{tmp_path / 'a.npy'}: " in err and "384 channels of 100 time steps" in err
