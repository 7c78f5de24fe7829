"""Appending to a coded file: what is there stays, whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import runtime
from runtime.container.blocks import BlockWriter


def made(frames, seed=0, channels=3):
    return np.random.default_rng(seed).integers(-300, 300, (frames, channels)).astype(np.int16)


@pytest.fixture
def path(tmp_path):
    """A file of 500 frames with metadata."""
    path = tmp_path / "a.mdo"
    with runtime.Writer(path, 29999.4325, 3, chunk_frames=90, metadata={"channel_ids": ["a", "b", "c"]}) as writer:
        writer.append(made(200))
        writer.append(made(300, 1))
    return path


def contents(path):
    with runtime.open(path) as reader:
        return reader.read()


def test_frames_come_behind_those_that_are_there(path):
    os.chmod(path, 0o640)
    for seed in (2, 3):
        with runtime.append(path, chunk_frames=50) as writer:
            writer.append(made(120, seed))
            writer.append(made(7, seed + 10))
    parts = [made(200), made(300, 1), made(120, 2), made(7, 12), made(120, 3), made(7, 13)]
    assert np.array_equal(contents(path), np.concatenate(parts))
    with runtime.open(path) as reader:
        assert reader.sample_rate == 29999.4325
        assert reader.channel_ids.tolist() == ["a", "b", "c"]
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(path.parent) == ["a.mdo"]
    assert runtime.verify_files([path])[0].error is None


def test_a_file_of_known_length_grows_too(tmp_path):
    (tmp_path / "a.mdo").write_bytes(runtime.encode(made(100), 1000, embed_model=True, model="implant-small-v1"))
    with runtime.append(tmp_path / "a.mdo") as writer:
        writer.append(made(40, 1))
    assert np.array_equal(contents(tmp_path / "a.mdo"), np.concatenate([made(100), made(40, 1)]))
    with runtime.open(tmp_path / "a.mdo") as reader:
        assert reader.header.embedded


@pytest.mark.parametrize("dtype", ["<i2", ">u2", "<i4"])
def test_raw_files_grow_and_come_back(tmp_path, dtype):
    values = made(100).astype(dtype)
    (tmp_path / "a.bin").write_bytes(values.tobytes())
    runtime.encode_file(tmp_path / "a.bin", channels=3, sample_rate=1000, dtype=dtype)
    with runtime.append(tmp_path / "a.mdo") as writer:
        writer.append(values[:30])
    runtime.decode_file(tmp_path / "a.mdo", tmp_path / "b.bin")
    assert (tmp_path / "b.bin").read_bytes() == values.tobytes() + values[:30].tobytes()


def test_nothing_appended_changes_no_sample(path):
    with runtime.append(path):
        pass
    assert len(contents(path)) == 500


def test_near_lossless_files_may_grow_by_either_kind(tmp_path):
    (tmp_path / "a.mdo").write_bytes(runtime.encode(made(100), 1000, max_error=4))
    with runtime.append(tmp_path / "a.mdo", max_error=4) as writer:
        writer.append(made(50, 1))
    with runtime.append(tmp_path / "a.mdo") as writer:
        writer.append(made(50, 2))
    found = contents(tmp_path / "a.mdo").astype(int)
    assert np.array_equal(found[150:], made(50, 2))
    assert abs(found[:150] - np.concatenate([made(100), made(50, 1)])).max() <= 4


def test_what_would_change_the_file_is_refused(path, tmp_path):
    for fields in ({"max_error": 3}, {"keep": "spikes"}, {"metadata": {"x": 1}}):
        with pytest.raises(runtime.UsageError):
            runtime.append(path, **fields)
    with pytest.raises(runtime.ModelError):
        runtime.append(path, model="implant-lstm-v1")
    with pytest.raises(FileNotFoundError):
        runtime.append(tmp_path / "none.mdo")
    np.save(tmp_path / "b.npy", made(50))
    runtime.encode_file(tmp_path / "b.npy")
    with pytest.raises(runtime.UsageError, match="encode the longer file"):
        runtime.append(tmp_path / "b.mdo")
    with pytest.raises(runtime.UsageError, match="2 channels"), runtime.append(path) as writer:
        writer.append(made(10, channels=2))
    assert sorted(os.listdir(tmp_path)) == ["a.mdo", "b.mdo", "b.npy"]
    assert len(contents(path)) == 500


@pytest.mark.parametrize("count", range(1, 10))
def test_a_failure_at_any_block_leaves_the_old_file(path, monkeypatch, count):
    before, real, calls = path.read_bytes(), BlockWriter._block, []

    def failing(self, tag, payload):
        calls.append(tag)
        if len(calls) == count:
            raise OSError("no space left")
        return real(self, tag, payload)

    monkeypatch.setattr(BlockWriter, "_block", failing)
    with pytest.raises(OSError), runtime.append(path) as writer:
        writer.append(made(30))
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["a.mdo"]


def test_a_process_that_dies_leaves_the_old_file(path):
    before = path.read_bytes()
    code = (
        "import os, sys, numpy, runtime\n"
        "writer = runtime.append(sys.argv[1])\n"
        "writer.append(numpy.zeros((50, 3), 'int16'))\n"
        "writer._encode(final=True)\n"
        "os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 9
    assert path.read_bytes() == before


def test_of_two_at_once_the_second_is_refused(path):
    first, second = runtime.append(path), runtime.append(path)
    first.append(made(10))
    first.close()
    with pytest.raises(runtime.UsageError, match="changed"), second:
        second.append(made(20))
    assert len(contents(path)) == 510
    assert os.listdir(path.parent) == ["a.mdo"]
