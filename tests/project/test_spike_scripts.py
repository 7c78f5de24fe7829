"""The scripts that judge spike mode by its users: decoders of intentions, and sorters."""

from __future__ import annotations

import importlib.util

import pytest
from test_scripts import run

pytestmark = pytest.mark.slow
SORTERS_NEED = ("spikeinterface", "sklearn", "hdbscan", "pandas", "numba", "matplotlib")


def cells(text: str, name: str) -> list[str]:
    """Return the cells of the first row of a table with this name."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_intentions(root, tmp_path):
    page = tmp_path / "intentions.md"
    result = run(root, "intentions", "--channels", 4, "--seconds", 6, "--output", page)
    assert result.returncode == 0, result.stderr
    text = page.read_text()
    original, stream = cells(text, "original"), cells(text, "stream, spikes")
    assert float(original[3]) == 0 and original[4] == original[5]
    assert float(stream[0]) < 0.2 * float(original[0]) and float(stream[3]) < 0.1
    events = cells(text, "events, band-pass, 4.5 deviations")
    assert events[1] == original[1] and float(events[0]) < float(stream[0])


def test_sorting_says_what_it_needs(root):
    if importlib.util.find_spec("spikeinterface"):
        pytest.skip("spikeinterface is installed")
    result = run(root, "sorting")
    assert result.returncode == 2 and "needs spikeinterface" in result.stderr


def test_sorting(root, tmp_path):
    if missing := [name for name in SORTERS_NEED if not importlib.util.find_spec(name)]:
        pytest.skip(f"needs {', '.join(missing)}")
    page, picture = tmp_path / "sorting.md", tmp_path / "sorting.png"
    small = ["--seconds", 10, "--channels", 8, "--seeds", 1]
    result = run(root, "sorting", *small, "--output", page, "--picture", picture)
    assert result.returncode == 0, result.stderr
    assert "generated, seed 1, 4 units" in page.read_text() and picture.stat().st_size > 10000
