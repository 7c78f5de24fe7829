"""The API reference of `scripts/api_reference`."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import runtime

pytest.importorskip("pdoc", reason="pdoc is not installed; it is part of the extra `dev`")


def test_it_has_all_public_names_with_their_docstrings(root, tmp_path):
    command = [sys.executable, root / "scripts" / "api_reference", tmp_path / "api"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "api" / "runtime.html").read_text(encoding="utf-8")
    assert set(runtime.__all__) <= set(re.findall(r'id="(\w+)"', page))
    assert "Only the segments of chunks that hold them are decoded" in page, "of Reader.read"
    names = {path.relative_to(tmp_path / "api").as_posix() for path in tmp_path.rglob("*.html")}
    assert {"index.html", "runtime.html", "runtime/streaming.html", "runtime/spikes.html"} <= names
    assert not [name for name in names if name.startswith("runtime/") and name.count("/") > 1]
    for adapter in ("numcodecs", "zarr", "spikeinterface"):
        made = f"middleout/{adapter}.html" in names
        assert made or f"left out: middleout.{adapter}" in done.stderr
