"""The package's own calls."""

import io
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import runtime
from runtime.access import chunk_reader, writer
from runtime.access import reader as reader_module
from runtime.batch import chunking, coders, codings
from runtime.cli.main import main
from runtime.fit.topology import Topology
from runtime.recording.wav import WavFormat, canonical_header

RANDOM = np.random.default_rng(5)


def recording(frames=3000, channels=2):
    return np.cumsum(RANDOM.integers(-30, 31, (frames, channels)), 0).astype(np.int16)


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<u2", ">u2", "i1", "u1"])
@pytest.mark.parametrize("shape", [(1000,), (1000, 1), (1000, 3), (0, 1), (1, 1)])
def test_arrays_round_trip(dtype, shape):
    info = np.iinfo(dtype)
    samples = RANDOM.integers(info.min, info.max, shape, endpoint=True).astype(dtype)
    data = runtime.encode(samples, 20000, layout="time-channel" if 0 in shape else None)
    back, rate = runtime.decode(data)
    assert rate == 20000
    assert back.dtype == np.dtype(dtype).newbyteorder("=")
    assert back.shape == (shape[0], shape[1] if len(shape) == 2 else 1)
    assert np.array_equal(back.ravel(), samples.ravel())


def test_extremes_and_views_round_trip():
    samples = np.array([[-32768, 32767], [32767, -32768]] * 50, np.int16)
    for view in (samples, samples[::-1], samples[::3], np.asfortranarray(samples), samples.astype(">i2")[:]):
        assert np.array_equal(runtime.decode(runtime.encode(view.astype(np.int16), 1))[0], view)
    data = runtime.encode(samples.T, 1, layout="channel-time")
    assert np.array_equal(runtime.decode(data)[0], samples)


@pytest.mark.parametrize(
    ("samples", "arguments", "message"),
    [
        (np.zeros(10, np.float16), {}, "type float16; possible are"),
        (np.zeros(10, np.int64), {}, "type int64"),
        (np.zeros((2, 2, 2), np.int16), {}, "3 dimensions"),
        (np.zeros((3, 40), np.int16), {}, "say --channels-first or layout="),
        (np.zeros((40, 3), np.int16), {"layout": "sideways"}, "layout is one of"),
        (np.zeros((4, 0), np.int16), {}, "0 channels"),
        (np.zeros((1, 70000), np.int16), {"layout": "time-channel"}, "70000 channels"),
        (np.zeros(10, np.int16), {"sample_rate": -1}, "number of Hz"),
        (np.zeros(10, np.int16), {"sample_rate": float("nan")}, "number of Hz"),
        (np.zeros(10, np.int16), {"sample_rate": "30000"}, "number of Hz"),
        (np.zeros(10, np.int16), {"sample_rate": 10**400}, "number of Hz"),
        (np.zeros(10, np.int16), {"metadata": {"gain_to_uV": [1, 2]}}, "gain_to_uV is .* 1 channels"),
        (np.zeros(10, np.int16), {"metadata": {"x": float("nan")}}, "JSON"),
    ],
)
def test_bad_arrays_are_refused_with_a_way_out(samples, arguments, message):
    with pytest.raises(runtime.UsageError, match=message):
        runtime.encode(samples, **{"sample_rate": 20000, **arguments})


@pytest.mark.parametrize("rate", [29999.4325, 30000.149579831934, 30000.0, np.float64(0.1), 2**32 - 1, 0, 2**-20])
def test_sample_rates_come_back_exactly(rate, tmp_path):
    samples = recording(50)
    data = runtime.encode(samples, rate)
    found = runtime.decode(data)[1]
    assert found == rate and isinstance(found, int) == (rate == int(rate))
    with runtime.Reader(io.BytesIO(data)) as reader:
        assert reader.sample_rate == rate
    with runtime.Writer(tmp_path / "x.mdo", rate, 2) as target:
        target.write(samples)
    assert runtime.decode((tmp_path / "x.mdo").read_bytes())[1] == rate
    runtime.decode_file(tmp_path / "x.mdo", tmp_path / "x.wav")
    assert (tmp_path / "x.wav").read_bytes() == canonical_header(WavFormat(2, round(rate), 16), 50) + samples.tobytes()


