"""Folders, lists, shares of files, logs and summaries."""

import builtins
import errno
import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from file_calls import main

from runtime.cli.selection import share
from runtime.recording.wav import WavFormat, canonical_header


@pytest.fixture
def tree(tmp_path):
    """A folder with recordings of the same name in several folders, and other files."""
    samples = (np.cumsum(np.random.default_rng(1).integers(-9, 10, 4000)) * 4).astype("<i2")
    for number, folder in enumerate(("a", "a/b", "c")):
        (tmp_path / "in" / folder).mkdir(parents=True)
        data = canonical_header(WavFormat(1, 20000, 16), 4000 - number) + samples[number:].tobytes()
        (tmp_path / "in" / folder / "x.wav").write_bytes(data)
        (tmp_path / "in" / folder / "notes.txt").write_text("no recording")
        (tmp_path / "in" / folder / "raw.bin").write_bytes(samples.tobytes())
    np.save(tmp_path / "in" / "y.npy", samples)
    return tmp_path / "in"


def files_below(folder, suffix=""):
    return {
        os.path.relpath(os.path.join(above, file), folder)
        for above, _, files in os.walk(folder)
        for file in files
        if file.endswith(suffix)
    }


def test_a_tree_there_and_back(tree, tmp_path):
    assert main("encode", "-q", "-r", tree, "-d", tmp_path / "out") == 0
    names = {f"{folder}/{name}.mdo" for folder in ("a", "a/b", "c") for name in ("x.wav", "notes.txt", "raw.bin")}
    assert files_below(tmp_path / "out") == names | {"y.npy.mdo", "manifest.json"}
    assert main("test", "-q", "-r", tmp_path / "out") == 0
    assert main("decode", "-q", "-r", tmp_path / "out", "-d", tmp_path / "back") == 0
    for name in files_below(tmp_path / "back"):
        assert (tmp_path / "back" / name).read_bytes() == (tree / name).read_bytes()
    assert files_below(tmp_path / "back") == files_below(tree)


def test_raw_files_that_are_kept_are_named(tree, tmp_path, capsys):
    assert main("encode", "-r", tree, "-d", tmp_path / "out") == 0
    told = capsys.readouterr().err
    assert "3 of them, " in told and "raw.bin for one, may be raw samples: --channels N" in told


def test_raw_files_are_taken_where_their_channels_are_said(tree, tmp_path):
    shutil.rmtree(tree / "a")
    (tree / "c" / "x.wav").unlink()
    (tree / "y.npy").unlink()
    assert main("encode", "-q", "-r", tree) == 2
    assert main("encode", "-q", "-r", tree, "--channels", 2) == 0
    assert files_below(tree, ".mdo") == {"c/raw.mdo"}


def test_folders_without_r_are_refused(tree, capsys):
    assert main("encode", tree) == 2
    assert "is a folder" in capsys.readouterr().err


def test_a_list_of_files(tree, tmp_path, capsys):
    (tmp_path / "list").write_text(f"{tree / 'a/x.wav'}\n\n{tree / 'y.npy'}\n")
    assert main("encode", "-q", "--files-from", tmp_path / "list", "-d", tmp_path / "out") == 0
    assert files_below(tmp_path / "out") == {"x.mdo", "y.mdo"}
    assert main("encode", "--files-from", tmp_path / "none") == 2
    assert main("encode", "-q") == 2
    assert "none: No such file" in capsys.readouterr().err


def test_what_is_done_is_left_and_what_is_not_is_made(tree, tmp_path, capsys):
    out = tmp_path / "out"
    assert main("encode", "-q", "-r", tree, "-d", out) == 0
    before = {name: os.stat(out / name).st_ino for name in files_below(out)}
    damaged = (out / "a/x.wav.mdo").read_bytes()
    (out / "a/x.wav.mdo").write_bytes(damaged[:-1])
    (out / "c/x.wav.mdo").unlink()
    assert main("encode", "-r", tree, "-d", out, "--skip-done") == 2  # the damaged one is in the way
    assert "a/x.wav.mdo exists" in capsys.readouterr().err
    assert main("encode", "-f", "-r", tree, "-d", out, "--skip-done", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["files"], facts["skipped"], facts["failed"]) == (10, 9, {})
    assert (out / "a/x.wav.mdo").read_bytes() == damaged
    assert all(os.stat(out / name).st_ino == before[name] for name in ("a/b/x.wav.mdo", "y.npy.mdo"))
    os.utime(tree / "y.npy", (5, 5))  # another version
    assert main("encode", "-q", "-f", "-r", tree, "-d", out, "--skip-done") == 0
    assert os.stat(out / "y.npy.mdo").st_ino != before["y.npy.mdo"]


def test_the_log_tells_of_every_file(tree, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "y.npy.mdo").write_bytes(b"in the way")
    log = tmp_path / "log"
    assert main("encode", "-q", "-r", tree, "-d", tmp_path / "out", "--log", log) != 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(lines) == 10 and sum("error" in line for line in lines) == 1
    for line in lines:
        if "error" not in line:
            data = Path(line["output"]).read_bytes()
            assert line["sha256"] == hashlib.sha256(data).hexdigest() and line["coded_bytes"] == len(data)


