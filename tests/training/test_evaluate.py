"""Evaluation through the real encoder, beside the baselines that are installed."""

import json

import numpy as np
import pytest

import runtime
from training.__main__ import main
from training.evaluation import baselines, evaluate
from training.simulate import simulate, write_wav

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    write_wav(tmp_path / "data" / "a.wav", simulate(3000, seed=1))
    np.save(tmp_path / "data" / "b.npy", simulate(2000, channels=3, seed=2).samples)
    return tmp_path / "data"


def test_per_channel_and_in_total(folder, tmp_path, capsys):
    assert main(["evaluate", str(folder), "-o", str(tmp_path / "e.json")]) == 0
    assert "2 files, 4 channels" in " ".join(capsys.readouterr().out.split())
    found = json.loads((tmp_path / "e.json").read_text())
    assert found["channels"]["names"] == ["a", "b:0000", "b:0001", "b:0002"]
    assert set(found["total"]) == {"middleout", *(p.name for p in baselines.AUDIO_BASELINES if p.installed)}
    whole = [len(runtime.encode(simulate(*s).samples, 19531)) for s in ((3000, 1, 19531, 1), (2000, 3, 19531, 2))]
    assert found["total"]["middleout"] == pytest.approx(8 * sum(whole) / 9000, abs=0.04)
    assert all(3 < bits < 8 for bits in found["channels"]["middleout"])


def test_without_baselines(folder, monkeypatch, capsys):
    monkeypatch.setattr(baselines, "AUDIO_BASELINES", ())
    assert main(["evaluate", str(folder), "--first", "1"]) == 0
    assert "whole files" in " ".join(capsys.readouterr().out.split())


def test_only_what_the_split_holds_back(folder):
    class Options:
        data, pairs, validation, first = folder, None, True, None

    assert len(evaluate.choose(Options)) == 1


def test_unknown_model(folder, capsys):
    assert main(["evaluate", str(folder), "--model", "n99"]) == 1
    assert "no model 'n99'" in capsys.readouterr().err
