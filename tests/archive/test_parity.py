"""The way to parity that docs/archive.md shows mends damaged files."""

import re
import shutil
import subprocess

import numpy as np
import pytest

import runtime
from runtime.cli.main import main


def test_parity_mends_what_is_damaged(tmp_path, root):
    if shutil.which("par2") is None:
        pytest.skip("the command par2 is not installed")
    (tmp_path / "archive" / "below").mkdir(parents=True)
    for number in range(3):
        samples = np.random.default_rng(number).integers(-200, 200, (20000, 2)).astype(np.int16)
        coded = runtime.encode(samples, sample_rate=30000)
        (tmp_path / "archive" / "below" / f"{number}.mdo").write_bytes(coded)
    before = (tmp_path / "archive" / "below" / "1.mdo").read_bytes()
    create, verify, repair = re.findall(r"^par2 .*", (root / "docs" / "archive.md").read_text(), re.MULTILINE)
    run = lambda call: subprocess.run(call, shell=True, cwd=tmp_path, capture_output=True).returncode  # noqa: E731
    assert run(create) == 0 and run(verify) == 0
    damaged = bytearray(before)
    damaged[9000:9100] = bytes(100)
    (tmp_path / "archive" / "below" / "1.mdo").write_bytes(damaged)
    assert main(["test", "-q", str(tmp_path / "archive" / "below" / "1.mdo")]) == 1
    assert run(verify) != 0 and run(repair) == 0
    assert (tmp_path / "archive" / "below" / "1.mdo").read_bytes() == before
