"""A reader as an array: every index gives what numpy gives."""

from __future__ import annotations

import io

import numpy as np
import pytest

import runtime
from runtime.access import array as arrays
from runtime.core.terms import TYPES

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is part of the dev extra")
st = hypothesis.strategies
FRAMES, CHANNELS = 50, 4


@pytest.fixture(scope="module")
def samples():
    """Samples [frames, channels]; do not write into them."""
    made = np.random.default_rng(0).integers(-300, 300, (FRAMES, CHANNELS)).astype(np.int16)
    made.flags.writeable = False
    return made


@pytest.fixture(scope="module")
def reader(samples):
    """A reader of them, in chunks of 17 frames."""
    return runtime.open(io.BytesIO(runtime.encode(samples, 29999.4325, chunk_frames=17)))


def same(found, expected) -> None:
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)


def numbers(length: int):
    return st.integers(-length - 1, length)


def items(length: int):
    """What may stand for one axis; some of it is out of range."""
    limits = st.none() | st.integers(-length - 5, length + 5)
    several = st.lists(numbers(length), max_size=6)
    mask = st.lists(st.booleans(), min_size=length, max_size=length)
    return st.one_of(
        numbers(length),
        numbers(length).map(np.int16),
        numbers(length).map(np.array),
        st.builds(slice, limits, limits, st.none() | st.sampled_from([1, 2, 3, 7, -1, -2, -5])),
        several,
        several.map(lambda found: np.array(found, np.int64)),
        st.lists(numbers(length), min_size=4, max_size=4).map(lambda found: np.array(found, np.int32).reshape(2, 2)),
        st.lists(numbers(length), min_size=2, max_size=2).map(lambda found: np.array(found)[:, None]),
        mask,
        mask.map(np.array),
        st.lists(st.booleans(), max_size=5).map(np.array),
    )


extra = st.sampled_from([None, Ellipsis, True, np.False_])
frames, channels = items(FRAMES), items(CHANNELS)
indices = st.one_of(
    frames,
    frames.map(lambda one: (one,)),
    st.tuples(frames, channels),
    st.tuples(extra, channels),
    st.tuples(frames, extra),
    st.tuples(extra, frames, channels),
    st.tuples(frames, extra, channels),
    st.tuples(frames, channels, extra),
    st.tuples(frames, channels, channels),
    st.just(()),
    st.integers(0, 99).map(lambda seed: np.random.default_rng(seed).random((FRAMES, CHANNELS)) < 0.1),
)


@hypothesis.given(index=indices)
@hypothesis.example(index=(0, np.array([[0], [CHANNELS]]), np.False_))
@hypothesis.settings(max_examples=600, deadline=None)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_index_gives_what_numpy_gives(reader, samples, index):
    try:
        expected = samples[index]
    except (IndexError, TypeError, ValueError) as error:
        with pytest.raises(type(error)):
            reader[index]
    else:
        same(reader[index], expected)


@pytest.mark.parametrize("index", [0.5, "a", (slice(0.5, 2),), (0, "a"), [[0, 1], [2]], {}, slice(0, 3, 0)])
def test_what_is_no_index_is_an_error_of_numpy(reader, samples, index):
    with pytest.raises((IndexError, TypeError, ValueError)) as expected:
        samples[index]
    with pytest.raises(expected.type):
        reader[index]


def test_frames_far_apart_are_read_one_by_one(reader, samples, monkeypatch):
    monkeypatch.setattr(arrays, "_APART", 3)
    read, real = [], reader.read
    monkeypatch.setattr(reader, "read", lambda start, stop, columns: (read.append((start, stop)), real(start, stop))[1])
    same(reader[[40, 2, 3, 2]], samples[[40, 2, 3, 2]])
    assert read == [(2, 4), (40, 41)]
    same(reader[::20], samples[::20])
    assert read[2:] == [(0, 1), (20, 21), (40, 41)]


def test_what_is_read_at_once_is_limited(reader, samples, monkeypatch):
    monkeypatch.setattr(arrays, "_AT_ONCE", 8 * CHANNELS)
    read, real = [], reader.read
    monkeypatch.setattr(reader, "read", lambda start, stop, columns: (read.append(stop - start), real(start, stop))[1])
    same(reader[::-2], samples[::-2])
    same(reader[np.arange(FRAMES)], samples)
    assert max(read) <= 8