@pytest.mark.parametrize("suffix", [".bin", ".npy"])
def test_files_have_the_sample_rate_that_is_given(suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    samples = recording(50)
    path.write_bytes(samples.tobytes()) if suffix == ".bin" else np.save(path, samples)
    original = path.read_bytes()
    runtime.encode_file(path, channels=2, sample_rate=29999.4325, remove=True)
    with runtime.open(path.with_suffix(".mdo")) as reader:
        assert reader.sample_rate == 29999.4325
    runtime.decode_file(path.with_suffix(".mdo"))
    assert path.read_bytes() == original


def test_seconds_and_bits_follow_a_sample_rate_that_is_no_integer():
    samples = recording(4000)
    with pytest.raises(runtime.UsageError, match="number of seconds"):
        runtime.encode(samples, 1999.5, chunk_duration="0.5s")
    data = runtime.encode(samples, 1999.5, chunk_duration=0.5)
    with runtime.open(data) as reader:
        assert np.array_equal(reader[:], samples)
    assert np.array_equal(runtime.decode(data)[0], samples)
    data = runtime.encode(samples, 1999.5, target_rate=20_000)
    assert 8 * len(data) * 1999.5 / 4000 <= 20_000
    data = runtime.encode(samples, 2999.25, keep="spikes,lfp")
    assert runtime.decode(data)[0].shape == samples.shape


ABOUT = {"channel_ids": ["a", "b"], "gain_to_uV": [0.195, 0.2], "start_time": "2026-11-29T02:30:00Z", "own": {"x": [1]}}


def test_metadata_come_back_from_every_call(tmp_path, monkeypatch):
    monkeypatch.setattr(chunking, "CHUNK_FRAMES", 100)
    samples = recording(1000)
    plain, data = runtime.encode(samples, 20000), runtime.encode(samples, 20000, metadata=ABOUT)
    assert np.array_equal(runtime.decode(data)[0], samples)
    assert len(plain) < len(data) < len(plain) + 200
    assert runtime.encode(samples, 20000, metadata={}) == plain
    with runtime.Reader(io.BytesIO(data)) as reader:
        assert reader.metadata == ABOUT
        assert np.array_equal(reader.read(450, 655, [1]), samples[450:655, 1:])
    with runtime.Writer(tmp_path / "x.mdo", 20000, 2, metadata=ABOUT, embed_model=True) as target:
        target.write(samples)
    with runtime.open(tmp_path / "x.mdo") as reader, pickle.loads(pickle.dumps(reader)) as other:
        assert reader.metadata == other.metadata == ABOUT
    with runtime.Reader(tmp_path / "x.mdo", rebuild_index=True) as reader:
        assert reader.metadata == ABOUT
    for options in ({"metadata": ABOUT}, {"options": runtime.EncodeOptions(metadata=ABOUT)}):
        paths = [tmp_path / name for name in ("a.npy", "b.npy")]
        for path in paths:
            np.save(path, samples)
        original = paths[0].read_bytes()
        assert all(done.error is None for done in runtime.encode_files(paths, force=True, remove=True, **options))
        for path in paths:
            with runtime.open(path.with_suffix(".mdo")) as reader:
                assert reader.metadata == ABOUT
            assert runtime.decode_file(path.with_suffix(".mdo")).original_bytes == len(original)
            assert path.read_bytes() == original
    assert runtime.verify_files([tmp_path / "a.mdo"])[0].error is None


def test_metadata_that_do_not_fit_one_file_are_its_own_error(tmp_path):
    np.save(tmp_path / "two.npy", recording(50))
    np.save(tmp_path / "three.npy", recording(50, 3))
    good, bad = runtime.encode_files([tmp_path / "two.npy", tmp_path / "three.npy"], metadata=ABOUT)
    assert good.error is None
    assert isinstance(bad.error, runtime.UsageError) and not (tmp_path / "three.mdo").exists()


def test_options_keep_a_copy_of_metadata():
    about = {"own": [1]}
    options = runtime.EncodeOptions(metadata=about)
    about["own"].append(2)
    assert options.metadata == {"own": [1]}
    assert isinstance(hash(options), int)


def test_a_damaged_recording_is_never_decoded():
    data = runtime.encode(recording(100), 20000)
    for at in range(0, len(data), 3):
        changed = data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :]
        with pytest.raises((runtime.CorruptError, runtime.FileFormatError)):
            runtime.decode(changed)
    for bad in (b"", data[:-1], data + b"\0"):
        with pytest.raises((runtime.CorruptError, runtime.FileFormatError)):
            runtime.decode(bad)


