"""The commands that learn, from recordings to a model file that the runtime takes, in small."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

import runtime  # noqa: E402
from training import commands  # noqa: E402
from training.__main__ import main  # noqa: E402
from training.data import training_sets  # noqa: E402
from training.learning import ablation  # noqa: E402
from training.simulate import simulate, write_wav  # noqa: E402

pytestmark = pytest.mark.slow

TOML = """
name = "toy-v1"
levels = "uniform"
shapes = 4

[network]
inputs = 20
projector = [4]
predictor = [4]

[training]
seed = 0
steps = 200
batch = 256
rate = 0.004
float_part = 0.5

[tables]
shapes = 4
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    for seed in range(4):
        write_wav(tmp_path / "data" / f"{seed}.wav", simulate(3000, seed=seed))
    (tmp_path / "toy.toml").write_text(TOML)
    return tmp_path


def test_from_recordings_to_a_model(folder, capsys):
    common = ["--data", str(folder / "data"), "--runs", str(folder / "runs")]
    train = ["train", str(folder / "toy.toml"), *common, "-o", str(folder / "toy.npz")]
    assert main(train) == 0
    assert "3 recordings for training, 1 for validation" in capsys.readouterr().out
    lines = (folder / "runs" / "toy-v1" / "losses.csv").read_text().split()
    assert lines[0] == "step,bits" and float(lines[2].split(",")[1]) < float(lines[1].split(",")[1])
    assert (folder / "runs" / "toy-v1" / "losses.png").stat().st_size > 1000
    assert not (folder / "runs" / "toy-v1" / "state.npz").exists()
    assert main(["export", str(folder / "toy.npz"), "-o", str(folder / "toy.onnx")]) == 0
    assert main(["certify", str(folder / "toy.onnx")]) == 0
    samples = simulate(3000, seed=9).samples
    packed = runtime.encode(samples, 19531, model=folder / "toy.onnx")
    assert np.array_equal(runtime.decode(packed, model=folder / "toy.onnx")[0], samples)


def test_simultaneous_channels_are_split_by_time(folder, capsys):
    write_wav(folder / "array.wav", simulate(4000, channels=3, seed=5))
    options = ["--data", str(folder / "array.wav"), "--runs", str(folder / "runs")]
    assert main(["train", str(folder / "toy.toml"), *options, "-o", str(folder / "toy.npz")]) == 0
    assert "last fifth" in capsys.readouterr().out


def test_levels(folder, capsys):
    text = TOML.replace("steps = 200", "rounds = [100, 100]")
    (folder / "levels.toml").write_text(text.replace("float_part = 0.5", "float_part = 1.0"))
    options = ["--data", str(folder / "data"), "--runs", str(folder / "runs"), "-o", str(folder / "levels.npz")]
    assert main(["levels", str(folder / "levels.toml"), *options]) == 0
    levels = np.load(folder / "levels.npz")["levels"]
    assert levels.shape == (1025,) and levels[512] == 0 and (np.diff(levels) >= 0).all()
    assert main(["levels", str(folder / "toy.toml"), *options]) == 1
    assert "training.rounds" in capsys.readouterr().err


def test_ablation_goes_on_where_it_was(folder, capsys, monkeypatch):
    rows = '[[rows]]\nname = "toy"\n[[rows]]\nname = "floats"\ntraining = { float_part = 1.0 }\n'
    (folder / "rows.toml").write_text(TOML + rows)
    options = ["--data", str(folder / "data"), "-o", str(folder / "rows.json")]
    assert main(["ablate", str(folder / "rows.toml"), *options, "--markdown", str(folder / "rows.md")]) == 0
    assert (folder / "rows.md").read_text().startswith("# Ablation") and "| toy | " in (folder / "rows.md").read_text()
    out = capsys.readouterr().out
    assert "| toy | 104 | " in out and "| floats | 104 | " in out
    found = json.loads((folder / "rows.json").read_text())
    assert set(found["toy"]) > {"tables", "one_shape"} and "tables" not in found["floats"]
    monkeypatch.setattr(ablation, "measure", None)
    assert main(["ablate", str(folder / "rows.toml"), *options]) == 0


