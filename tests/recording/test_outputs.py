"""Outputs: on the disk before they have a name, whole or not there, and never in the place of another file."""

import contextlib
import errno
import io
import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

import runtime
from runtime.batch.files import decode_files, encode_files
from runtime.core.errors import MiddleoutError, UsageError
from runtime.recording.outputs import output_file
from runtime.recording.outputs.output_file import Output, make_folders, publish

ORDER = ("fsync", "posix_fadvise", "link", "replace", "unlink")


@pytest.fixture
def traced(monkeypatch):
    """Calls of functions of `os` in their order, with what each was given: the file's name where it has one."""
    calls = []

    def spy(name, real):
        def call(*args, **kwargs):
            what = args[-1] if name in ("link", "replace") else args[0]
            if isinstance(what, int) and os.path.exists(f"/proc/self/fd/{what}"):
                what = os.readlink(f"/proc/self/fd/{what}")
            calls.append((name, os.path.basename(str(what))))
            return real(*args, **kwargs)

        return call

    for name in ORDER:
        if hasattr(os, name):
            monkeypatch.setattr(os, name, spy(name, getattr(os, name)))
    return calls


def shape(calls):
    """Calls with temporary names replaced."""
    return [(name, "TEMPORARY" if what.endswith((".tmp", ".part")) else what) for name, what in calls]