def test_any_range_is_read_by_the_chunks_that_hold_it_only(monkeypatch):
    samples = recording(1000, 3)
    monkeypatch.setattr(chunking, "CHUNK_FRAMES", 100)
    reader = runtime.Reader(io.BytesIO(runtime.encode(samples, 20000)), cache_bytes=0)
    assert (reader.frames, reader.channels, reader.sample_rate, len(reader)) == (1000, 3, 20000, 1000)
    decoded = []
    real = coders.Decoder.run

    def counted(self, tasks):
        decoded.extend(tasks)
        return real(self, tasks)

    monkeypatch.setattr(coders.Decoder, "run", counted)
    for start, stop, chunks in (
        (0, 100, 1),
        (99, 101, 2),
        (0, 1000, 10),
        (555, 555, 0),
        (900, None, 1),
        (-10, None, 1),
    ):
        decoded.clear()
        assert np.array_equal(reader.read(start, stop), samples[start:stop])
        assert len(decoded) == chunks
    assert reader.read(2000, 3000).shape == (0, 3)
    assert np.array_equal(reader.read(950, 5000), samples[950:])
    monkeypatch.setattr(chunk_reader, "BATCH_SAMPLES", 650)
    assert np.array_equal(np.concatenate(list(reader)), samples)


def test_a_damaged_chunk_is_an_error_where_it_is_read_only(monkeypatch):
    samples = recording(1000)
    monkeypatch.setattr(chunking, "CHUNK_FRAMES", 100)
    data = bytearray(runtime.encode(samples, 20000))
    data[len(data) // 2] ^= 1
    reader = runtime.Reader(io.BytesIO(data))
    assert np.array_equal(reader.read(0, 100), samples[:100])
    assert np.array_equal(reader.read(900), samples[900:])
    with pytest.raises(runtime.CorruptError):
        reader.read()


def test_a_file_without_its_end_is_only_read_on_request(monkeypatch):
    samples = recording(1000)
    monkeypatch.setattr(chunking, "CHUNK_FRAMES", 100)
    data = runtime.encode(samples, 20000)[:-150]
    with pytest.raises(runtime.CorruptError):
        runtime.Reader(io.BytesIO(data))
    reader = runtime.Reader(io.BytesIO(data), rebuild_index=True)
    assert 0 < reader.frames < 1000
    assert np.array_equal(reader.read(), samples[: reader.frames])


@pytest.mark.parametrize("step", [1, 37, 1000, 5000])
def test_writing_piece_by_piece(tmp_path, monkeypatch, step):
    monkeypatch.setattr(writer, "BATCH_SAMPLES", 1000)
    monkeypatch.setattr(chunking, "CHUNK_FRAMES", 300)
    samples = recording(2000 if step > 1 else 100)
    with runtime.Writer(tmp_path / "x.mdo", 20000, 2, embed_model=True) as target:
        for at in range(0, len(samples), step):
            target.write(samples[at : at + step])
        assert not (tmp_path / "x.mdo").exists()
    with runtime.open(tmp_path / "x.mdo") as reader:
        assert np.array_equal(reader.read(), samples)
    assert os.listdir(tmp_path) == ["x.mdo"]


def test_arrays_may_be_used_again_once_they_are_written(tmp_path):
    buffer = np.empty((10, 2), np.int16)
    with runtime.Writer(tmp_path / "x.mdo", 20000, 2) as target:
        for value in range(5):
            buffer[:] = value
            target.write(buffer)
    with runtime.open(tmp_path / "x.mdo") as reader:
        assert np.array_equal(reader.read()[:, 0], np.repeat(np.arange(5), 10))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_was_written_before_an_error_can_be_salvaged(tmp_path, caplog, error):
    samples = recording(3000)
    with pytest.raises(error), runtime.Writer(tmp_path / "x.mdo", 20000, 2) as target:
        target.write(samples)
        raise error
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".x.mdo.") and left.suffix == ".part"
    assert str(left) in caplog.text and "salvage" in caplog.text
    assert main(["salvage", str(left), "-o", str(tmp_path / "saved.mdo")]) == 1  # it has no end
    with runtime.open(tmp_path / "saved.mdo") as reader:
        assert np.array_equal(reader.read(), samples)


