"""The type annotations of the runtime package, checked by mypy as `pyproject.toml` sets it up."""

import subprocess
import sys

import pytest

pytest.importorskip("mypy", reason="mypy is not installed; it is part of the extra `dev`")


@pytest.mark.slow
def test_mypy_finds_nothing(root):
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