@pytest.mark.parametrize("dtype", [name for name in TYPES if name != "int24"])
def test_all_sample_formats_are_arrays(dtype):
    values = np.random.default_rng(1).integers(0, 100, (40, 3)).astype(dtype)
    reader = runtime.open(io.BytesIO(runtime.encode(values, 1000)))
    same(np.asarray(reader), values)
    same(reader[3:30:4, [2, 0]], values[3:30:4, [2, 0]])
    same(reader[7, 1], values[7, 1])


def test_24_bits_are_int32(tmp_path):
    values = np.random.default_rng(1).integers(-(1 << 23), 1 << 23, (40, 3)).astype(np.int32)
    with runtime.Writer(tmp_path / "a.mdo", 1000, 3, dtype="int24") as writer:
        writer.write(values)
    with runtime.open(tmp_path / "a.mdo") as reader:
        same(np.asarray(reader), values)


def test_channels_first_originals_are_frames_by_channels(tmp_path, samples):
    np.save(tmp_path / "a.npy", samples.T)
    runtime.encode_file(tmp_path / "a.npy", layout="channel-time")
    with runtime.open(tmp_path / "a.mdo") as reader:
        assert reader.shape == samples.shape
        same(reader[5:9, 1], samples[5:9, 1])


def test_numpy_takes_it_for_an_array(reader, samples):
    same(np.asarray(reader), samples)
    same(np.array(reader, np.float32), samples.astype(np.float32))
    assert np.asarray(reader, order="C").flags.c_contiguous
    assert np.median(reader) == np.median(samples)
    with pytest.raises(ValueError, match="without a copy"):
        reader.__array__(copy=False)
    assert (reader.ndim, reader.size, len(reader)) == (2, samples.size, len(samples))


def test_it_tells_what_it_is(reader, samples):
    assert reader.sampling_frequency == 29999.4325
    assert isinstance(runtime.open(io.BytesIO(runtime.encode(samples, 1000))).sampling_frequency, float)
    assert reader.channel_ids.tolist() == [0, 1, 2, 3]
    for ids in (["a", "b", "c", "d"], [3, 2, 1, 0], ["a", 1, 2, 3]):
        kept = runtime.open(io.BytesIO(runtime.encode(samples, 1000, metadata={"channel_ids": ids})))
        assert kept.channel_ids.tolist() == ids
    text = repr(reader)
    assert "frames 50" in text
    assert "29999.4325 Hz" in text
    assert "<td style='text-align:left'>50</td>" in reader._repr_html_()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # files of pickled readers
def test_dask_takes_it_as_it_is(tmp_path, samples):
    dask_array = pytest.importorskip("dask.array", reason="Dask is not installed; it is part of the extra `dask`")
    with runtime.Writer(tmp_path / "a.mdo", 1000, CHANNELS) as writer:
        writer.write(samples)
    with runtime.open(tmp_path / "a.mdo") as reader:
        lazy = dask_array.from_array(reader, chunks=(16, 2))
        assert np.array_equal(lazy.compute(), samples)
        assert np.array_equal(lazy[::-3, 1].compute(scheduler="processes"), samples[::-3, 1])
        assert lazy.name == dask_array.from_array(reader, chunks=(16, 2)).name


def test_phylib_takes_it_as_it_is(reader, samples):
    traces = pytest.importorskip("phylib.io.traces", reason="phylib is not installed")
    ephys = traces.get_ephys_reader(reader, sample_rate=reader.sampling_frequency)
    assert (ephys.n_samples, ephys.n_channels, ephys.dtype) == (FRAMES, CHANNELS, np.int16)
    same(ephys[3:20, [2, 1]], samples[3:20, [2, 1]])


def test_the_accesses_of_kilosort_work(reader, samples):
    """What `kilosort.io.BinaryRWFile` does with a `file_object`."""
    assert reader.shape == samples.shape
    assert reader.dtype in ("int16", "uint16", "int32", "float32")
    same(reader[:100, :], samples[:100, :])
    same(reader[5, 1:3], samples[5, 1:3])
    same(np.asarray(reader[10:30]).T, samples[10:30].T)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16, np.uint64])
def test_numbers_of_any_type(kind):
    samples = np.arange(60000, dtype=np.uint16).reshape(-1, 2)
    reader = runtime.open(runtime.encode(samples, 100))
    numbers = np.array([1, 0, 1], kind)
    assert np.array_equal(reader[numbers], samples[numbers])
    assert np.array_equal(reader[5:9, numbers], samples[5:9, numbers])
    if np.dtype(kind).kind == "i":
        assert np.array_equal(reader[np.array([-1, -100], kind)], samples[[-1, -100]])
