"""The codec of numcodecs: any array there and back, alone and in zarr 2."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

import runtime

numcodecs = pytest.importorskip("numcodecs", reason="numcodecs is not installed; it is part of the extra `zarr`")

from middleout.numcodecs import Middleout  # noqa: E402

TYPES = ["i1", "u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4"]
OTHERS = ["<f4", "<f8", ">f8", "<i8", "<u8", "?", "<M8[ns]", "<c8", "S3", "i2,f8"]


def recording(shape, dtype="<i2", seed=0):
    """Samples that are predicted from the ones before."""
    steps = np.random.default_rng(seed).normal(0, 3, shape)
    return steps.cumsum(axis=0).clip(0, 100).round().astype(dtype)


def in_memory(array):
    return array.ravel(order="A").tobytes() if array.flags.forc else np.ascontiguousarray(array).tobytes()


def there_and_back(array, codec):
    coded = codec.encode(array)
    decoded = codec.decode(coded)
    assert np.asarray(decoded).tobytes() == in_memory(array)
    for buffer in (bytearray(coded), memoryview(coded), np.frombuffer(coded, np.uint8)):
        assert np.asarray(codec.decode(buffer)).tobytes() == in_memory(array)
    out = np.empty_like(array)
    assert codec.decode(coded, out=out) is out
    assert out.tobytes() == array.tobytes()
    return coded


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(300,), (300, 4), (1, 5), (5, 1), (30, 3, 4), (2, 3, 4, 5)])
@pytest.mark.parametrize("order", "CF")
def test_every_shape_order_and_type_comes_back(dtype, shape, order):
    array = np.array(recording(shape, dtype), order=order)
    for axis in (-1, 0):
        there_and_back(array, Middleout(channel_axis=axis, verify=False))


@pytest.mark.parametrize("dtype", OTHERS)
def test_other_types_are_left_to_zstd(dtype):
    array = np.zeros((20, 3), dtype) if "," in dtype else recording((20, 3), "i8").astype(dtype)
    assert there_and_back(array, Middleout())[0] == 0


def test_times_are_compressed():
    times = np.arange(30000) / 30000 + 12.5
    assert len(there_and_back(times, Middleout())) < times.nbytes / 2


def test_views_and_read_only_arrays_come_back():
    array = recording((200, 8))
    array.flags.writeable = False
    for view in (array[::2], array[:, ::3], array[::-1], array.T[1:], array[5:5], array[3, 3], array[:, :0]):
        codec = Middleout()
        assert np.asarray(codec.decode(codec.encode(view))).tobytes() == in_memory(view)
    assert bytes(np.asarray(Middleout().decode(Middleout().encode(b"abc")))) == b"abc"


def test_recordings_are_smaller_than_by_zstd_and_noise_is_hardly_larger():
    array = recording((3000, 16))
    assert len(Middleout().encode(array)) < 0.8 * len(numcodecs.Blosc("zstd", 5, 2).encode(array))
    noise = np.random.default_rng(0).integers(-32768, 32768, (3000, 16)).astype("<i2")
    assert len(Middleout().encode(noise)) < noise.nbytes + 200


def test_the_configuration_is_json_and_the_codec_pickles():
    codec = Middleout(independent=True, model="implant-small-v1", verify=False, channel_axis=0)
    config = json.loads(json.dumps(codec.get_config()))
    assert config["id"] == "middleout"
    for again in (numcodecs.get_codec(config), pickle.loads(pickle.dumps(codec))):
        assert again == codec
    assert pickle.dumps(codec).count(b"middleout.numcodecs") == 1
    assert b"runtime" not in pickle.dumps(codec)
    there_and_back(recording((4, 300)), codec)


def test_what_can_not_be_encoded_is_refused():
    with pytest.raises(runtime.UsageError, match="channel_axis"):
        Middleout(channel_axis=2).encode(recording((10, 2)))
    for axis in ("a", None, 1.5):
        with pytest.raises(runtime.UsageError, match="channel_axis is"):
            Middleout(channel_axis=axis)
    with pytest.raises(TypeError):
        Middleout().encode(np.array([{}, 1], object))
    with pytest.raises(runtime.ModelError):
        Middleout(model="nonsense").encode(recording((10, 2)))


def test_damage_is_an_error():
    codec = Middleout()
    for array in (recording((100, 2)), recording((100, 2), "<f8")):
        coded = codec.encode(array)
        for data in [coded[:n] for n in range(len(coded))] + [
            coded[:n] + bytes([coded[n] ^ 64]) + coded[n + 1 :] for n in range(0, len(coded), 7)
        ]:
            try:
                assert np.asarray(codec.decode(data)).size >= 0
            except runtime.MiddleoutError:
                pass
        with pytest.raises(runtime.MiddleoutError):
            codec.decode(coded[:-1])
        with pytest.raises(ValueError):
            codec.decode(coded, out=np.empty(3, array.dtype))


def test_a_chunk_of_another_length_may_be_damaged():
    codec = Middleout()
    coded = codec.encode(np.random.default_rng(0).normal(0, 30, (3000, 16)).astype(np.int16))
    assert coded[0] == 3
    for data in (coded[:-1], coded[: len(coded) // 2], coded + b"x"):
        for call in (codec.decode, codec.reader):
            with pytest.raises(runtime.ModelError, match="^the chunk may be damaged"):
                call(data)


def _write(place):
    """Write some chunks of a store, by the path of the store."""
    import zarr

    path, start = place
    array = zarr.open(path, mode="r+")["traces"]
    array[start : start + 500] = recording((2000, 6))[start : start + 500]


@pytest.fixture
def zarr2():
    zarr = pytest.importorskip("zarr", reason="zarr is not installed; it is an extra")
    if int(zarr.__version__.split(".")[0]) != 2:
        pytest.skip("this is a test of zarr 2")
    return zarr


@pytest.mark.parametrize("pool", ["spawn", "fork", "threads"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_zarr_stores_are_written_by_several_and_read_by_others(zarr2, pool, tmp_path):
    path = str(tmp_path / "a.zarr")
    store = zarr2.open(path, mode="w")
    store.create_dataset("traces", shape=(2000, 6), chunks=(250, 4), dtype="<i2", compressor=Middleout())
    store.create_dataset("times", data=np.arange(2000) / 1000, chunks=(500,), compressor=Middleout())
    _write((path, 0))  # in this process, which forked ones inherit
    places = [(path, start) for start in range(500, 2000, 500)]
    if pool == "threads":
        executor = ThreadPoolExecutor(2)
    else:
        executor = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(pool))
    with executor:
        list(executor.map(_write, places, timeout=120))
    code = (
        "import sys, numpy, zarr\n"
        "store = zarr.open(sys.argv[1], mode='r')\n"
        "numpy.save(sys.argv[2], store['traces'][:])\n"
        "assert store['times'][1999] == 1.999\n"
        "assert type(store['traces'].compressor).__module__ == 'middleout.numcodecs'"
    )
    if _has_entry_point():
        subprocess.run([sys.executable, "-c", code, path, str(tmp_path / "a.npy")], check=True)
        assert np.array_equal(np.load(tmp_path / "a.npy"), recording((2000, 6)))
    assert np.array_equal(zarr2.open(path, mode="r")["traces"][:], recording((2000, 6)))


def _has_entry_point():
    from importlib.metadata import entry_points

    return bool(entry_points(group="numcodecs.codecs", name="middleout"))


@pytest.mark.parametrize("order", "CF")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_zarr_arrays_of_every_order_come_back(zarr2, order):
    samples = recording((100, 3, 4), ">i2")
    array = zarr2.array(samples, chunks=(30, 2, 4), order=order, compressor=Middleout())
    assert np.array_equal(array[:], samples)
    assert np.array_equal(array[::7, 1], samples[::7, 1])