@pytest.fixture
def channel_files(tmp_path):
    """Paths of three .npy files of one channel each."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / "in" / f"{name}.npy" for name in "abc"]
    paths[0].parent.mkdir()
    for path in paths:
        np.save(path, np.cumsum(rng.integers(-9, 10, 500)).astype(np.int16))
    return paths


@pytest.mark.skipif(sys.platform != "linux", reason="the order of calls is that of Linux")
def test_the_order_of_calls_for_files_and_folders(channel_files, tmp_path, traced):
    out = tmp_path / "out"
    encode_files(channel_files, array=True, output=tmp_path / "x.mdo", remove=True, jobs=1)
    there = [("fsync", "TEMPORARY"), ("posix_fadvise", "TEMPORARY"), ("link", "x.mdo"), ("unlink", "TEMPORARY")]
    assert shape(traced) == [*there, ("fsync", tmp_path.name), *(("unlink", f"{name}.npy") for name in "abc")]
    traced.clear()
    decode_files([tmp_path / "x.mdo"], folder=out, remove=True, jobs=1)
    made = [("fsync", tmp_path.name)]
    settled = [("fsync", "TEMPORARY"), ("posix_fadvise", "TEMPORARY")] * 3
    named = [call for name in "abc" for call in (("link", f"{name}.npy"), ("unlink", "TEMPORARY"))]
    assert shape(traced) == [*made, *settled, *named, ("fsync", "out"), ("unlink", "x.mdo")]
    assert sorted(os.listdir(out)) == ["a.npy", "b.npy", "c.npy"]


@pytest.mark.skipif(sys.platform != "linux", reason="the order of calls is that of Linux")
def test_the_order_of_calls_of_a_writer_and_with_force(tmp_path, traced):
    (tmp_path / "x.mdo").write_bytes(b"old")
    with runtime.Writer(tmp_path / "x.mdo", 100, force=True) as writer:
        writer.write(np.zeros(10, np.int16))
    there = [("fsync", "TEMPORARY"), ("posix_fadvise", "TEMPORARY"), ("replace", "x.mdo")]
    assert shape(traced) == [*there, ("fsync", tmp_path.name)]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_order_of_system_calls(simulation_wav, tmp_path):
    (tmp_path / "a.wav").write_bytes(simulation_wav.read_bytes())
    command = ["strace", "-f", "-y", "-o", tmp_path / "trace", "-e", "trace=fsync,link,unlink,rename"]
    command += [sys.executable, "-B", "-m", "runtime", "encode", "--rm", "-q", tmp_path / "a.wav"]
    subprocess.run(command, check=True, timeout=120)
    lines = [line for line in (tmp_path / "trace").read_text().splitlines() if str(tmp_path) in line]
    wanted = ["fsync(", "link(", "unlink(", "fsync(", "unlink("]
    assert len(lines) == len(wanted) and all(call in line for call, line in zip(wanted, lines))
    assert ".tmp>" in lines[0] and f"{tmp_path}>" in lines[3] and "a.wav" in lines[4]


@pytest.mark.parametrize("links", [True, False])
def test_of_many_writers_exactly_one_wins(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    results, barrier = [], threading.Barrier(8)

    def write(number):
        output = Output(str(tmp_path / "x"))
        output.write(b"%d" % number)
        barrier.wait()
        try:
            output.commit()
            results.append(number)
        except UsageError as error:
            assert "exists" in str(error)
            output.abort()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 1 and (tmp_path / "x").read_bytes() == b"%d" % results[0]
    assert os.listdir(tmp_path) == ["x"]


def no_links(*_):
    raise OSError(errno.ENOTSUP, "no links here")


def test_a_failed_rename_without_links_leaves_no_empty_file(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(os, "replace", no_links)
    output = Output(str(tmp_path / "x"))
    with pytest.raises(OSError):
        output.commit()
    output.abort()
    assert os.listdir(tmp_path) == []


def test_files_get_their_names_together_or_not_at_all(tmp_path):
    outputs = [Output(str(tmp_path / name)) for name in "abc"]
    for output in outputs:
        output.append(b"new")
        output.settle()
    (tmp_path / "c").write_bytes(b"old")
    with pytest.raises(UsageError, match="exists"):
        publish(outputs)
    for output in outputs:
        output.abort()
    assert os.listdir(tmp_path) == ["c"] and (tmp_path / "c").read_bytes() == b"old"


def test_what_the_disk_holds_is_compared_with_what_was_written(tmp_path):
    output = Output(str(tmp_path / "x"))
    output.write(b"abc")
    output.write(b"def")
    output.write(b"xyz", 9)
    output.write(b"ghi", 6)
    output.settle()
    output.check()
    for place in (0, 5, 6, 11):
        output.file.seek(place)
        output.file.write(b"!")
        with pytest.raises(MiddleoutError, match="not what the disk holds"):
            output.commit(check=Output.check)
        output.file.seek(place)
        output.file.write(b"abcdefghixyz"[place : place + 1])
    output.file.truncate(11)
    with pytest.raises(MiddleoutError, match="not what the disk holds"):
        output.commit(check=Output.check)
    output.abort()
    assert os.listdir(tmp_path) == []


def test_an_input_stays_where_the_disk_holds_something_else(channel_files, tmp_path, monkeypatch):
    encode_files(channel_files, array=True, output=tmp_path / "x.mdo", jobs=1)
    real = Output.settle

    def spoils(self, *args):
        real(self, *args)
        self.file.seek(100)
        self.file.write(b"\xaa\x55")
        self.file.flush()

    monkeypatch.setattr(Output, "settle", spoils)
    (outcome,) = encode_files(channel_files[:1], remove=True, jobs=1)
    assert isinstance(outcome.error, MiddleoutError) and channel_files[0].exists()
    (outcome,) = decode_files([tmp_path / "x.mdo"], folder=tmp_path / "out", remove=True, jobs=1)
    assert "not what the disk holds" in str(outcome.error) and os.listdir(tmp_path / "out") == []
    with pytest.raises(MiddleoutError), runtime.Writer(tmp_path / "w.mdo", 100) as writer:
        writer.write(np.arange(99, dtype=np.int16))
    left = sorted(os.listdir(tmp_path))
    assert left[0].startswith(".w.mdo.") and left[1:] == ["in", "out", "x.mdo"]  # what a writer wrote may be salvaged


def test_a_folder_that_cannot_be_synced_keeps_the_input(channel_files, monkeypatch):
    def fails(folder):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(output_file, "_sync_folder", fails)
    (outcome,) = encode_files(channel_files[:1], remove=True, jobs=1)
    assert "Input/output error" in str(outcome.error) and channel_files[0].exists()


def test_permissions_and_times_that_a_file_system_refuses_do_no_harm(channel_files, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "chmod", no_links)
    (outcome,) = encode_files(channel_files[:1], output=tmp_path / "x.mdo", jobs=1)
    assert outcome.error is None


def test_folders_are_made_and_synced(tmp_path, traced):
    make_folders(str(tmp_path / "a" / "b"))
    make_folders(str(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b").is_dir()
    assert traced == [("fsync", tmp_path.name), ("fsync", "a")] or sys.platform != "linux"


def test_standard_output_of_text_matters_only_where_it_is_the_output(channel_files, tmp_path):
    with contextlib.redirect_stdout(io.StringIO()):
        runtime.encode_file(channel_files[0], tmp_path / "x.mdo")
        with pytest.raises(runtime.UsageError, match="no standard output for bytes"):
            runtime.encode_file(channel_files[0], "-")
        with pytest.raises(runtime.UsageError, match="exists"):
            runtime.encode_file(channel_files[0], tmp_path / "x.mdo")
    assert sorted(os.listdir(tmp_path / "in")) == [path.name for path in channel_files]
