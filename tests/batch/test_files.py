"""Files through the pipeline: byte for byte, whatever else goes wrong beside them."""

import os
import struct
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from file_calls import two_of_one_name

import runtime
from runtime.batch import coders, codings, jobs, pipeline
from runtime.batch.chunking import ChunkLength
from runtime.batch.files import decode_files, encode_files, verify_files
from runtime.core import limits
from runtime.core.errors import (
    CorruptError,
    MiddleoutError,
    ModelError,
    UsageError,
    as_error,
)
from runtime.recording.outputs import paths
from runtime.recording.wav import WavFormat, canonical_header

pytestmark = pytest.mark.slow

RANDOM = np.random.default_rng(3)


def write_wav(path, samples, rate=20000, width=2):
    samples = np.asarray(samples)
    samples = samples.reshape(len(samples), -1) if samples.size else samples
    with wave.open(str(path), "wb") as file:
        file.setparams((samples.shape[1], width, rate, 0, "NONE", None))
        file.writeframes(samples.astype("<i2" if width == 2 else np.uint8).tobytes())
    return path


def recordings():
    """Names and samples of recordings of every kind."""
    t = np.arange(3000)
    audio = np.rint(9000 * np.sin(t / 20) + 300 * RANDOM.standard_normal(3000))
    walk = np.cumsum(RANDOM.integers(-40, 41, (2000, 5)), 0)
    return {
        "audio": (audio, 2),
        "silence": (np.zeros(3000), 2),
        "square": (np.where(t // 50 % 2, 32767, -32768), 2),
        "random": (RANDOM.integers(-32768, 32768, 3000), 2),
        "channels": (walk, 2),
        "bytes": (128 + 20 * np.sin(t / 30), 1),
        "random bytes": (RANDOM.integers(0, 256, (3000, 2)), 1),
        "one sample": ([5], 2),
        "empty": (np.zeros((0, 1)), 2),
        "wide": (RANDOM.integers(-9, 9, (3, 300)), 2),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory, simulation_wav):
    """WAV files of every kind."""
    folder = tmp_path_factory.mktemp("wavs")
    for number, (name, (samples, width)) in enumerate(recordings().items()):
        path = write_wav(folder / f"{name}.wav", samples, width=width)
        os.utime(path, ns=(10**18, 10**18 + number))
    (folder / "neural.wav").write_bytes(simulation_wav.read_bytes())
    odd = (folder / "channels.wav").read_bytes()
    (folder / "tail.WAVE").write_bytes(odd + b"LIST\3\0\0\0abc\0" + b"tail" * 99)
    (folder / "cut.x.wav").write_bytes(odd[:-3])
    (folder / "suffixless").write_bytes(odd)
    return folder


cut = ChunkLength.cut


def all_good(outcomes):
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    return outcomes


def test_all_kinds_of_files_come_back_with_name_and_time(folder, tmp_path):
    files = sorted(folder.iterdir())
    encoded = all_good(encode_files(files, folder=tmp_path / "coded", jobs=1))
    assert sorted(os.listdir(tmp_path / "coded")) == sorted(f"{paths.split_name(f.name)[0]}.mdo" for f in files)
    all_good(verify_files([outcome.output for outcome in encoded], jobs=1))
    decoded = all_good(decode_files([outcome.output for outcome in encoded], folder=tmp_path / "back", jobs=1))
    for file, there, back in zip(files, encoded, decoded, strict=True):
        restored = tmp_path / "back" / file.name
        assert restored.read_bytes() == file.read_bytes()
        assert restored.stat().st_mtime_ns == file.stat().st_mtime_ns
        assert there.original_bytes == back.original_bytes == file.stat().st_size
        assert there.coded_bytes == back.coded_bytes == os.path.getsize(there.output)
        assert there.samples == back.samples
        assert there.coded_bytes <= there.original_bytes + 128 + 16
    assert not [name for name in os.listdir(tmp_path / "back") if name.endswith(".tmp")]


def test_chunks_and_batches_of_any_size_give_the_same_files(folder, tmp_path, monkeypatch):
    files = sorted(folder.iterdir())
    whole = all_good(encode_files(files, folder=tmp_path / "whole", jobs=1))
    monkeypatch.setattr(pipeline, "BATCH_SAMPLES", 5000)
    batched = all_good(encode_files(files, folder=tmp_path / "batched", jobs=1))
    for one, other in zip(whole, batched, strict=True):
        assert Path(one.output).read_bytes() == Path(other.output).read_bytes()
    monkeypatch.setattr("runtime.batch.chunking.CHUNK_FRAMES", 700)
    chunked = all_good(encode_files(files, folder=tmp_path / "chunked", jobs=1))
    all_good(decode_files([outcome.output for outcome in chunked], folder=tmp_path / "back", jobs=1))
    for file in files:
        assert (tmp_path / "back" / file.name).read_bytes() == file.read_bytes()


def test_stored_chunks_cost_little(tmp_path, monkeypatch):
    monkeypatch.setattr("runtime.batch.chunking.CHUNK_FRAMES", 100)
    for channels, width in ((1, 2), (3, 2), (2, 1)):
        low, high = (0, 256) if width == 1 else (-32768, 32768)
        file = write_wav(tmp_path / "random.wav", RANDOM.integers(low, high, (5000, channels)), width=width)
        (outcome,) = all_good(encode_files([file], force=True, jobs=1))
        assert outcome.coded_bytes <= outcome.original_bytes + 128 + 16 * 50


def test_one_bad_file_does_not_stop_the_others(folder, tmp_path):
    good = folder / "audio.wav"
    (tmp_path / "coded.wav").write_bytes(b"\x8fMDO\1")
    inputs = [good, tmp_path / "coded.wav", tmp_path / "missing.wav", tmp_path, folder / "channels.wav"]
    reported = []
    outcomes = encode_files(inputs, folder=tmp_path / "out", jobs=1, done=reported.append)
    kinds = [type(outcome.error) for outcome in outcomes]
    assert kinds == [type(None), UsageError, UsageError, UsageError, type(None)]
    assert sorted(map(id, reported)) == sorted(map(id, outcomes))
    assert sorted(os.listdir(tmp_path / "out")) == ["audio.mdo", "channels.mdo"]


def test_one_damaged_chunk_fails_its_own_file_only(folder, tmp_path, monkeypatch):
    names = ["audio", "channels", "random", "neural"]
    coded = all_good(encode_files([folder / f"{name}.wav" for name in names], folder=tmp_path, jobs=1))
    real = codings.decode

    def picky(tasks, *rest):
        if any(len(task.payload) == 2 * 3000 + 5 for task in tasks):
            raise CorruptError("bad chunk")
        return real(tasks, *rest)

    monkeypatch.setattr(codings, "decode", picky)
    outcomes = decode_files([outcome.output for outcome in coded], folder=tmp_path / "back", jobs=1)
    assert [outcome.error is None for outcome in outcomes] == [True, True, False, True]
    assert sorted(os.listdir(tmp_path / "back")) == ["audio.wav", "channels.wav", "neural.wav"]


def test_verification_catches_a_wrong_coder(folder, tmp_path, monkeypatch):
    real = codings.encode

    def careless(tasks, model):
        wrong = [task.samples ^ (np.arange(len(task.samples)) == 7)[:, None] for task in tasks]
        return real([replace(task, samples=samples) for task, samples in zip(tasks, wrong, strict=True)], model)

    monkeypatch.setattr(codings, "encode", careless)
    (outcome,) = encode_files([folder / "audio.wav"], folder=tmp_path, remove=True, jobs=1)
    assert "verification failed" in str(outcome.error)
    assert os.listdir(tmp_path) == []
    assert (folder / "audio.wav").exists()
    all_good(encode_files([folder / "audio.wav"], folder=tmp_path, verify=False, jobs=1))


def test_nothing_is_overwritten_unless_forced(folder, tmp_path):
    (tmp_path / "audio.mdo").write_bytes(b"precious")
    (outcome,) = encode_files([folder / "audio.wav"], folder=tmp_path, jobs=1)
    assert isinstance(outcome.error, UsageError) and "-f" in str(outcome.error)
    assert (tmp_path / "audio.mdo").read_bytes() == b"precious"
    all_good(encode_files([folder / "audio.wav"], folder=tmp_path, force=True, jobs=1))
    (tmp_path / "audio.wav").write_bytes(b"precious")
    (outcome,) = decode_files([tmp_path / "audio.mdo"], jobs=1)
    assert isinstance(outcome.error, UsageError)
    assert (tmp_path / "audio.wav").read_bytes() == b"precious"


def test_no_two_inputs_go_to_one_output(folder, tmp_path):
    (tmp_path / "audio.wav").write_bytes((folder / "audio.wav").read_bytes())
    first, second = encode_files([folder / "audio.wav", tmp_path / "audio.wav"], folder=tmp_path, force=True, jobs=1)
    assert first.error is None
    assert isinstance(second.error, UsageError)
    assert (tmp_path / "audio.mdo").stat().st_mtime_ns == (folder / "audio.wav").stat().st_mtime_ns


def test_a_file_is_not_its_own_output(folder, tmp_path):
    path = tmp_path / "x.mdo"
    path.write_bytes((folder / "audio.wav").read_bytes())
    (outcome,) = encode_files([path], force=True, jobs=1)
    assert isinstance(outcome.error, UsageError)
    assert path.read_bytes() == (folder / "audio.wav").read_bytes()


def test_inputs_are_removed_only_when_all_went_well(folder, tmp_path):
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    good.write_bytes((folder / "audio.wav").read_bytes())
    bad.write_bytes(b"\x8fMDO\1")  # coded already
    encode_files([good, bad], remove=True, jobs=1)
    assert sorted(os.listdir(tmp_path)) == ["bad.wav", "good.mdo"]
    damaged = bytearray((tmp_path / "good.mdo").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "bad.mdo").write_bytes(damaged)
    decode_files([tmp_path / "good.mdo", tmp_path / "bad.mdo"], remove=True, jobs=1)
    assert sorted(os.listdir(tmp_path)) == ["bad.mdo", "bad.wav", "good.wav"]


def test_an_interrupt_leaves_nothing_behind(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("runtime.batch.chunking.CHUNK_FRAMES", 700)
    monkeypatch.setattr(pipeline, "BATCH_SAMPLES", 700)
    real, calls = codings.encode, []

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) == 3:
            assert [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(codings, "encode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        encode_files([folder / "audio.wav"], folder=tmp_path, jobs=1)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_an_error_of_one_file(folder, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(jobs.BlockWriter, "chunk", full)
    outcomes = encode_files([folder / "audio.wav", folder / "empty.wav"], folder=tmp_path, jobs=1)
    assert isinstance(outcomes[0].error, MiddleoutError) and "No space left" in str(outcomes[0].error)
    assert outcomes[0].error.exit_code == 1
    assert os.listdir(tmp_path) == ["empty.mdo"]


def test_another_model_is_refused_and_an_embedded_one_used(folder, tmp_path, monkeypatch):
    (plain,) = all_good(encode_files([folder / "audio.wav"], output=tmp_path / "plain.mdo", model="implant", jobs=1))
    (whole,) = all_good(encode_files([folder / "audio.wav"], output=tmp_path / "whole.mdo", embed_model=True, jobs=1))
    model = coders.model.load()
    monkeypatch.setattr(coders.model, "available", lambda: [])
    assert all_good(verify_files([whole.output], jobs=1))
    (outcome,) = verify_files([plain.output], jobs=1)
    assert isinstance(outcome.error, ModelError)
    assert model.identity.hex() in str(outcome.error) and "--model PATH" in str(outcome.error)
    assert all_good(verify_files([plain.output], model=model.data, jobs=1))

    class Other:
        identity, data = bytes(16), b"other"

    monkeypatch.setattr(coders.model, "load", lambda source: Other)
    (outcome,) = verify_files([plain.output], model="other", jobs=1)
    assert isinstance(outcome.error, ModelError)
    assert bytes(16).hex() in str(outcome.error)


def usual(channels):
    return ChunkLength.of(runtime.EncodeOptions(), channels, 0)


@pytest.mark.parametrize("channels", [1, 3, 1024])
def test_chunks_are_nearly_equal_and_within_limits(channels):
    most = limits.CHUNK_SAMPLES // channels
    for frames in (0, 1, limits.CHUNK_FRAMES, limits.CHUNK_FRAMES * 5 // 4, limits.CHUNK_FRAMES * 5 // 4 + 1, 10**7):
        lengths = usual(channels).plan(frames)
        assert sum(lengths) == frames
        if lengths:
            assert max(lengths) - min(lengths) <= 1
            assert 1 <= max(lengths) <= min(limits.CHUNK_FRAMES * 5 // 4, most)
    assert len(usual(1).plan(limits.CHUNK_FRAMES)) == 1
    assert len(usual(1).plan(limits.CHUNK_FRAMES * 10)) == 10


@pytest.mark.parametrize("frames", [0, 1, 100, 124, 125, 126, 250, 999])
def test_unknown_lengths_are_cut_without_tiny_chunks(frames, monkeypatch):
    monkeypatch.setattr("runtime.batch.chunking.CHUNK_FRAMES", 100)
    samples = np.arange(frames, dtype=np.int16)[:, None]
    left = [samples]

    def read(count):
        part, left[0] = left[0][:count], left[0][count:]
        return part

    parts = list(usual(1).cut(read, None))
    assert frames == 0 or np.array_equal(np.concatenate(parts), samples)
    assert all(25 <= len(part) <= 125 or len(parts) == 1 for part in parts)


def test_names():
    assert paths.split_name("a/b.c.wav") == ("b.c", ".wav")
    assert paths.split_name(".wav") == (".wav", "")
    assert paths.split_name("x." + "y" * 40) == ("x." + "y" * 40, "")
    assert paths.coded_name("a/b.wav") == "b.mdo"
    assert paths.original_name("a/b.mdo", ".wav") == "b.wav"
    for name in ("b.wav", ".mdo"):
        with pytest.raises(UsageError, match="-o"):
            paths.original_name(name, ".wav")


def test_devices_and_pipes_are_written_to_and_not_replaced(folder, tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    (outcome,) = all_good(encode_files([folder / "audio.wav"], output=os.devnull, force=True, jobs=1))
    assert outcome.coded_bytes > 100
    assert not os.path.isfile(os.devnull)


def test_links_stay_links(folder, tmp_path):
    (tmp_path / "real").mkdir()
    try:
        os.symlink(tmp_path / "real" / "x.mdo", tmp_path / "x.mdo")
    except OSError:
        pytest.skip("no links here")
    encode_files([folder / "audio.wav"], output=tmp_path / "x.mdo", force=True, jobs=1)
    assert (tmp_path / "x.mdo").is_symlink()
    assert (tmp_path / "real" / "x.mdo").stat().st_size > 100


def test_a_file_that_changes_meanwhile_is_refused(folder, tmp_path, monkeypatch):
    path = tmp_path / "grows.wav"
    path.write_bytes((folder / "audio.wav").read_bytes())

    def growing(self, read, frames):
        yield from cut(self, read, frames)
        with open(path, "ab") as file:
            file.write(struct.pack("<h", 1))

    monkeypatch.setattr(ChunkLength, "cut", growing)
    (outcome,) = encode_files([path], jobs=1)
    assert "changed while it was read" in str(outcome.error)
    assert os.listdir(tmp_path) == ["grows.wav"]


def test_outputs_are_on_the_disk_before_inputs_go(folder, tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    path.write_bytes((folder / "audio.wav").read_bytes())
    calls = []
    for name in ("fsync", "link", "unlink"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, name=name, real=real: (calls.append(name), real(*args))[1])
    all_good(encode_files([path], remove=True, jobs=1))
    assert calls == ["fsync", "link", "unlink", "fsync", "unlink"]
    assert os.listdir(tmp_path) == ["a.mdo"]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_replaced(folder, tmp_path, monkeypatch, links):
    real = jobs.Encoding.end

    def late(self, *more):
        (tmp_path / "audio.mdo").write_bytes(b"precious")
        return real(self, *more)

    monkeypatch.setattr(jobs.Encoding, "end", late)
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(95, "no links here")))
    (outcome,) = encode_files([folder / "audio.wav"], folder=tmp_path, jobs=1)
    assert isinstance(outcome.error, UsageError) and "exists" in str(outcome.error)
    assert (tmp_path / "audio.mdo").read_bytes() == b"precious" and os.listdir(tmp_path) == ["audio.mdo"]
    monkeypatch.setattr(jobs.Encoding, "end", real)
    all_good(encode_files([folder / "audio.wav"], folder=tmp_path / "new", jobs=1))
    assert os.listdir(tmp_path / "new") == ["audio.mdo"]


def changes(path, kind):
    """Change a file as somebody else might."""
    data = path.read_bytes()
    if kind == "replaced":
        path.with_suffix(".new").write_bytes(data)
        os.replace(path.with_suffix(".new"), path)
    elif kind == "deleted":
        path.unlink()
    elif kind == "cut":
        os.truncate(path, len(data) // 2)
    else:
        path.write_bytes(data + b"\1\0" if kind == "grown" else data[:-1] + b"\7")
        os.utime(path, ns=(5, 5))


@pytest.mark.parametrize("kind", ["grown", "written", "cut", "replaced", "deleted"])
@pytest.mark.parametrize("remove", [False, True])
def test_an_input_that_changes_while_it_is_read_is_an_error(folder, tmp_path, monkeypatch, kind, remove):
    path = tmp_path / "a.wav"
    path.write_bytes((folder / "audio.wav").read_bytes())

    def changing(self, read, frames):
        yield from cut(self, read, frames)
        changes(path, kind)

    monkeypatch.setattr(ChunkLength, "cut", changing)
    (outcome,) = encode_files([path], remove=remove, jobs=1)
    if kind == "deleted":
        assert outcome.error is None and os.listdir(tmp_path) == ["a.mdo"]
    else:
        assert "changed while it was read" in str(outcome.error) and outcome.error.exit_code == 1
        assert os.listdir(tmp_path) == ["a.wav"]


@pytest.mark.parametrize("kind", ["grown", "written", "cut", "replaced", "deleted"])
def test_an_input_is_removed_only_as_it_was_read(folder, tmp_path, monkeypatch, kind):
    path = tmp_path / "a.wav"
    path.write_bytes((folder / "audio.wav").read_bytes())
    real = jobs.Encoding.end

    def late(self, *more):
        changes(path, kind)
        return real(self, *more)

    monkeypatch.setattr(jobs.Encoding, "end", late)
    (outcome,) = encode_files([path], remove=True, jobs=1)
    if kind == "deleted":
        assert outcome.error is None and os.listdir(tmp_path) == ["a.mdo"]
    else:
        assert "it was not removed" in str(outcome.error) and outcome.error.exit_code == 1
        assert sorted(os.listdir(tmp_path)) == ["a.mdo", "a.wav"]
    (back,) = all_good(decode_files([tmp_path / "a.mdo"], folder=tmp_path / "back", jobs=1))
    assert Path(back.output).read_bytes() == (folder / "audio.wav").read_bytes()


@pytest.mark.parametrize("error", [KeyError("descr"), ValueError("x"), MemoryError(), SyntaxError("x"), OSError()])
@pytest.mark.parametrize("where", ["reading", "coding", "writing"])
def test_no_error_of_one_file_stops_the_others(folder, tmp_path, monkeypatch, error, where):
    def fails(*_, **__):
        raise error

    if where == "reading":
        monkeypatch.setattr(ChunkLength, "cut", lambda *parts: (fails if parts[2] == 2000 else cut)(*parts))
    else:
        home, name = (jobs.BlockWriter, "chunk") if where == "writing" else (coders.Encoder, "run")
        monkeypatch.setattr(home, name, fails)
    outcomes = encode_files([folder / "channels.wav", folder / "empty.wav"], folder=tmp_path, jobs=1)
    assert isinstance(outcomes[0].error, MiddleoutError) and outcomes[1].error is None
    assert os.listdir(tmp_path) == ["empty.mdo"]


def test_errors_of_onnxruntime_are_model_errors():
    kind = type("Fail", (Exception,), {"__module__": "onnxruntime.capi.onnxruntime_pybind11_state"})
    assert isinstance(as_error(kind("x")), ModelError) and as_error(kind("x")).__cause__ is not None


def test_what_was_done_before_keeps_its_output_to_itself(tmp_path):
    paths = two_of_one_name(tmp_path)
    for done in (False, True):
        first, second = encode_files(paths, folder=tmp_path / "out", skip_done=True)
        assert (first.error, first.skipped) == (None, done)
        assert "another input is written" in str(second.error) and not second.skipped


@pytest.mark.parametrize(
    "fields",
    [
        {"chunk_duration": 1},
        {"keep": "spikes"},
        {"target_rate": 5},
        {"max_error": 9},
        {"embed_model": True},
        {"metadata": {"channel_ids": ["a", "b"], "annotations": {"rat": 7}}},
    ],
)
def test_what_is_kept_as_it_is_takes_no_options_of_samples(tmp_path, fields):
    path = tmp_path / "notes.txt"
    path.write_text("left hemisphere")
    (outcome,) = encode_files([path], **fields)
    assert outcome.error is None and outcome.kept
    path.unlink()
    (outcome,) = decode_files([tmp_path / "notes.mdo"])
    assert path.read_text() == "left hemisphere"


def test_options_of_encoding_are_none_of_decoding(tmp_path):
    for fields in ({"skip_done": True}, {"whole": ["x.mdo"]}):
        with pytest.raises(UsageError, match="for encoding"):
            decode_files([tmp_path / "x.mdo"], **fields)


def test_what_was_encoded_otherwise_is_not_done(tmp_path):
    rng = np.random.default_rng(4)
    np.save(tmp_path / "x.npy", rng.normal(0, 90, (3000, 2)).astype(np.int16))
    (tmp_path / "x.wav").write_bytes(canonical_header(WavFormat(1, 20000, 16), 300) + bytes(600))
    for name in ("x.npy", "x.wav"):
        os.utime(tmp_path / name, ns=(10**18, 10**18))
    for fields in ({}, {"max_error": 3}):
        for other in ({}, {"max_error": 3}):
            encode_files([tmp_path / "x.npy"], force=True, **fields)
            (outcome,) = encode_files([tmp_path / "x.npy"], skip_done=True, **other)
            assert outcome.skipped == (fields == other)
            assert outcome.skipped or "exists, but is not this original's" in str(outcome.error)
    (outcome,) = encode_files([tmp_path / "x.wav"], skip_done=True)
    assert not outcome.skipped and "exists" in str(outcome.error)


def test_an_output_and_a_folder_are_refused(tmp_path):
    with pytest.raises(UsageError, match="only one"):
        encode_files([], output="x.mdo", folder=tmp_path)