def test_chunks_that_have_waited_for_long_are_in_the_file(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(writer.time, "monotonic", lambda: now[0])
    samples = recording(60000)
    target = runtime.Writer(tmp_path / "x.mdo", 20000, 2, chunk_frames=10000)
    (path,) = tmp_path.iterdir()
    target.write(samples[:30000])
    assert path.stat().st_size == 0
    now[0] = 6.0
    target.write(samples[30000:])
    data = path.read_bytes()  # as a killed process leaves it
    assert np.array_equal(runtime.Reader(data, rebuild_index=True).read(), samples[:50000])
    target.close()
    assert np.array_equal(runtime.decode((tmp_path / "x.mdo").read_bytes())[0], samples)


@pytest.mark.parametrize("frames", [None, 25_300])
def test_the_bytes_do_not_depend_on_pieces_and_moments(monkeypatch, frames):
    samples = recording(25_300)
    made = []
    for step, seconds in ((25_300, 0), (1000, 0), (700, 10), (9000, 10)):
        now = iter(np.arange(0, 1e6, max(seconds, 1e-9)).tolist() if seconds else [0.0] * 10**5)
        monkeypatch.setattr(writer.time, "monotonic", lambda now=now: next(now))
        file = io.BytesIO()
        with runtime.Writer(file, 20000, 2, chunk_frames=1000, frames=frames) as target:
            for at in range(0, len(samples), step):
                target.write(samples[at : at + step])
        made.append(file.getvalue())
    assert made[1:] == made[:1] * 3
    whole = runtime.encode(samples, 20000, chunk_frames=1000)
    assert (made[0] == whole) == (frames is not None)
    assert np.array_equal(runtime.decode(made[0])[0], samples)


@pytest.mark.parametrize("to_file", [True, False])
def test_a_writer_that_is_closed_takes_nothing_more(tmp_path, to_file):
    file = io.BytesIO()
    with runtime.Writer(tmp_path / "x.mdo" if to_file else file, 20000) as target:
        target.write(np.arange(10, dtype=np.int16))
        target.close()
        target.close()
        for call in (lambda: target.write(np.zeros(1, np.int16)), lambda: target.append_coded(b"")):
            with pytest.raises(runtime.UsageError, match="closed"):
                call()
    data = (tmp_path / "x.mdo").read_bytes() if to_file else file.getvalue()
    assert np.array_equal(runtime.decode(data)[0][:, 0], np.arange(10))


def test_writing_checks_what_it_is_given(tmp_path):
    path = tmp_path / "x.mdo"
    with pytest.raises(runtime.UsageError, match="3 channels"), runtime.Writer(path, 20000, 2) as target:
        target.write(np.zeros((10, 3), np.int16))
    with pytest.raises(runtime.UsageError, match="channels of uint8"), runtime.Writer(path, 20000, 2) as target:
        target.write(np.zeros((10, 2), np.uint8))
    with pytest.raises(runtime.MiddleoutError, match="10 frames"), runtime.Writer(path, 20000, frames=11) as target:
        target.write(np.zeros(10, np.int16))
    (left,) = tmp_path.iterdir()  # what was written
    left.unlink()
    for arguments in (
        {"channels": 0},
        {"dtype": "int64"},
        {"suffix": "/x"},
        {"sample_rate": 2**32},
        {"metadata": ABOUT},
    ):
        with pytest.raises(runtime.UsageError):
            runtime.Writer(path, **{"sample_rate": 1, **arguments})
    assert os.listdir(tmp_path) == []
    path.write_bytes(b"precious")
    with pytest.raises(runtime.UsageError, match="exists"):
        runtime.Writer(path, 20000)
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize("samples", [recording(500, 3), RANDOM.integers(0, 256, (77, 1)).astype(np.uint8)])
@pytest.mark.parametrize("known", [True, False])
def test_recordings_that_were_arrays_decode_to_wav_files(tmp_path, samples, known):
    import soundfile

    bits = samples.dtype.itemsize * 8
    arguments = {"dtype": samples.dtype, "frames": len(samples) if known else None}
    with runtime.Writer(tmp_path / "x.mdo", 20000, samples.shape[1], **arguments) as target:
        target.write(samples)
    runtime.decode_file(tmp_path / "x.mdo")
    read, rate = soundfile.read(tmp_path / "x.wav", dtype="int16", always_2d=True)
    assert rate == 20000
    expected = samples if bits == 16 else (samples.astype(np.int16) - 128) * 256
    assert np.array_equal(read, expected)


def test_files_and_their_errors(simulation_wav, tmp_path):
    outcome = runtime.encode_file(simulation_wav, tmp_path / "x.mdo")
    assert outcome.output == str(tmp_path / "x.mdo")
    with runtime.open(tmp_path / "x.mdo") as reader:
        assert reader.header.source == "wav"
        assert reader.frames == outcome.samples
    assert runtime.decode_file(tmp_path / "x.mdo").output == str(tmp_path / "x.wav")
    assert (tmp_path / "x.wav").read_bytes() == simulation_wav.read_bytes()
    with pytest.raises(runtime.UsageError):
        runtime.decode_file(tmp_path / "x.mdo")
    with pytest.raises(runtime.UsageError):
        runtime.encode_file(tmp_path / "missing.wav")
    with pytest.raises(runtime.UsageError, match="a coded file already"):
        runtime.encode_file(tmp_path / "x.mdo", tmp_path / "y.mdo")


def test_an_embedded_model_needs_nothing_else(monkeypatch):
    samples = recording()
    data = runtime.encode(samples, 20000, embed_model=True)
    plain = runtime.encode(samples, 20000, model="implant")
    model = reader_module.models.load()
    monkeypatch.setattr(reader_module.models, "available", lambda: [])
    assert np.array_equal(runtime.decode(data)[0], samples)
    with pytest.raises(runtime.ModelError, match=model.identity.hex()):
        runtime.decode(plain)
    assert np.array_equal(runtime.decode(plain, model=model.data)[0], samples)


def test_public_names_exist():
    for name in runtime.__all__:
        assert getattr(runtime, name) is not None
    assert set(dir(runtime)) >= set(runtime.__all__)
    assert runtime.open is runtime.Reader
    with pytest.raises(AttributeError, match="nonsense"):
        _ = runtime.nonsense


def test_importing_the_package_is_cheap_and_never_loads_the_training():
    code = "import sys, runtime; sys.exit(any(m in sys.modules for m in ('numpy', 'onnxruntime', 'rich')))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
    code = (
        "import sys, runtime\nfor name in runtime.__all__: getattr(runtime, name)\n"
        "sys.exit(any(m in sys.modules for m in ('torch', 'training')))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_independence_and_topology_reach_the_codec(simulation_wav, tmp_path, monkeypatch):
    seen, real = [], codings.encode

    def recording_tasks(tasks, model):
        seen.extend((task.independent, task.order) for task in tasks)
        return real(tasks, model)

    monkeypatch.setattr(codings, "encode", recording_tasks)
    known = Topology(["0001", "0000", "else"], [([0, 1, 2], 9000, 1)], {(0, 1): (0.5, 3), (0, 2): (0.5, 1)})
    path = tmp_path / "t.json"
    path.write_text(known.to_json(), encoding="utf-8")
    samples = recording()
    for fields in ({"topology": path}, {"independent": True}):
        packed = runtime.encode(samples, 1, model="implant", **fields)
        assert np.array_equal(runtime.decode(packed)[0], samples)
    runtime.encode(samples[:, 0], 1, topology=known, model="implant")
    (tmp_path / "two.wav").write_bytes(canonical_header(WavFormat(2, 1, 16), 3000) + samples.tobytes())
    runtime.encode_file(tmp_path / "two.wav", topology=known, model="implant")
    (first, given), independent, alone, (third, again) = seen
    assert (first, independent, alone, third) == (False, (True, None), (False, None), False)
    for order in (given, again):
        assert sorted(order.level.tolist()) == [0, 1] and order.correlation.max() == 0.5
    with pytest.raises(runtime.UsageError, match="knows none"):
        runtime.encode(samples, 1, topology=Topology(["a"]), model="implant")
    path.write_text("{}")
    for bad in (path, tmp_path / "missing"):
        with pytest.raises(runtime.UsageError, match=bad.name):
            runtime.encode_file(simulation_wav, topology=bad)


def test_options_are_an_object_or_its_fields(tmp_path):
    samples = recording()
    options = runtime.EncodeOptions(max_error=2, verify=False, model="implant")
    coded = runtime.encode(samples, 20000, options)
    assert coded == runtime.encode(samples, 20000, max_error=2, verify=False, model="implant")
    assert coded != runtime.encode(samples, 20000, options, max_error=1)
    (tmp_path / "x.bin").write_bytes(samples.tobytes())
    runtime.encode_file(tmp_path / "x.bin", options=options, channels=2, sample_rate=20000, folder=tmp_path / "c")
    with runtime.open(tmp_path / "c" / "x.mdo") as reader:
        assert np.array_equal(reader.read(), runtime.decode(coded)[0])
    with pytest.raises(TypeError, match="unknown options: coder, noise"):
        runtime.encode(samples, 20000, noise=1, coder="rice")
    with pytest.raises(TypeError, match="unknown options: channels"):
        runtime.decode_file(tmp_path / "c" / "x.mdo", channels=3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_error": 256}, "255"),
        ({"max_error": 1, "target_rate": 5}, "only one"),
        ({"target_rate": 0}, "above 0"),
        ({"keep": "spindles"}, "spikes"),
        ({"window": (1, 2)}, "go with what to keep"),
        ({"keep": "spikes", "threshold": 0}, "threshold"),
        ({"topology": 5}, "topology"),
    ],
)
def test_options_check_themselves(fields, message):
    with pytest.raises(runtime.UsageError, match=message):
        runtime.EncodeOptions(**fields)


@pytest.mark.parametrize("fields", [{"dtype": "float16"}, {"sample_rate": "x"}, {"layout": "sideways"}])
def test_what_is_said_of_raw_files_checks_itself(fields):
    with pytest.raises(runtime.UsageError):
        runtime.Given(**fields)


CALLED_ALONE = """
import time
import numpy as np
import runtime
samples = np.load("array.npy")
runtime.encode(samples[:100], 30000, layout="time-channel")
before = time.process_time() - time.thread_time()
runtime.encode(samples, 30000, verify=False)
print(time.process_time() - time.thread_time() - before)
"""


@pytest.mark.slow
def test_no_other_thread_works_for_a_joint_encode(root, tmp_path):
    """Neither BLAS's, which would wait for each other on busy cores, nor onnxruntime's."""
    noise = np.random.default_rng(1).normal(0, 100, (6000, 64))
    np.save(tmp_path / "array.npy", np.cumsum(noise + noise.mean(axis=1, keepdims=True) * 8, axis=0).astype(np.int16))
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [sys.executable, "-c", CALLED_ALONE]
    environment["PYTHONPATH"] = str(root)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert float(done.stdout) < 0.1, done.stderr


@pytest.mark.parametrize(
    "fields",
    [
        *({"chunk_frames": value} for value in (float("nan"), float("inf"), [1], 0, 1.5, "9", True, 10**400)),
        *({"chunk_duration": value} for value in (1e307, float("nan"), "1", [1], 0, True)),
        *({"max_error": value} for value in ("abc", float("nan"), [1], 1.5)),
        *({"target_rate": value} for value in ("abc", [1], 0, float("inf"))),
        *({"keep": value} for value in (3, "x", [], [["spikes"]])),
        *({"keep": "spikes", "window": value} for value in (3, (1,), ("a", 1), (1, 101))),
        *({"keep": "spikes", "threshold": value} for value in ("a", float("nan"), 0)),
        {"sha256": "x"},
        {"topology": 3},
        {"topology": "a.json", "independent": True},
    ],
    ids=str,
)
def test_impossible_options_are_usage_errors(fields):
    with pytest.raises(runtime.UsageError):
        runtime.EncodeOptions(**fields)


def test_whole_numbers_may_come_as_floats():
    samples = recording(1300, 1)
    data = runtime.encode(samples, 20000, chunk_frames=1000.0, max_error=np.float32(2))
    assert data == runtime.encode(samples, 20000, chunk_frames=1000, max_error=2)
    data = runtime.encode(samples, 20000, keep="spikes", max_error=3.0)
    assert data == runtime.encode(samples, 20000, keep=("spikes",), max_error=3)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_coded_bytes_of_any_kind_are_opened(kind):
    samples = recording(100)
    assert np.array_equal(runtime.open(kind(runtime.encode(samples, 20000))).read(), samples)


def test_what_can_not_be_opened_or_read():
    for source in (None, 5, ["x.mdo"]):
        with pytest.raises(runtime.UsageError, match="a recording is"):
            runtime.open(source)
    with pytest.raises(FileNotFoundError):
        runtime.open("missing.mdo")
    with pytest.raises(runtime.UsageError, match="'rb'"), open(__file__) as text:
        runtime.open(text)
    for fields in ({"channels": "2"}, {"channels": 0}, {"channels": 1.5}, {"skip": -1}, {"skip": "9"}, {"skip": None}):
        with pytest.raises(runtime.UsageError, match="is a whole number from"):
            runtime.encode_file(__file__, **fields)
    reader = runtime.open(runtime.encode(recording(100), 20000))
    for channels in ([[0, 1]], 2, "0", 0.5, [0, [1]]):
        with pytest.raises(runtime.UsageError):
            reader.read(channels=channels)
    for fields in ({"frames": -5}, {"frames": 1.5}, {"channels": 1.5}, {"channels": None}):
        with pytest.raises(runtime.UsageError):
            runtime.Writer(io.BytesIO(), 20000, **fields)
