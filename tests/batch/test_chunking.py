"""The length of chunks by option."""

import numpy as np
import pytest

import runtime
from runtime.batch import chunking, model_choice
from runtime.batch.chunking import ChunkLength, beginning
from runtime.core import limits


def frames_of(path):
    with runtime.open(path) as reader:
        return np.diff(reader._chunks.starts).tolist()


@pytest.mark.parametrize("fields", [{"chunk_duration": 0.02}, {"chunk_frames": 400}])
def test_files_arrays_and_writers_have_chunks_as_long_as_asked_for(fields, tmp_path):
    samples = np.random.default_rng(0).normal(0, 30, (1700, 3)).astype(np.int16)
    np.save(tmp_path / "x.npy", samples)
    (tmp_path / "api.mdo").write_bytes(runtime.encode(samples, 20000, **fields))
    runtime.encode_file(tmp_path / "x.npy", sample_rate=20000, **fields)
    for name in ("api", "x"):
        assert frames_of(tmp_path / f"{name}.mdo") == [425] * 4
    with runtime.Writer(tmp_path / "pieces.mdo", 20000, 3, **fields) as writer:
        for piece in np.split(samples, 17):
            writer.write(piece)
    assert frames_of(tmp_path / "pieces.mdo") == [400, 400, 400, 500]  # the length was not known
    with runtime.open(tmp_path / "pieces.mdo") as reader:
        assert np.array_equal(reader.read(), samples)


def length_of(channels=1, sample_rate=20000, frames=None, **fields):
    return ChunkLength.of(runtime.EncodeOptions(**fields), channels, sample_rate, frames)


def test_lengths_are_within_limits():
    assert length_of() == ChunkLength(limits.CHUNK_FRAMES, limits.CHUNK_FRAMES * 5 // 4, adaptive=True)
    assert length_of(1024) == ChunkLength(1 << 14, 1 << 14, adaptive=True)
    assert length_of(65535).most * 65535 <= limits.CHUNK_SAMPLES
    assert length_of(chunk_frames=1) == ChunkLength(1, 1)
    assert length_of(chunk_frames=limits.MAX_CHUNK_FRAMES).most == limits.MAX_CHUNK_FRAMES
    assert length_of(1024, chunk_duration=1.6) == ChunkLength(32000, 1 << 15)
    assert length_of(sample_rate=29999.4325, chunk_duration=0.1).aim == 3000


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"chunk_duration": 0}, "above 0"),
        ({"chunk_duration": float("nan")}, "above 0"),
        ({"chunk_frames": 0}, "from 1 on"),
        ({"chunk_frames": 2.5}, "from 1 on"),
        ({"chunk_frames": 5, "chunk_duration": 1.0}, "not both"),
        ({"chunk_duration": 1.0, "sample_rate": 0}, "needs a sample rate"),
        ({"chunk_duration": 1.7, "channels": 1024}, "at most 32768"),
        ({"chunk_frames": limits.MAX_CHUNK_FRAMES + 1}, "too long"),
        ({"chunk_frames": 3, "frames": 10**8}, "too short"),
    ],
)
def test_impossible_lengths_are_usage_errors(fields, message):
    with pytest.raises(runtime.UsageError, match=message):
        length_of(**fields)


def test_the_model_is_chosen_by_as_many_samples_whatever_the_length(monkeypatch):
    seen = []
    monkeypatch.setattr("runtime.batch.encoding.choose", lambda samples, *_: seen.append(samples.copy()) or "implant")
    samples = np.random.default_rng(0).normal(0, 30, (20000, 1)).astype(np.int16)
    for fields in ({}, {"chunk_frames": 900}):
        runtime.encode(samples, 20000, verify=False, **fields)
    for part in seen:
        assert np.array_equal(part[: model_choice.CHOICE_FRAMES], samples[: model_choice.CHOICE_FRAMES])


def test_a_beginning_is_as_long_as_it_must_be():
    chunks = iter([np.zeros((4, 1))] * 5)
    assert list(map(len, beginning(chunks, 9))) == [4, 4, 4] and len(list(chunks)) == 2
    assert beginning(iter([]), 9) == []


def test_a_bad_length_is_an_error_of_one_file(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((300, 2), np.int16))
    np.save(tmp_path / "wide.npy", np.zeros((2, 70), np.int16))
    assert limits.LONG_CHUNK_SAMPLES // 70 < 10**6 < limits.LONG_CHUNK_SAMPLES // 2
    good, bad = runtime.encode_files(
        [tmp_path / "x.npy", tmp_path / "wide.npy"], chunk_frames=10**6, layout="time-channel"
    )
    assert good.error is None and "at most" in str(bad.error) and bad.error.exit_code == 2


def gains(*parts, channels=1):
    """Noise of some deviations for some frames."""
    random = np.random.default_rng(2)
    return np.rint(np.vstack([random.normal(0, size, (frames, channels)) for size, frames in parts])).astype(np.int16)


def test_chunks_end_where_magnitudes_change_for_long(tmp_path):
    samples = gains((5, 9000), (500, 6000), (5, 12000))
    (tmp_path / "a.mdo").write_bytes(runtime.encode(samples, 20000, layout="time-channel"))
    frames = frames_of(tmp_path / "a.mdo")
    assert len(frames) == 3
    assert np.abs(np.cumsum(frames)[:2] - [9000, 15000]).max() <= 512
    np.save(tmp_path / "b.npy", samples)
    runtime.encode_file(tmp_path / "b.npy", sample_rate=20000)
    assert frames_of(tmp_path / "b.mdo") == frames
    data = (tmp_path / "a.mdo").read_bytes()
    assert np.array_equal(runtime.decode(data)[0], samples)
    assert len(data) < 0.9 * len(runtime.encode(samples, 20000, layout="time-channel", chunk_frames=27000))


@pytest.mark.parametrize(
    "parts",
    [
        [(20, 30000)],
        [(20, 15000), (30, 15000)],
        [(5, 20000), (500, 40), (5, 9960)],
        [(0, 3000), (20, 27000)],
        [(20, 500)],
        [(0, 40000)],
    ],
)
def test_others_stay_whole(parts):
    assert chunking.changes(gains(*parts)) == []
    assert chunking.changes(16 * gains(*parts, channels=20)) == []


def test_lossy_and_asked_for_chunks_are_as_long_as_they_were():
    samples = gains((5, 9000), (500, 6000))
    for fields in ({"max_error": 3}, {"chunk_frames": 15000}):
        assert len(length_of(**fields).parts(samples)) == 1
    assert len(length_of().parts(samples)) == 2
