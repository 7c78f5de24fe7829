"""The report: one page without outside references; the statistics behind its plots."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from training.__main__ import main  # noqa: E402
from training.analysis import plots, signals  # noqa: E402
from training.simulate import simulate, write_wav  # noqa: E402

pytestmark = pytest.mark.slow


def test_page_stands_alone(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    write_wav(tmp_path / "data" / "a.wav", simulate(12000, channels=2, seed=1))
    np.save(tmp_path / "data" / "b.npy", simulate(9000, seed=3).samples)
    assert main(["analyze", str(tmp_path / "data"), "-o", str(tmp_path / "r.html")]) == 0
    page = (tmp_path / "r.html").read_text()
    for title in ("Spectra", "Codes", "Channels that belong together", "Spikes", "Bits"):
        assert f"<h2>{title}</h2>" in page
    assert page.count("<img") == page.count("data:image/png;base64,") == 5
    assert "http" not in page and "3 channels" in page
    assert main(["analyze", str(tmp_path / "nothing"), "-o", str(tmp_path / "r.html")]) == 1


def test_spikes_are_found():
    random = np.random.default_rng(0)
    residual = random.normal(0, 5, 20000)
    residual[1000::2000] -= 60
    value = np.concatenate([np.zeros(32), residual])
    count, shape = signals.find_spikes(value, residual)
    assert count == 10 and shape.argmin() == 20 and -66 < shape[20] < -54


def test_white_noise_and_its_cost():
    x = np.random.default_rng(1).normal(0, 4, 1 << 15)
    assert signals.spectrum(x)[1:].mean() == pytest.approx(16, rel=0.05)
    assert plots.gaussian_bits(np.array([4.0]))[0] == pytest.approx(2 + 2.047, abs=1e-3)


def test_partners_become_neighbours():
    matrix = np.eye(5)
    matrix[0, 3] = matrix[3, 0] = 0.5
    matrix[1, 4] = matrix[4, 1] = -0.9
    assert plots.partners_together(matrix) == [1, 4, 0, 3, 2]
