"""A writer of parts that were encoded elsewhere."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest

import runtime
from runtime.container.blocks import BlockWriter


def made(frames, seed=0, dtype=np.int16):
    return np.random.default_rng(seed).normal(0, 20, (frames, 3)).astype(dtype)


def test_coded_parts_lie_between_frames(tmp_path):
    parts = [made(300, seed) for seed in range(4)]
    with runtime.Writer(tmp_path / "a.mdo", 1000.5, 3, model="device-v1", metadata={"note": "x"}) as writer:
        writer.append(parts[0])
        writer.append_coded(runtime.encode(parts[1], 0, model="device-v1"))
        writer.append_coded(runtime.encode(parts[2], 1000.5, model="device-v1", chunk_frames=100))
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


def test_parts_are_appended_as_a_whole_or_not_at_all():
    samples = np.cumsum(np.random.default_rng(6).integers(-9, 10, (3000, 2)), axis=0).astype(np.int16)
    part = runtime.encode(samples, 1000, chunk_frames=1000)
    damaged = bytearray(part)
    damaged[-len(part) // 4] ^= 1  # in the last chunk
    file = io.BytesIO()
    with runtime.Writer(file, 1000, 2) as writer:
        with pytest.raises(runtime.CorruptError):
            writer.append_coded(bytes(damaged))
        with pytest.raises(runtime.UsageError, match="Hz"):
            writer.append_coded(runtime.encode(samples, 2000))
        writer.append_coded(part)
    assert np.array_equal(runtime.decode(file.getvalue())[0], samples)


@pytest.mark.parametrize("caught", [True, False])
def test_nothing_comes_behind_chunks_that_could_not_be_written(tmp_path, monkeypatch, caught):
    samples = np.cumsum(np.random.default_rng(6).integers(-9, 10, (6000, 2)), axis=0).astype(np.int16)
    real, calls = BlockWriter.chunk, []

    def fails(self, *arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError("no space left")
        return real(self, *arguments)

    monkeypatch.setattr(BlockWriter, "chunk", fails)
    monkeypatch.setattr("runtime.access.writer.CHOICE_FRAMES", 0)
    monkeypatch.setattr("runtime.access.writer._WAIT_SECONDS", 0)
    with (
        pytest.raises((OSError, runtime.UsageError)),
        runtime.Writer(tmp_path / "a.mdo", 0, 2, chunk_frames=500) as out,
    ):
        for piece in np.split(samples, 12):
            if not caught:
                out.write(piece)
            elif len(calls) < 3:
                with contextlib.suppress(OSError):
                    out.write(piece)
            else:
                with pytest.raises(runtime.UsageError, match="could not be written"):
                    out.write(piece)
    (left,) = tmp_path.iterdir()
    assert left.suffix == ".part"
    found = runtime.salvage_file(left, tmp_path / "b.mdo")
    assert not found.holes
    assert np.array_equal(runtime.decode((tmp_path / "b.mdo").read_bytes())[0], samples[:1000])


def test_more_frames_than_were_told_of_are_refused():
    file = io.BytesIO()
    with runtime.Writer(file, 1000, 2, frames=300) as writer:
        writer.write(np.zeros((200, 2), np.int16))
        for call in (writer.write, lambda samples: writer.append_coded(runtime.encode(samples, 1000))):
            with pytest.raises(runtime.UsageError, match="more than the 300 frames"):
                call(np.zeros((101, 2), np.int16))
        writer.write(np.zeros((100, 2), np.int16))
    assert runtime.decode(file.getvalue())[0].shape == (300, 2)


class Slow(io.RawIOBase):
    """Takes a part of what it is given, and after `most` bytes nothing."""

    def __init__(self, most=1 << 30):
        self.taken, self.most = b"", most

    def writable(self):
        return True

    def write(self, data):
        if len(self.taken) >= self.most:
            return None
        piece = bytes(data)[: len(data) // 2 + 1]
        self.taken += piece
        return len(piece)


def test_a_file_that_takes_little_at_once_gets_everything():
    file = Slow()
    with runtime.Writer(file, 1000, 3) as writer:
        writer.append(made(300))
    with runtime.open(file.taken) as reader:
        assert np.array_equal(reader, made(300))


class Full:
    def write(self, data):
        return 0


@pytest.mark.parametrize("file", [Slow(50), Full()], ids=["raw", "object"])
def test_a_file_that_takes_no_more_is_an_error(file):
    with pytest.raises(OSError, match="takes no more"), runtime.Writer(file, 1000, 3) as writer:
        writer.append(made(300))
