"""The codec of zarr 3."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import numpy as np
import pytest

import runtime

zarr = pytest.importorskip("zarr", minversion="3", reason="zarr 3 is not installed; it is an extra")

from middleout.zarr import MiddleoutCodec  # noqa: E402

from runtime.codec import rans_coding  # noqa: E402

zarr.registry.register_codec("middleout", MiddleoutCodec)  # where the package is not installed


def recording(shape, dtype="<i2"):
    steps = np.random.default_rng(0).normal(0, 3, shape)
    return steps.cumsum(axis=0).clip(0, 100).round().astype(dtype)


@pytest.mark.parametrize("dtype", ["i1", "<u2", ">i2", "<i4", "<f8", "<i8", "?"])
@pytest.mark.parametrize("options", [{}, {"shards": (200, 6)}, {"config": {"order": "F"}}], ids=str)
def test_arrays_come_back(dtype, options):
    samples = recording((500, 6), dtype)
    store = zarr.storage.MemoryStore()
    array = zarr.create_array(
        store,
        shape=samples.shape,
        chunks=(100, 3),
        dtype=dtype,
        serializer=MiddleoutCodec(),
        compressors=None,
        **options,
    )
    array[:] = samples
    for found in (array, zarr.open_array(store, mode="r")):
        assert np.array_equal(found[:], samples)
        assert np.array_equal(found[50:300:7, 4], samples[50:300:7, 4])


@pytest.fixture
def decoded(monkeypatch):
    """How many samples are decoded."""
    counts = []
    decode = rans_coding._decode

    def counting(coded, *arguments):
        counts.append(sum(chunk.frames * len(chunk.side.coded) for chunk in coded))
        return decode(coded, *arguments)

    monkeypatch.setattr(rans_coding, "_decode", counting)
    return counts


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"shards": (60000, 4)}], ids=str)
def test_only_what_is_read_is_decoded(options, decoded):
    samples = np.random.default_rng(1).normal(0, 300, (60000, 4)).astype(np.int16)
    array = zarr.create_array(
        zarr.storage.MemoryStore(),
        shape=samples.shape,
        chunks=(30000, 4),
        dtype="int16",
        serializer=MiddleoutCodec(independent=True, verify=False),
        compressors=None,
        **options,
    )
    array[:] = samples
    every = slice(None)
    for index, most in [((every, 3), 60000), ((slice(100, 200), every), 60000), ((slice(100, 200), [1, 3]), 30000)]:
        decoded.clear()
        assert np.array_equal(array.oindex[index], samples[index])
        assert 0 < sum(decoded) <= most
    assert np.array_equal(array.vindex[[5, 30000], [1, 3]], samples[[5, 30000], [1, 3]])


def test_its_configuration_is_kept():
    codec = MiddleoutCodec(independent=True, verify=False, channel_axis=0)
    assert MiddleoutCodec.from_dict(codec.to_dict()) == codec
    assert MiddleoutCodec.from_dict({"name": "middleout"}) == MiddleoutCodec()
    with pytest.raises(runtime.UsageError, match="channel_axis"):
        MiddleoutCodec(channel_axis="x")


@pytest.mark.parametrize(
    ("chunks", "options", "message"),
    [((3_000_000, 384), {}, "bytes"), ((100, 3), {"channel_axis": 2}, "channel_axis")],
)
def test_what_can_not_be_encoded_is_refused_when_the_array_is_made(chunks, options, message):
    with pytest.raises(runtime.UsageError, match=message):
        zarr.create_array(
            zarr.storage.MemoryStore(),
            shape=(3_000_000, 384),
            chunks=chunks,
            dtype="i2",
            serializer=MiddleoutCodec(**options),
            compressors=None,
        )


@pytest.mark.parametrize("cut", [0, 1, 30])
def test_a_chunk_that_was_cut_off_is_an_error(cut, tmp_path):
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=(200, 6), chunks=(100, 6), dtype="i2", serializer=MiddleoutCodec(), compressors=None
    )
    array[:] = recording((200, 6))
    chunk = tmp_path / "a.zarr" / "c" / "1" / "0"
    chunk.write_bytes(chunk.read_bytes()[:cut])
    assert np.array_equal(array[:100], recording((200, 6))[:100])
    for part in (np.s_[:], np.s_[150:160], np.s_[:, 3]):
        with pytest.raises(runtime.CorruptError):
            array[part]


@pytest.mark.skipif(not entry_points(group="zarr.codecs", name="middleout"), reason="middleout is not installed here")
def test_another_process_opens_it(tmp_path):
    samples = recording((500, 6))
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=(500, 6), chunks=(100, 6), dtype="i2", serializer=MiddleoutCodec(), compressors=None
    )
    array[:] = samples
    code = "import sys, numpy, zarr; numpy.save(sys.argv[2], zarr.open_array(sys.argv[1], mode='r')[:])"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.zarr"), str(tmp_path / "a.npy")], check=True)
    assert np.array_equal(np.load(tmp_path / "a.npy"), samples)
