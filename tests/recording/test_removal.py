"""`--rm` removes what an output holds, and nothing else."""

import os
import shutil
import wave

import numpy as np
import pytest

from runtime.batch import jobs
from runtime.batch.files import decode_files, encode_files

SAMPLES = np.cumsum(np.random.default_rng(1).integers(-9, 10, (900, 1)), 0).astype("<i2")


def make(folder, kind):
    """Write a recording. Returns its paths and how to encode it."""
    folder.mkdir()
    if kind == "wav":
        with wave.open(str(folder / "a.wav"), "wb") as file:
            file.setparams((1, 2, 1000, 0, "NONE", None))
            file.writeframes(SAMPLES.tobytes())
        return [folder / "a.wav"], {}
    if kind == "raw":
        (folder / "a.raw").write_bytes(SAMPLES.tobytes())
        return [folder / "a.raw"], {"channels": 1}
    if kind == "turned":
        np.save(folder / "a.npy", np.asfortranarray(SAMPLES.reshape(300, 3)))
        return [folder / "a.npy"], {}
    files = [folder / f"{name}.npy" for name in ("abc" if kind == "channel files" else "a")]
    for file in files:
        np.save(file, SAMPLES)
    return files, {"array": True} if kind == "channel files" else {}


def change(path, how):
    """Change a file as another program might."""
    data, status = path.read_bytes(), path.stat()
    if how == "appended":
        path.write_bytes(data + b"\1\0")
    elif how == "in place":
        path.write_bytes(data[:-2] + bytes([data[-2] ^ 1, data[-1]]))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif how == "truncated":
        os.truncate(path, len(data) - 2)
    elif how == "replaced":
        shutil.copy2(path, path.with_suffix(".new"))
        os.replace(path.with_suffix(".new"), path)
    elif how == "deleted":
        path.unlink()


KINDS = ["wav", "npy", "raw", "turned", "channel files"]
CHANGES = ["appended", "in place", "truncated", "replaced", "deleted"]


@pytest.fixture
def changing(monkeypatch):
    """A function that lets a file change once all of it was read and encoded."""
    real = jobs.Job._close

    def arrange(path, how):
        def close(self, *args):
            monkeypatch.setattr(jobs.Job, "_close", real)
            change(path, how)
            return real(self, *args)

        monkeypatch.setattr(jobs.Job, "_close", close)

    return arrange


def restored(coded, folder):
    """Decode a file. Returns contents by name."""
    (outcome,) = decode_files([coded], folder=folder, jobs=1)
    assert outcome.error is None
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", KINDS)
def test_unchanged_inputs_are_removed(tmp_path, kind):
    files, fields = make(tmp_path / "in", kind)
    before = {path.name: path.read_bytes() for path in files}
    (outcome,) = encode_files(files, output=tmp_path / "x.mdo", remove=True, jobs=1, **fields)
    assert outcome.error is None and os.listdir(tmp_path / "in") == []
    suffix = files[0].suffix
    back = restored(tmp_path / "x.mdo", tmp_path / "out")
    assert back == before or {f"x{suffix}": before.get(f"a{suffix}")} == back


@pytest.mark.parametrize("remove", [False, True])
@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("kind", KINDS)
def test_changed_inputs_stay(tmp_path, changing, kind, how, remove):
    files, fields = make(tmp_path / "in", kind)
    before = sorted(path.read_bytes() for path in files)
    changing(files[-1], how)
    (outcome,) = encode_files(files, output=tmp_path / "x.mdo", remove=remove, jobs=1, **fields)
    unseen = how == "deleted" and (len(files) == 1 or not remove) or how == "in place" and not remove
    if unseen:
        assert outcome.error is None
    else:
        assert outcome.error.exit_code == 1 and "changed after it was read" in str(outcome.error)
        assert f"{tmp_path / 'x.mdo'} was written, and holds it as it was read" in str(outcome.error)
        assert ("it was not removed" in str(outcome.error)) == remove
    left = len(files) - (how == "deleted")
    assert len(os.listdir(tmp_path / "in")) == left
    assert sorted(restored(tmp_path / "x.mdo", tmp_path / "out").values()) == before


@pytest.mark.parametrize("how", CHANGES)
def test_changed_coded_files_stay(tmp_path, changing, how):
    files, fields = make(tmp_path / "in", "wav")
    coded = tmp_path / "x.mdo"
    encode_files(files, output=coded, jobs=1, **fields)
    changing(coded, how)
    (outcome,) = decode_files([coded], folder=tmp_path / "out", remove=True, jobs=1)
    if how == "deleted":
        assert outcome.error is None
    else:
        assert "it was not removed" in str(outcome.error) and coded.exists()
    assert (tmp_path / "out" / "x.wav").read_bytes() == files[0].read_bytes()


def test_a_change_during_the_second_reading_is_noticed(tmp_path, monkeypatch):
    files, _ = make(tmp_path / "in", "wav")
    real = jobs.file_digest

    def late(*args):
        found = real(*args)
        change(files[0], "appended")
        return found

    monkeypatch.setattr(jobs, "file_digest", late)
    (outcome,) = encode_files(files, output=tmp_path / "x.mdo", remove=True, jobs=1)
    assert "it was not removed" in str(outcome.error) and files[0].exists()