@pytest.mark.parametrize("shares", [1, 2, 3, 7])
def test_shares_are_every_file_once_and_alike_in_bytes(shares, tmp_path):
    sizes = [1, 1000, 900, 800, 700, 40, 41, 42, 0, 650]
    paths = []
    for number, size in enumerate(sizes):
        paths.append(str(tmp_path / f"{number}"))
        (tmp_path / f"{number}").write_bytes(bytes(size))
    found = [share(paths, number, shares) for number in range(1, shares + 1)]
    assert sorted(sum(found, [])) == sorted(paths)
    loads = [sum(map(os.path.getsize, own)) for own in found]
    assert max(loads) - min(loads) <= 1000
    assert found == [share(paths[::-1], number, shares) for number in range(1, shares + 1)]


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_impossible_shares(text, tree):
    try:
        code = main("encode", "-q", "-r", tree, "--shard", text)
    except SystemExit as error:
        code = error.code
    assert code == 2


def test_a_folder_of_outputs_is_made_in_one_that_is_there(tree, tmp_path, capsys):
    assert main("encode", "-q", "-r", tree, "-d", tmp_path / "bakcup" / "out") == 2
    assert "there is no folder for" in capsys.readouterr().err and not (tmp_path / "bakcup").exists()
    assert main("encode", "-q", "-r", tree, "-d", tree) == 2
    assert "among their inputs" in capsys.readouterr().err


def test_removing_what_is_coded_with_loss_is_warned_of(tree, capsys):
    assert main("encode", "--rm", "--max-error", 3, tree / "y.npy") == 0
    assert "what is left out of the originals is lost" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["into an archive", "beside"])
def test_folders_and_files_that_cannot_be_read_are_told_of(where, tree, tmp_path, capsys, monkeypatch):
    def refused(real, *unreadable):
        def call(path, *arguments, **more):
            if isinstance(path, (str, os.PathLike)) and os.fspath(path) in unreadable:
                raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
            return real(path, *arguments, **more)

        return call

    folder, file = str(tree / "a"), str(tree / "y.npy")
    monkeypatch.setattr(os, "scandir", refused(os.scandir, folder))
    monkeypatch.setattr(builtins, "open", refused(open, file))
    target = ["-d", tmp_path / "out"] if where == "into an archive" else []
    assert main("encode", "-q", "-r", tree, *target) == 2
    told = capsys.readouterr().err
    assert f"{folder}: Permission denied" in told and f"{file}: Permission denied" in told
    assert len(list(tmp_path.rglob("*.mdo"))) == (3 if target else 1)  # all others
    if target:
        assert main("test", "-q", "-r", tmp_path / "out") == 1
        assert f"{tmp_path / 'out' / 'a.mdo'}: missing from the archive" in capsys.readouterr().err


def test_a_time_that_no_file_can_hold_is_left_out(tmp_path, capsys):
    """The year 2300 is beyond nanoseconds of 64 bits; the manifest of an archive holds it."""
    late = 10_413_792_000 * 10**9
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.wav"
    path.write_bytes(canonical_header(WavFormat(1, 20000, 16), 4000) + bytes(8000))
    os.utime(path, ns=(late, late))
    if path.stat().st_mtime_ns != late:
        pytest.skip("this file system has no such times")
    coded, archive, back = tmp_path / "a.mdo", tmp_path / "archive", tmp_path / "back"
    assert main("encode", path, "-o", coded) == 0
    assert "modification is not kept" in capsys.readouterr().err
    assert main("decode", coded, "-o", back) == 0 and back.read_bytes() == path.read_bytes()
    assert main("encode", path, "-o", coded, "--skip-done") == 2  # whether it is the same file is not known
    assert main("encode", "-r", path.parent, "-d", archive) == 0
    assert main("decode", "-r", archive, "-d", tmp_path / "all") == 0
    assert (tmp_path / "all" / "a.wav").stat().st_mtime_ns == late


@pytest.mark.parametrize("names", [["a.dat"], ["a.dat", "b.dat"], ["a.txt"]], ids=str)
def test_files_that_an_archive_keeps_as_they_are_are_told(names, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in names:
        (tmp_path / "in" / name).write_bytes(np.random.default_rng(0).bytes(4000))
    (tmp_path / "in" / "x.wav").write_bytes(canonical_header(WavFormat(1, 20000, 16), 4000) + bytes(8000))
    assert main("encode", "-r", tmp_path / "in", "-d", tmp_path / "out") == 0
    told = capsys.readouterr().err
    assert told.count("of a known format: kept unchanged, compressed by zstd") == 1
    assert ("1 file is no" if len(names) == 1 else "2 files are no") in told
    assert ("may be raw samples" in told) == (names[0] == "a.dat")
