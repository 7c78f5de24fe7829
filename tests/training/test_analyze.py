"""The page of `analyze`: no outside references; the order of its matrix."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from training.__main__ import main  # noqa: E402
from training.analysis import plots  # noqa: E402
from training.simulate import simulate, write_wav  # noqa: E402

pytestmark = pytest.mark.slow


def test_page_stands_alone(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    write_wav(tmp_path / "data" / "a.wav", simulate(12000, channels=2, seed=1))
    np.save(tmp_path / "data" / "b.npy", simulate(9000, seed=3).samples)
    assert main(["analyze", str(tmp_path / "data"), "-o", str(tmp_path / "r.html")]) == 0
    page = (tmp_path / "r.html").read_text()
    for title in ("Codes", "Channels that belong together"):
        assert f"<h3>{title}</h3>" in page
    assert page.count("<img") == page.count("data:image/webp;base64,") == 2
    assert "http" not in page and "3 channels" in page
    assert main(["analyze", str(tmp_path / "nothing"), "-o", str(tmp_path / "r.html")]) == 1


def test_partners_become_neighbours():
    matrix = np.eye(5)
    matrix[0, 3] = matrix[3, 0] = 0.5
    matrix[1, 4] = matrix[4, 1] = -0.9
    assert plots.partners_together(matrix) == [1, 4, 0, 3, 2]
