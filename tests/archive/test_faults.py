"""The n-th call of the system fails, for every n: never a wrong or half output, never a lost input, typed errors."""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil

import numpy as np
import pytest

import runtime
from runtime.cli.main import main
from runtime.core.errors import MiddleoutError
from runtime.recording import input_file
from runtime.recording.outputs import output_file

SAMPLES = np.cumsum(np.random.default_rng(0).integers(-9, 10, (3000, 2)), axis=0).astype(np.int16)
KINDS = ("no space", "broken disk", "short")


class Faults:
    """Count calls, and let one of them fail: with ENOSPC, with EIO, or by writing and reading a part only.

    number : of the call that fails
    kind : one of `KINDS`
    """

    def __init__(self, number: int, kind: str) -> None:
        self.number, self.kind, self.calls = number, kind, 0

    @property
    def reached(self) -> bool:
        return self.calls >= self.number

    def count(self, short: bool = False) -> bool:
        """Count a call; raise if it fails, or tell that it is to do a part of its work."""
        self.calls += 1
        if self.calls != self.number:
            return False
        if short and self.kind == "short":
            return True
        code = errno.EIO if self.kind == "broken disk" else errno.ENOSPC
        raise OSError(code, os.strerror(code))

    def wrapped(self, call):
        """Return a function that counts as one call."""

        def run(*arguments, **options):
            self.count()
            return call(*arguments, **options)

        return run


def opened(faults, path, mode="r", **options):
    """Open a file whose reads and writes are counted."""
    if "b" not in mode:
        return builtins.open(path, mode, **options)

    class Raw(io.FileIO):
        def readinto(self, buffer):
            part = memoryview(buffer)
            return super().readinto(part[: max(1, len(part) // 2)] if faults.count(short=True) else part)

        def write(self, data):
            part = memoryview(data)
            return super().write(part[: max(1, len(part) // 2)] if faults.count(short=True) else part)

    raw = Raw(path, mode.replace("b", ""))
    if "+" in mode:
        return io.BufferedRandom(raw)
    return io.BufferedReader(raw) if "r" in mode else io.BufferedWriter(raw)


@pytest.fixture
def failing(monkeypatch):
    """Let the n-th call fail in a `with`."""

    class Failing:
        def __init__(self, number, kind):
            self.faults, self.patch = Faults(number, kind), pytest.MonkeyPatch()

        def __enter__(self):
            for module in (input_file, output_file):
                self.patch.setattr(module, "open", lambda *a, **o: opened(self.faults, *a, **o), raising=False)
            for name in ("fsync", "link", "replace"):
                self.patch.setattr(os, name, self.faults.wrapped(getattr(os, name)))
            return self.faults

        def __exit__(self, *_):
            self.patch.undo()

    return Failing


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with a recording and its coded form."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "a.raw").write_bytes(SAMPLES.tobytes())
    runtime.encode_file(folder / "a.raw", folder / "a.mdo", channels=2, chunk_frames=1000)
    return folder


def encode(folder):
    runtime.encode_file(folder / "a.raw", folder / "b.mdo", channels=2, remove=True, jobs=1)


def decode(folder):
    runtime.decode_file(folder / "a.mdo", folder / "b.raw", remove=True, jobs=1)


def write(folder):
    with runtime.Writer(folder / "b.mdo", 0, 2, suffix=".raw") as writer:
        writer.write(SAMPLES)


def append(folder):
    with runtime.append(folder / "a.mdo") as writer:
        writer.write(SAMPLES)


def salvage(folder):
    runtime.salvage_file(folder / "a.mdo", folder / "b.raw", jobs=1)


def samples_in(path):
    """The samples of a complete file, coded or not; None where there is none."""
    if not path.exists():
        return None
    return runtime.decode(path.read_bytes())[0] if path.suffix == ".mdo" else np.fromfile(path, "<i2").reshape(-1, 2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("work", [encode, decode, write, append, salvage], ids=lambda work: work.__name__)
def test_whatever_call_fails_nothing_is_lost(work, kind, failing, inputs, tmp_path):
    folder, number, failed = tmp_path / "work", 0, True
    while failed:
        number += 1
        assert number < 200
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(inputs, folder)
        error = None
        with failing(number, kind) as faults:
            try:
                work(folder)
            except MiddleoutError as found:
                error = found
            except OSError as found:
                assert work in (write, append), found  # of the caller's own file, as from `open`
                error = found
        failed = faults.reached
        check(folder, work, error)
    assert number > 5, "nothing has failed"


def check(folder, work, error):
    """Check what is in the folder after a piece of work."""
    made = [one for one in (samples_in(folder / "b.mdo"), samples_in(folder / "b.raw")) if one is not None]
    for one in made:
        assert np.array_equal(one, SAMPLES), "a wrong output"
    appended = samples_in(folder / "a.mdo")
    if work is append:
        assert len(appended) in (3000, 6000) and np.array_equal(appended[-3000:], SAMPLES)
        assert error is not None or len(appended) == 6000
        return
    assert error is not None or made, "no output, and no error"
    removed = {encode: "a.raw", decode: "a.mdo"}.get(work)
    for name in ("a.raw", "a.mdo"):
        assert (folder / name).exists() or (name == removed and made), "an input is lost"
    left = {path.suffix for path in folder.glob(".*.*-*-*.*")}
    assert left <= ({".part"} if work is write and error is not None else set()), "a part of an output is left"


def test_whatever_call_fails_an_archive_says_so(failing, tmp_path):
    source, number, failed = tmp_path / "in", 0, True
    source.mkdir()
    (source / "a.raw").write_bytes(SAMPLES.tobytes())
    (source / "b.txt").write_bytes(b"notes")
    while failed:
        number += 1
        assert number < 200
        target, back = tmp_path / f"{number}", tmp_path / f"{number}-back"
        with failing(number, "no space") as faults:
            code = main(["encode", "-q", "-r", str(source), "-d", str(target), "--channels", "2", "--jobs", "1"])
        failed = faults.reached
        assert (source / "a.raw").exists() and (source / "b.txt").exists()
        if code == 0:
            assert main(["decode", "-q", "-r", str(target), "-d", str(back)]) == 0
            assert (back / "a.raw").read_bytes() == SAMPLES.tobytes() and (back / "b.txt").read_bytes() == b"notes"
        else:
            assert failed
        shutil.rmtree(target, ignore_errors=True)
