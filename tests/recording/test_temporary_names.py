"""Files that killed processes left are removed, and no others."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import runtime
from runtime.recording.outputs import temporary_names
from runtime.recording.outputs.output_file import Output
from runtime.recording.outputs.temporary_names import remove_left_behind, temporary_path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="nothing is removed there")

KILLED = """
import os, signal, sys
from runtime.recording.outputs.output_file import Output
Output(sys.argv[1]).write(b"x")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_next_output_in_a_folder_removes_what_a_killed_process_left(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "a\n.mdo"], timeout=60)
    assert len(os.listdir(tmp_path)) == 1
    mine = Output(str(tmp_path / "b.mdo"))
    with runtime.Writer(tmp_path / "c.mdo", 100) as writer:
        writer.write(np.zeros(10, np.int16))
    mine.commit()
    assert sorted(os.listdir(tmp_path)) == ["b.mdo", "c.mdo"]


def test_the_only_copy_of_a_recording_stays_and_is_named(tmp_path, caplog):
    code = "import os, signal, sys, numpy, runtime\nwith runtime.Writer(sys.argv[1], 100, chunk_frames=50) as writer:\n"
    code += "    writer._file.flush(); writer.write(numpy.arange(200, dtype='i2')); writer._encode(False)\n"
    code += "    writer._file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    subprocess.run([sys.executable, "-c", code, tmp_path / "a.mdo"], timeout=120)
    (left,) = os.listdir(tmp_path)
    runtime.encode_files([_recording(tmp_path / "in")], folder=tmp_path)
    assert left in os.listdir(tmp_path) and left in caplog.text and "salvage" in caplog.text
    saved = runtime.salvage_file(tmp_path / left, tmp_path / "saved.mdo")
    assert saved.damage
    with runtime.Reader(tmp_path / "saved.mdo") as reader:
        assert np.array_equal(reader.read()[:, 0], np.arange(150))


def _recording(folder):
    folder.mkdir()
    np.save(folder / "b.npy", np.zeros((9, 1), np.int16))
    return folder / "b.npy"


def test_files_of_others_stay(tmp_path, monkeypatch):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    own = Path(temporary_path(str(tmp_path / "x")))
    head, process, tail = own.name.split("-")
    names = [own.name, f"{head}-{os.getppid()}-{tail}", f"{head}-1-{tail}", ".x.0123456789ab.tmp", ".x.tmp", "x"]
    names += [f"..{head[-8:]}-{gone.pid}-{tail}"[1:], f"{head[:-8]}00000000-{gone.pid}-{tail}", f"{own.name}.mdo"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / f"{head}-{gone.pid}-{tail}").touch()
    (tmp_path / f"{head}-9999999999-{tail}").touch()
    remove_left_behind(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == sorted(names)


def test_what_cannot_be_removed_is_logged(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(temporary_names, "_is_there", lambda process: False)
    path = Path(temporary_path(str(tmp_path / "x\x1b")))
    path.mkdir()
    with caplog.at_level("INFO", "runtime"):
        remove_left_behind(str(tmp_path))
    assert path.exists() and "\\x1b" in caplog.text and "\x1b" not in caplog.text


@pytest.mark.parametrize("name", ["x" * 251, "\N{GRINNING FACE}" * 62, "\udcff" * 60])
def test_long_names_have_room(tmp_path, name):
    output = Output(str(tmp_path / name))
    output.commit()
    assert os.listdir(tmp_path) == [name]
