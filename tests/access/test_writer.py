"""A writer of parts that were encoded elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

import runtime


def made(frames, seed=0, dtype=np.int16):
    return np.random.default_rng(seed).normal(0, 20, (frames, 3)).astype(dtype)


def test_coded_parts_lie_between_frames(tmp_path):
    parts = [made(300, seed) for seed in range(4)]
    with runtime.Writer(tmp_path / "a.mdo", 1000.5, 3, model="device-v1", metadata={"note": "x"}) as writer:
        writer.append(parts[0])
        writer.append_coded(runtime.encode(parts[1], 0, model="device-v1"))
        writer.append_coded(runtime.encode(parts[2], 7, model="device-v1", chunk_frames=100))
        writer.append(parts[3])
    with runtime.open(tmp_path / "a.mdo") as reader:
        assert np.array_equal(reader, np.concatenate(parts))
        assert (reader.sample_rate, reader.metadata) == (1000.5, {"note": "x"})


def test_the_first_part_tells_the_model(tmp_path):
    with runtime.Writer(tmp_path / "a.mdo", 1000, 3) as writer:
        writer.append_coded(runtime.encode(made(300), 0, model="implant-v1"))
        with pytest.raises(runtime.UsageError, match="model"):
            writer.append_coded(runtime.encode(made(300), 0, model="device-v1"))
        writer.append(made(300, 1))
    with runtime.open(tmp_path / "a.mdo") as reader:
        assert np.array_equal(reader, np.concatenate([made(300), made(300, 1)]))


@pytest.mark.parametrize(
    "other", [made(300)[:, :2], made(300, dtype=np.int32), None], ids=["channels", "type", "lossy"]
)
def test_other_parts_are_refused(other, tmp_path):
    options = {"model": "device-v1"}
    data = (
        runtime.encode(made(300), 0, max_error=3, **options) if other is None else runtime.encode(other, 0, **options)
    )
    with runtime.Writer(tmp_path / "a.mdo", 1000, 3, **options) as writer, pytest.raises(runtime.UsageError):
        writer.append_coded(data)
