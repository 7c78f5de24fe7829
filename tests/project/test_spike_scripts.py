"""The scripts that judge spike mode by its users: decoders of intentions, and sorters."""

from __future__ import annotations

import pytest
from test_scripts import run

pytestmark = pytest.mark.slow


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
