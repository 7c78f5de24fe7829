"""The power of a disk is cut while `encode --rm` writes to it, and when it has returned."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_power_cuts(root):
    command = [sys.executable, root / "scripts" / "durability", "--cuts", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())
    assert not done.returncode, done.stdout + done.stderr
