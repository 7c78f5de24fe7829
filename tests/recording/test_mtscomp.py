"""Files of mtscomp: kept as they are, or on request the samples that are in them."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from file_calls import main

import runtime
from runtime.recording.sources import Given, Recording


def compress(path: Path, samples: np.ndarray, order: str = "F", axes: tuple[int, ...] = (0,), **fields: object) -> None:
    """Write samples [frames, channels] as mtscomp 1.0.2 does, in chunks of 120 frames."""
    bounds, data = [*range(0, len(samples), 120), len(samples)], [b""]
    for first, last in zip(bounds, bounds[1:]):
        chunk = samples[first:last]
        for axis in axes:
            chunk = np.concatenate((np.take(chunk, [0], axis), np.diff(chunk, axis=axis)), axis)
        data.append(zlib.compress(chunk.tobytes(order=order)))
    path.write_bytes(b"".join(data))
    known = {"algorithm": "zlib", "version": "1.0", "comp_level": -1, "dtype": samples.dtype.name}
    known |= {"n_channels": samples.shape[1], "sample_rate": 30000.07, "shape": list(samples.shape)}
    known |= {"do_time_diff": 0 in axes, "do_spatial_diff": 1 in axes, "chunk_order": order}
    known |= {"chunk_bounds": bounds, "chunk_offsets": np.cumsum([len(part) for part in data]).tolist()}
    path.with_suffix(".ch").write_text(json.dumps(known | fields))


@pytest.fixture
def samples():
    return np.random.default_rng(5).integers(-30000, 30000, (400, 3)).astype(np.int16)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("axes", [(), (0,), (1,), (0, 1)], ids=str)
@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32"])
def test_the_file_that_was_compressed_comes_back(order, axes, dtype, samples, tmp_path):
    compress(tmp_path / "a.cbin", samples.astype(dtype), order, axes)
    (tmp_path / "a.meta").write_text("nSavedChans=3\n~snsChanMap=(3,0,0)(AP0;0:0)(AP1;1:1)(SY0;2:2)\n")
    assert main("encode", "-q", tmp_path / "a.cbin", "--samples-only", "--sha256") == 0
    with runtime.open(tmp_path / "a.mdo") as reader:
        assert np.array_equal(reader[:], samples.astype(dtype)) and reader.dtype == dtype
        assert reader.sample_rate == 30000.07 and reader.metadata["channel_ids"] == ["AP0", "AP1", "SY0"]
    assert main("decode", "-q", tmp_path / "a.mdo") == 0
    assert (tmp_path / "a.bin").read_bytes() == samples.astype(dtype).tobytes()


def test_any_part_is_read_and_passed_over(samples, tmp_path):
    compress(tmp_path / "a.cbin", samples)
    given = Given(samples_only=True)
    for first in (0, 1, 119, 120, 121, 399, 400):
        with Recording([str(tmp_path / "a.cbin")], given) as recording:
            recording.source.skip(first)
            parts = [recording.source.read(n) for n in (1, 118, 250, 500)]
        assert np.array_equal(np.concatenate(parts), samples[first:])


def test_it_is_kept_as_it_is_otherwise(samples, tmp_path, capsys):
    compress(tmp_path / "a.cbin", samples)
    assert main("encode", tmp_path / "a.cbin") == 0
    assert "compressed by mtscomp: its samples alone can be kept with --samples-only" in capsys.readouterr().err
    assert main("decode", tmp_path / "a.mdo", "-d", tmp_path / "back") == 0
    assert (tmp_path / "back" / "a.cbin").read_bytes() == (tmp_path / "a.cbin").read_bytes()
    assert main("encode", "-f", tmp_path / "a.cbin", "--channels", 3) == 1
    assert main("encode", "-f", tmp_path / "a.cbin", "--samples-only", "--rm") == 2
    assert (tmp_path / "a.cbin").exists()


def test_other_files_beside_are_what_they_are(samples, tmp_path):
    compress(tmp_path / "a.cbin", samples)
    samples.tofile(tmp_path / "a.bin")
    (tmp_path / "a.meta").write_text("nSavedChans=3\nimSampRate=30000\n")
    assert main("encode", "-q", tmp_path / "a.bin") == 0
    with runtime.open(tmp_path / "a.mdo") as reader:
        assert reader.metadata["format"] == "SpikeGLX recording" and np.array_equal(reader[:], samples)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"n_channels": n} for n in (0, 2, 4, 10**9, "x")),
        *({"sample_rate": rate} for rate in (0, -1, 1e300, None)),
        *({"dtype": dtype} for dtype in ("float32", "int64", "nonsense", None)),
        *({"chunk_bounds": bounds} for bounds in ([], [0], [0, 400], [0, 120, 240, 240, 400], [1, 2, 3, 4, 5], 7)),
        *({"chunk_offsets": offsets} for offsets in ([0], [0, 1, 2, 3, 10**9], [0, 1, 2, 3, -1])),
        *({"chunk_order": "X"}, {"do_time_diff": "no", "chunk_bounds": [0, 1, 2, 3, 10**12]}),
    ],
    ids=str,
)
def test_a_description_that_lies_is_an_error(wrong, samples, tmp_path):
    compress(tmp_path / "a.cbin", samples, **wrong)
    assert main("encode", "-q", tmp_path / "a.cbin", "--samples-only") in (1, 2)
    assert not (tmp_path / "a.mdo").exists()


def test_damage_is_an_error(samples, tmp_path):
    compress(tmp_path / "a.cbin", samples)
    data = (tmp_path / "a.cbin").read_bytes()
    for place in range(0, len(data), 97):
        (tmp_path / "a.cbin").write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
        assert main("encode", "-q", tmp_path / "a.cbin", "--samples-only") == 1
        (tmp_path / "a.cbin").write_bytes(data[:place])
        assert main("encode", "-q", tmp_path / "a.cbin", "--samples-only") == 1


def test_channels_of_an_array_are_whole_files(samples, tmp_path):
    for name in ("a", "b"):
        compress(tmp_path / f"{name}.cbin", samples[:, :1])
    files = (tmp_path / "a.cbin", tmp_path / "b.cbin")
    assert main("encode", "-q", "--array", *files, "--samples-only", "-o", tmp_path / "x.mdo") == 2
    assert not (tmp_path / "x.mdo").exists()
