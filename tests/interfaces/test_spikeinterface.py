"""Recordings of SpikeInterface: there and back, in other processes, and as input of its processing."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

import runtime

si = pytest.importorskip("spikeinterface", minversion="0.105", reason="spikeinterface is not installed; an extra")
pytestmark = [
    pytest.mark.slow,  # its simulations and filters are compiled first, and processes started
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

from middleout.spikeinterface import read_middleout, write_middleout  # noqa: E402
from spikeinterface.core import NumpyRecording, generate_ground_truth_recording  # noqa: E402
from spikeinterface.preprocessing import bandpass_filter, common_reference  # noqa: E402
from spikeinterface.sortingcomponents.peak_detection import detect_peaks  # noqa: E402

POOLS = [
    {"n_jobs": 1},
    {"n_jobs": 2, "mp_context": "spawn", "pool_engine": "process"},
    {"n_jobs": 2, "mp_context": "fork", "pool_engine": "process"},
    {"n_jobs": 2, "pool_engine": "thread"},
]
LOAD = """
import sys, numpy as np, spikeinterface as si
recording = si.load(sys.argv[1])
print(type(recording).__module__, recording.get_num_segments(), int(np.abs(recording.get_traces(0).astype(int)).sum()))
"""


def ground_truth(dtype="int16", durations=(1.0,), channels=8):
    """A simulated recording with a probe, spikes, gains."""
    recording, _ = generate_ground_truth_recording(
        durations=list(durations), num_channels=channels, num_units=5, seed=0, sampling_frequency=29999.4325
    )
    traces = [recording.get_traces(i) for i in range(len(durations))]
    if dtype != "float32":
        middle = 0 if np.dtype(dtype).kind == "i" else 1 << (8 * np.dtype(dtype).itemsize - 1)
        traces = [(np.round(part * 5).astype(np.int64) + middle).astype(dtype) for part in traces]
    made = NumpyRecording(traces, recording.sampling_frequency, channel_ids=[f"AP{i}" for i in range(channels)])
    made.set_probegroup(recording.get_probegroup())
    made.set_channel_gains(0.195)
    made.set_channel_offsets(np.arange(channels) * 0.5)
    made.set_property("area", np.array(["CA1", "CA3"] * (channels // 2)))
    made.set_property("bad", np.arange(channels) == 3)
    made.annotate(start_time="2026-11-29T02:30:00.5+01:00", subject="rat 7", is_filtered=False)
    made.shift_times(12.5)
    return made


def peaks_of(recording, method, noise, pool):
    """Find peaks, by a noise that is given: SpikeInterface takes its own from random pieces."""
    options = {"noise_levels": noise}
    return detect_peaks(recording, method=method, method_kwargs=options, job_kwargs={"chunk_duration": "200ms", **pool})


def same(found, wanted):
    """Check everything that a recording is."""
    assert found.get_num_segments() == wanted.get_num_segments()
    assert found.sampling_frequency == wanted.sampling_frequency
    assert found.channel_ids.tolist() == wanted.channel_ids.tolist()
    assert found.dtype == wanted.dtype
    for segment in range(wanted.get_num_segments()):
        assert np.array_equal(found.get_traces(segment), wanted.get_traces(segment))
        assert found.get_start_time(segment) == wanted.get_start_time(segment)
    for key in set(wanted.get_property_keys()):
        assert found.get_property(key).tolist() == wanted.get_property(key).tolist(), key
    for key in ("start_time", "subject", "is_filtered"):
        assert found.get_annotation(key) == wanted.get_annotation(key)
    probe, other = found.get_probegroup(), wanted.get_probegroup()
    assert json.dumps(probe.to_dict(), default=np.ndarray.tolist) == json.dumps(
        other.to_dict(), default=np.ndarray.tolist
    )


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "float32"])
def test_a_recording_comes_back_with_all_that_is_known_of_it(dtype, tmp_path):
    recording = ground_truth(dtype, (0.4, 0.3))
    paths = [tmp_path / "a.mdo", tmp_path / "b.mdo"]
    same(write_middleout(recording, paths, verify=False), recording)
    same(read_middleout(paths), recording)


@pytest.mark.parametrize("jobs", POOLS, ids=str)
def test_the_bytes_do_not_depend_on_the_jobs(jobs, tmp_path):
    recording = ground_truth(durations=(0.9,))
    first, second = tmp_path / "first.mdo", tmp_path / "second.mdo"
    write_middleout(recording, first, verify=False, chunk_duration="250ms")
    # of a file, since SpikeInterface gives jobs only what they can load again
    saved = read_middleout(first)
    same(write_middleout(saved, second, verify=False, chunk_duration="250ms", progress_bar=False, **jobs), recording)
    assert first.read_bytes() == second.read_bytes()


def test_any_slice_and_channels_are_read(tmp_path):
    recording = ground_truth()
    found, samples = write_middleout(recording, tmp_path / "a.mdo"), recording.get_traces()
    ids = recording.channel_ids
    for start, end in ((None, None), (0, 1), (100, 2000), (29000, None), (None, 5), (7, 7)):
        for chosen in (None, ids[::-1], ids[[5]], ids[2:7]):
            options = {"start_frame": start, "end_frame": end, "channel_ids": chosen}
            assert np.array_equal(found.get_traces(**options), recording.get_traces(**options))
    assert np.array_equal(found.segments[0].get_traces(10, 20, slice(1, 6, 2)), samples[10:20, 1:6:2])
    assert found.get_traces(end_frame=9, return_in_uV=True).dtype == np.float32


@pytest.mark.parametrize("jobs", POOLS, ids=str)
def test_processing_gives_the_same_as_of_the_original(jobs, tmp_path):
    recording = ground_truth()
    found = write_middleout(recording, tmp_path / "a.mdo")
    results = []
    for one, pool in ((recording, {"n_jobs": 1}), (found, jobs)):
        filtered = common_reference(bandpass_filter(one, 300, 6000))
        peaks = peaks_of(filtered, "locally_exclusive", np.full(8, 20.0), pool)
        results.append((filtered.get_traces(), peaks))
    assert np.array_equal(results[0][0], results[1][0])
    assert len(results[0][1]) > 10
    assert np.array_equal(results[0][1], results[1][1])


def test_provenance_leads_back_to_the_files(tmp_path):
    recording = ground_truth(durations=(0.2, 0.1))
    paths = [tmp_path / "a.mdo", tmp_path / "b.mdo"]
    found = write_middleout(recording, paths)
    same(si.load(found.to_dict(include_annotations=True, include_properties=True)), recording)
    filtered = bandpass_filter(found)
    for name in ("chain.json", "chain.pkl"):
        filtered.dump(tmp_path / name)
        assert np.array_equal(si.load(tmp_path / name).get_traces(1), filtered.get_traces(1))
    found.dump(tmp_path / "near.json", relative_to=tmp_path)
    (tmp_path / "moved").mkdir()
    for path in (*paths, tmp_path / "near.json"):
        path.rename(tmp_path / "moved" / path.name)
    same(si.load(tmp_path / "moved" / "near.json", base_folder=tmp_path / "moved"), recording)


def test_another_process_loads_it_that_has_imported_nothing(tmp_path, root):
    recording = ground_truth()
    write_middleout(recording, tmp_path / "a.mdo").dump(tmp_path / "a.json")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD, tmp_path / "a.json"], cwd=root, capture_output=True, text=True
    )
    total = int(np.abs(recording.get_traces().astype(int)).sum())
    assert done.stdout.split() == ["middleout.spikeinterface", "1", str(total)], done.stderr


@pytest.mark.parametrize("jobs", POOLS, ids=str)
def test_it_is_saved_as_zarr_with_our_codec(jobs, tmp_path, root):
    pytest.importorskip("zarr", reason="zarr is not installed; it is an extra")
    from middleout.numcodecs import Middleout

    recording = write_middleout(ground_truth(), tmp_path / "a.mdo")
    recording.save(format="zarr", folder=tmp_path / "a.zarr", compressor=Middleout(), chunk_duration="200ms", **jobs)
    same(si.load(tmp_path / "a.zarr"), recording)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD, tmp_path / "a.zarr"], cwd=root, capture_output=True, text=True
    )
    assert done.stdout.split()[2] == str(int(np.abs(recording.get_traces().astype(int)).sum())), done.stderr


def test_a_recording_is_read_from_a_server(tmp_path):
    pytest.importorskip("fsspec", reason="fsspec is not installed; it is an extra")
    recording = ground_truth()
    write_middleout(recording, tmp_path / "a.mdo")
    import fsspec

    fsspec.filesystem("memory").put(str(tmp_path / "a.mdo"), "/si.mdo")
    same(read_middleout("memory://si.mdo"), recording)


def test_what_can_not_be_is_refused(tmp_path):
    recording = ground_truth(durations=(0.1, 0.1))
    with pytest.raises(runtime.UsageError, match="one for each"):
        write_middleout(recording, tmp_path / "a.mdo")
    one = recording.select_segments(0)
    write_middleout(one, tmp_path / "a.mdo")
    with pytest.raises(runtime.UsageError, match="exists.*overwrite=True"):
        write_middleout(one, tmp_path / "a.mdo")
    with pytest.raises(runtime.UsageError, match="no files"):
        read_middleout([])
    with pytest.raises(runtime.UsageError, match="sample rate"):
        read_middleout(tmp_path / "a.mdo", sampling_frequency=-5)
    write_middleout(one, tmp_path / "a.mdo", overwrite=True)
    runtime_file = tmp_path / "b.mdo"
    runtime_file.write_bytes(runtime.encode(np.zeros((100, 3), np.int16), 0))
    with pytest.raises(runtime.UsageError, match="sampling_frequency"):
        read_middleout(runtime_file)
    assert read_middleout(runtime_file, sampling_frequency=1000).get_num_samples() == 100
    with pytest.raises(runtime.UsageError, match="differs"):
        read_middleout([tmp_path / "a.mdo", runtime_file])


def test_what_can_not_be_kept_is_told(tmp_path):
    recording = ground_truth(durations=(0.1,))
    recording.set_times(np.arange(recording.get_num_samples()) / 29999 + 3)
    recording.annotate(strange={1, 2})
    with pytest.warns(UserWarning) as told:
        found = write_middleout(recording, tmp_path / "a.mdo")
    assert {"times of frames", "annotation strange"} <= {
        text for text in ("times of frames", "annotation strange") if any(text in str(one.message) for one in told)
    }
    assert found.get_start_time() == 3


KEPT = {
    "numbers": np.arange(4, dtype="u1"),
    "fractions": np.array([0.1, 0.2, 0.3, 0.4], "f4"),
    "large": np.array([2**64 - 1, 0, 1, 2], "u8"),
    "words": np.array(["", "a", "", "b"]),
    "flags": np.arange(4) > 1,
    "mixed": np.array([1, "a", None, 2.5], object),
    "texts_and_numbers": np.array([1, "a", 2, "b"], object),
    "pairs": np.arange(8).reshape(4, 2),
}
LOST = {
    "not_a_number": np.array([1, 2, np.nan, 4]),
    "bytes": np.array([b"a"] * 4),
    "gain_to_uV": np.array([1, 2, np.nan, 4]),
    "offset_to_uV": np.array([1, 2, np.inf, 4]),
}
CHANGED = {
    "records": np.array([(1, 2.0)] * 4, [("a", "i4"), ("b", "f8")]),
    "days": np.array(["2020-01-01"] * 4, "M8[s]"),
    "nanoseconds": np.array([1, 2, 3, 4], "M8[ns]"),
}


@pytest.mark.parametrize("key", [*KEPT, *LOST, *CHANGED])
def test_a_property_is_kept_or_told(key, tmp_path):
    recording = NumpyRecording([np.zeros((100, 4), np.int16)], 1000.0)
    values = (KEPT | LOST | CHANGED)[key]
    recording.set_property(key, values)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = write_middleout(recording, tmp_path / "a.mdo").get_property(key)
    texts = [str(one.message) for one in told if "property" in str(one.message)]
    if key in KEPT:
        assert not texts
        assert found.tolist() == values.tolist()
        assert np.result_type(found, values) == found.dtype
    elif key in LOST:
        assert texts == [f"the property {key} is not kept: JSON has no values of that kind"]
        assert found is None
    else:
        assert texts == [f"the property {key} comes back changed: JSON has no values of that kind"]


def test_a_probe_of_some_channels_brings_these(tmp_path):
    probe = {
        "ndim": 2,
        "si_units": "um",
        "annotations": {},
        "contact_annotations": {},
        "contact_shapes": ["circle"] * 3,
    }
    probe |= {"contact_positions": [[0, 0], [0, 20], [0, 40]]}
    probe |= {
        "contact_plane_axes": [[[1, 0], [0, 1]]] * 3,
        "contact_shape_params": [{"radius": 5}] * 3,
        "device_channel_indices": [3, -1, 1],
    }
    samples, path = np.arange(400, dtype=np.int16).reshape(100, 4), tmp_path / "a.mdo"
    about = {"probe": probe, "gain_to_uV": [1, 2, 3, 4], "properties": {"area": ["a", "b", "c", "d"]}}
    path.write_bytes(runtime.encode(samples, 1000, metadata=about))
    found = read_middleout(path)
    assert found.channel_ids.tolist() == [1, 3]
    found.dump(tmp_path / "a.json")
    for one in (found, si.load(tmp_path / "a.json"), pickle.loads(pickle.dumps(found))):
        assert np.array_equal(one.get_traces(), samples[:, [1, 3]])
        assert np.array_equal(one.get_traces(channel_ids=[3]), samples[:, [3]])
        assert one.get_channel_locations().tolist() == [[0, 40], [0, 0]]
        assert one.get_channel_gains().tolist() == [2, 4]
        assert one.get_property("area").tolist() == ["b", "d"]
    everything = read_middleout(path, all_channels=True)
    assert np.array_equal(everything.get_traces(), samples)
    assert not everything.has_probe()
    assert si.load(everything.to_dict()).get_num_channels() == 4


def test_a_probe_that_can_not_be_set_is_told_and_left_out(tmp_path):
    probe = {"contact_positions": [[0, 0], [0, 20]], "device_channel_indices": [0, 0]}
    path = tmp_path / "a.mdo"
    path.write_bytes(runtime.encode(np.zeros((100, 3), np.int16), 1000, metadata={"probe": probe}))
    with pytest.warns(UserWarning, match="probe"):
        assert not read_middleout(path).has_probe()


def test_an_array_of_a_laboratory_is_processed_alike(tmp_path, shared_data):
    samples = np.load(shared_data / "multilead" / "olveczky_fast_64ch_a_30k.npy").T
    recording = NumpyRecording([samples], 30000.0)
    recording.set_dummy_probe_from_locations(np.stack([np.zeros(64), np.arange(64) * 20.0], 1))
    recording.set_channel_gains(0.195)
    recording.set_channel_offsets(0)
    found = write_middleout(recording, tmp_path / "a.mdo")
    assert np.array_equal(found.get_traces(), samples)
    filtered = [bandpass_filter(one, 300, 6000) for one in (recording, found)]
    peaks = [peaks_of(one, "by_channel", filtered[0].get_traces().std(axis=0) / 2, {"n_jobs": 1}) for one in filtered]
    assert np.array_equal(filtered[0].get_traces(), filtered[1].get_traces())
    assert len(peaks[0])
    assert np.array_equal(*peaks)
