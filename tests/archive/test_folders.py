"""Whole folders into an archive and back: contents, names, times, permissions, empty folders; damage is found."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from runtime.archive.manifest import Manifest
from runtime.cli.main import main
from runtime.core.errors import CorruptError


@pytest.fixture
def tree(tmp_path):
    """A folder as an acquisition system leaves it."""
    root = tmp_path / "session"
    run, empty = root / "run_g0", root / "empty" / "deep"
    run.mkdir(parents=True), empty.mkdir(parents=True)
    samples = np.random.default_rng(1).integers(-300, 300, (3000, 4)).astype("<i2")
    (run / "run.bin").write_bytes(samples.tobytes())
    (run / "run.meta").write_text("nSavedChans=4\nimSampRate=30000.25\nfileSizeBytes=24000\ntypeThis=imec\n")
    for name in "AB":
        (root / name).mkdir()
        (root / name / "continuous.dat").write_bytes(samples[:500].tobytes())
    np.save(root / "stamps.npy", np.arange(10**9, 10**9 + 5000))
    np.save(root / "samples.npy", samples.T)
    (root / "notes µ.txt").write_text("left hemisphere\n" * 40)
    (root / "nothing").touch(mode=0o600)
    for at, path in enumerate(sorted(root.rglob("*"), reverse=True)):
        os.utime(path, ns=(10**18 + at, 10**18 + at))
    return root


def contents(root):
    """What there is below a folder: contents, time, permissions by path."""
    return {
        str(path.relative_to(root)): (
            path.is_file() and path.read_bytes(),
            path.stat().st_mtime_ns,
            path.stat().st_mode,
        )
        for path in root.rglob("*")
    }


def test_a_folder_comes_back_as_it_was(tree, tmp_path, capsys):
    archive, back = tmp_path / "archive", tmp_path / "back"
    assert main(["encode", "-q", "-r", str(tree), "-d", str(archive)]) == 0
    assert "kept as it is" not in capsys.readouterr().err  # quiet
    assert main(["test", "-q", "-r", str(archive)]) == 0
    assert main(["decode", "-q", "-r", str(archive), "-d", str(back)]) == 0
    assert contents(back) == contents(tree)
    manifest = json.loads((archive / "manifest.json").read_text())
    assert {entry["path"]: entry["coded"] for entry in manifest["files"]}["run_g0/run.bin"] == "run_g0/run.bin.mdo"
    assert (archive / "A" / "continuous.dat.mdo").exists()


def test_an_interrupted_run_resumes(tree, tmp_path):
    archive, back = tmp_path / "archive", tmp_path / "back"
    command = [sys.executable, "-m", "runtime", "encode", "-q", "-r", str(tree), "-d", str(archive)]
    process = subprocess.Popen(command)
    while process.poll() is None and not list(archive.rglob("*.mdo")):
        pass
    process.kill()
    process.wait()
    assert main(command[3:]) == 0
    assert main(["decode", "-q", "-r", str(archive), "-d", str(back)]) == 0
    assert contents(back) == contents(tree)


@pytest.mark.parametrize("asked", ["--max-error=2", "--samples-only"])
def test_what_does_not_come_back_as_it_was_is_not_held_against_it(asked, tree, tmp_path):
    import soundfile

    archive, back = tmp_path / "archive", tmp_path / "back"
    soundfile.write(tree / "a.flac", np.arange(5000, dtype=np.int16), 20000)
    for _ in range(1 + (asked != "--samples-only")):  # of samples alone it is not known whether they are done
        assert main(["encode", "-q", "-r", str(tree), "-d", str(archive), asked]) == 0
    assert main(["test", "-q", "-r", str(archive)]) == 0
    assert main(["decode", "-q", "-r", str(archive), "-d", str(back)]) == 0
    sums = {entry["path"]: entry["sha256"] for entry in json.loads((archive / "manifest.json").read_text())["files"]}
    assert sums["notes µ.txt"] and sums["nothing"]
    assert bool(sums["a.flac"]) == (asked != "--samples-only")
    assert bool(sums["run_g0/run.bin"]) == (asked == "--samples-only")


def test_shares_of_a_folder_make_one_archive(tree, tmp_path):
    archive, back = tmp_path / "archive", tmp_path / "back"
    for share in ("1/2", "2/2"):
        assert main(["encode", "-q", "-r", str(tree), "-d", str(archive), "--shard", share]) == 0
    assert main(["test", "-q", "-r", str(archive)]) == 0
    assert main(["decode", "-q", "-r", str(archive), "-d", str(back)]) == 0
    assert contents(back) == contents(tree)


def test_what_is_missing_or_another_file_is_found(tree, tmp_path, capsys):
    archive = tmp_path / "archive"
    assert main(["encode", "-q", "-r", str(tree), "-d", str(archive)]) == 0
    (archive / "notes µ.txt.mdo").unlink()
    (archive / "A" / "continuous.dat.mdo").write_bytes((archive / "run_g0" / "run.meta.mdo").read_bytes())
    assert main(["test", "-q", "-r", str(archive)]) == 1
    printed = capsys.readouterr().err
    assert "notes µ.txt.mdo: missing from the archive" in printed
    assert "continuous.dat.mdo: decodes to another file" in printed
    assert printed.count("\n") == 2


def test_a_manifest_does_not_lead_out_of_the_archive(tmp_path):
    entry = {"path": "../x", "coded": "x.mdo", "bytes": 1, "mtime_ns": 0, "mode": 420, "sha256": ""}
    manifest = {"format": "middleout archive", "version": 1, "files": [entry], "folders": []}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CorruptError, match="not below"):
        Manifest.read(str(tmp_path))
    for text in (
        "",
        "{}",
        "[1]",
        json.dumps(manifest | {"version": 2}),
        json.dumps(manifest | {"files": [{"path": 1}]}),
    ):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(CorruptError, match="damaged"):
            Manifest.read(str(tmp_path))


def test_files_of_an_archive_keep_their_names_when_others_come(tree, tmp_path, capsys):
    archive, back = tmp_path / "archive", tmp_path / "back"
    assert main(["encode", "-q", "-r", str(tree), "-d", str(archive)]) == 0
    (tree / "notes µ.md").write_text("the same stem")
    assert main(["encode", "-q", "-r", str(tree), "-d", str(archive)]) == 0
    assert main(["test", "-q", "-r", str(archive)]) == 0
    assert main(["decode", "-q", "-r", str(archive), "-d", str(back)]) == 0
    assert contents(back) == contents(tree)
    (tree / "notes µ.md").write_text("another version")
    assert main(["encode", "-q", "-r", str(tree), "-d", str(archive)]) == 2
    assert "notes µ.md.mdo exists" in capsys.readouterr().err


def test_what_no_manifest_names_is_told(tree, tmp_path, capsys, caplog):
    archive = tmp_path / "archive"
    assert main(["encode", "-q", "-r", str(tree), "-d", str(archive)]) == 0
    (archive / "older.mdo").write_bytes((archive / "notes µ.txt.mdo").read_bytes())
    assert main(["test", "-q", "-r", str(archive)]) == 1
    assert "older.mdo: not named in the archive's manifest" in capsys.readouterr().err
    (archive / "manifest.json").unlink()
    assert main(["test", "-q", "-r", str(archive)]) == 0
    assert "has no manifest" in caplog.text