@pytest.mark.long
def test_ablation_of_prediction_across_channels(folder, capsys, monkeypatch):
    monkeypatch.setattr(training_sets, "simulated", dict)
    (folder / "arrays").mkdir()
    noise = np.random.default_rng(0).normal(0, 300, (3000, 4)).cumsum(axis=0) * [0.2, 0.1, 0.1, 0.2]
    four = np.stack([noise[:, 0], np.roll(noise[:, 0], 1), -noise[:, 0], noise[:, 3]], axis=1) + noise
    np.save(folder / "arrays" / "four.npy", np.rint(four).astype(np.int16))
    text = TOML.replace("float_part", "held = 0.2\nshares = { arrays = 0.4 }\nfloat_part")
    rows = ['[[rows]]\nname = "alone"\ntraining = { cross_channel = false }\n[[rows]]\nname = "together"\n']
    rows.append('[[rows]]\nname = "messages"\nnetwork = { messages = [2, 2] }\n')
    (folder / "rows.toml").write_text(text + "".join(rows))
    options = ["--data", str(folder / "data"), "-o", str(folder / "rows.json")]
    assert main(["ablate", str(folder / "rows.toml"), *options]) == 1
    assert "--arrays" in capsys.readouterr().err
    assert main(["ablate", str(folder / "rows.toml"), *options, "--arrays", str(folder / "arrays")]) == 0
    out = capsys.readouterr().out
    assert "| network | MACs | single channels | four (held part) | seconds |" in out and "| messages | 224 |" in out
    found = json.loads((folder / "rows.json").read_text())
    bits = {name: row["sets"]["four (held part)"] for name, row in found.items()}
    assert list(bits) == ["alone", "together", "messages"] and len(set(bits.values())) == 3


def test_an_lstm_from_recordings_to_a_model(folder, capsys):
    text = TOML.replace("projector = [4]", "lstm = 3").replace("steps = 200", "steps = 100")
    (folder / "toy.toml").write_text(text)
    common = ["--data", str(folder / "data"), "--runs", str(folder / "runs")]
    assert main(["train", str(folder / "toy.toml"), *common, "-o", str(folder / "toy.npz")]) == 0
    assert main(["export", str(folder / "toy.npz"), "-o", str(folder / "toy.onnx")]) == 0
    assert main(["certify", str(folder / "toy.onnx")]) == 0
    assert "exact: every" in capsys.readouterr().out
    samples = simulate(3000, seed=9).samples
    packed = runtime.encode(samples, 19531, model=folder / "toy.onnx")
    assert np.array_equal(runtime.decode(packed, model=folder / "toy.onnx")[0], samples)


@pytest.mark.parametrize("command", ["export", "certify"])
def test_files_that_are_no_models(command, tmp_path, capsys):
    (tmp_path / "x").write_bytes(b"nonsense")
    assert main([command, str(tmp_path / "x")]) == 1
    assert main([command, str(tmp_path / "nothing")]) == 1
    assert "error: " in capsys.readouterr().err
    assert commands.MODELS.is_dir()


@pytest.mark.long
def test_retrain(folder, root):
    (folder / "data").rename(folder / "neuralink")
    (folder / "neuralink_pairs.json").write_text("[]")
    command = [root / "scripts" / "retrain", folder / "toy.toml", "--out", folder / "out"]
    environment = {**os.environ, "PYTHON": sys.executable, "MIDDLEOUT_DATA": str(folder)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert runtime.encode(simulate(100).samples, 1, model=folder / "out" / "toy.onnx")
    environment["MIDDLEOUT_DATA"] = str(folder / "nothing")
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 1 and "no recordings" in result.stderr
