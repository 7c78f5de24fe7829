"""The scripts of docs/clusters.md run, here and not on a cluster."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
from page_blocks import blocks, run

import runtime


@pytest.fixture
def recordings(tmp_path):
    """Recordings in two folders."""
    rng = np.random.default_rng(7)
    for number in range(5):
        folder = tmp_path / "recordings" / f"day{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{number}.npy", rng.integers(-9, 9, (4000, 2)).cumsum(0).astype(np.int16))
    return tmp_path / "recordings"


@pytest.fixture
def page(root):
    """The page."""
    return (root / "docs" / "clusters.md").read_text()


@pytest.mark.slow
def test_the_slurm_script(page, recordings, tmp_path):
    ((_, script),) = blocks(page, "sh")
    (tmp_path / "job.sh").write_text(script)
    for _ in range(2):  # again: all is done
        for task in range(1, 9):
            given = {"RECORDINGS": "recordings", "ARCHIVE": "archive"}
            tasks = {"SLURM_ARRAY_TASK_COUNT": "8", "SLURM_ARRAY_TASK_ID": str(task)}
            run(["bash", "job.sh"], tmp_path, **given, **tasks)
    for path in recordings.rglob("*.npy"):
        coded = tmp_path / "archive" / f"{path.relative_to(recordings)}.mdo"
        assert np.array_equal(runtime.decode(coded.read_bytes())[0], np.load(path))
    lines = "".join(path.read_text() for path in tmp_path.glob("archive.*.jsonl"))
    assert lines.count('"sha256"') == 5 and lines.count('"skipped"') == 5


@pytest.mark.slow
@pytest.mark.long
def test_the_dask_script(page, recordings, tmp_path):
    pytest.importorskip("distributed", reason="dask.distributed is not installed; it is the extra `dask`")
    ((_, script),) = blocks(page, "python")
    (tmp_path / "cluster.py").write_text(script)
    shown = run([sys.executable, "cluster.py"], tmp_path)
    assert len(shown.splitlines()) == 5
    for path in recordings.rglob("*.npy"):
        coded = tmp_path / "archive" / f"{path.stem}.mdo"
        assert np.array_equal(runtime.decode(coded.read_bytes())[0], np.load(path))


def test_the_snakemake_rule_names_a_command_that_runs(page, recordings, tmp_path):
    (shell,) = re.findall(r'shell: "(.*?)"', page)
    path = next(recordings.rglob("*.npy"))
    (tmp_path / "archive").mkdir()
    run(["sh", "-c", shell.format(threads=1, input=path, output="archive/x.mdo")], tmp_path)
    assert np.array_equal(runtime.decode((tmp_path / "archive/x.mdo").read_bytes())[0], np.load(path))
