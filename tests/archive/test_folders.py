"""Whole folders into an archive and back: contents, names, times, permissions, empty folders; damage is found."""

import contextlib
import json
import os
import shutil
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import runtime
from runtime.archive.manifest import Manifest
from runtime.batch import jobs
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
    soundfile.write(tree / "b.wav", np.arange(5000, dtype=np.int16), 20000, format="RF64")
    for _ in range(1 + (asked != "--samples-only")):  # of samples alone it is not known whether they are done
        assert main(["encode", "-q", "-r", str(tree), "-d", str(archive), asked]) == 0
    assert main(["test", "-q", "-r", str(archive)]) == 0
    assert main(["decode", "-q", "-r", str(archive), "-d", str(back)]) == 0
    sums = {entry["path"]: entry["sha256"] for entry in json.loads((archive / "manifest.json").read_text())["files"]}
    assert sums["notes µ.txt"] and sums["nothing"]
    assert bool(sums["a.flac"]) == (asked != "--samples-only")
    assert (back / "b.wav").exists()
    for known in ("b.wav", "run_g0/run.bin"):  # of which whole files are kept, be there a loss or not
        assert bool(sums[known]) == (asked == "--samples-only")


@pytest.mark.parametrize("asked", [["--channels", "2"], ["--samples-only"]], ids=str)
def test_options_for_some_files_of_a_folder_hide_no_formats(asked, tree, tmp_path, capsys):
    rifx = b"RIFX" + struct.pack(">I", 6036) + b"WAVEfmt " + struct.pack(">IHHIIHH", 16, 1, 1, 9000, 18000, 2, 16)
    (tree / "a.wav").write_bytes(rifx + b"data" + struct.pack(">I", 6000) + bytes(6000))
    (tree / "a.cut").write_bytes(rifx + b"data" + struct.pack(">I", 6000) + bytes(5000))
    archive = tmp_path / "archive"
    assert main(["encode", "-r", str(tree), "-d", str(archive), *asked]) == 0
    assert "for raw files" not in capsys.readouterr().err
    found = {}
    for name in ("run_g0/run.bin", "a.wav", "a.cut", "A/continuous.dat", "run_g0/run.meta", "notes µ.txt"):
        with runtime.open(archive / f"{name}.mdo") as reader:
            found[name] = (reader.header.source, reader.channels, reader.frames, reader.metadata.get("format"))
    kept = ("kept", 1, 0, None)
    assert found == {
        "run_g0/run.bin": ("raw", 4, 3000, "SpikeGLX recording"),
        "a.wav": ("records", 1, 3000, "RIFX file"),
        "a.cut": ("records", 1, 2500, "RIFX file"),
        "A/continuous.dat": ("raw", 2, 1000, None) if "--channels" in asked else kept,
        "run_g0/run.meta": kept,
        "notes µ.txt": kept,
    }


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


def encode(tree, archive, *more):
    return main(["encode", "-q", "-r", str(tree), "-d", str(archive), *more])


def test_several_archives_and_files_are_each_held_against_their_own(tree, tmp_path, capsys, caplog):
    one, other, back = tmp_path / "one", tmp_path / "other", tmp_path / "back"
    assert encode(tree / "A", one) == encode(tree / "run_g0", other) == 0
    extra = tmp_path / "extra.mdo"
    extra.write_bytes((one / "continuous.dat.mdo").read_bytes())
    assert main(["test", "-q", "-r", str(one), str(other), str(extra)]) == 0
    (other / "run.meta.mdo").unlink()
    for verb, *more in (["test"], ["decode", "-d", str(back)], ["decode", "-f"]):
        assert main([verb, "-q", "-r", str(one), str(other), str(extra), *more]) == 1
        assert capsys.readouterr().err.splitlines() == [
            f"runtime: {other}/run.meta.mdo: missing from the archive; its manifest names it"
        ]
    assert not caplog.text


def test_shares_are_tested_each(tree, tmp_path, capsys):
    archive = tmp_path / "archive"
    assert encode(tree, archive) == 0
    for share in ("1/3", "2/3", "3/3"):
        assert main(["test", "-q", "-r", str(archive), "--shard", share]) == 0
    (archive / "nothing.mdo").write_bytes(b"no coded file any more")
    (archive / "stamps.npy.mdo").unlink()
    told = ""
    for share in ("1/3", "2/3", "3/3"):
        assert main(["test", "-q", "-r", str(archive), "--shard", share]) == 1
        told += capsys.readouterr().err
    assert told.count("stamps.npy.mdo: missing") == 3 and told.count("nothing.mdo: ") == 1


def test_files_without_folders_have_a_manifest_too(tree, tmp_path, capsys):
    archive = tmp_path / "archive"
    assert encode(tree / "notes µ.txt", archive) == 0
    (archive / "more.mdo").write_bytes((archive / "notes µ.txt.mdo").read_bytes())
    assert main(["test", "-q", "-r", str(archive)]) == 1
    assert "more.mdo: not named" in capsys.readouterr().err


@pytest.mark.parametrize("damage", [b"", b"Z", None])
def test_coded_files_without_their_magic_are_damaged_ones(tree, tmp_path, capsys, damage):
    (tree / "samples.npy").unlink()
    assert main(["encode", "-q", "-r", str(tree)]) == 0
    path = tree / "run_g0" / "run.mdo"
    path.write_bytes(b"" if damage is None else damage + path.read_bytes()[len(damage or b"x") :])
    for more in (["test"], ["decode", "-d", str(tmp_path / "back")]):
        assert main([*more, "-q", "-r", str(tree)]) == 1
        assert "run_g0/run.mdo: " in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such files")
def test_what_is_no_file_is_told(tree, tmp_path, caplog):
    os.mkfifo(tree / "pipe")
    (tree / "link").symlink_to("nowhere")
    assert encode(tree, tmp_path / "archive") == 0
    assert "pipe' is no file" in caplog.text and "link' is no file" in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="no such permissions")
def test_a_manifest_gives_no_file_special_rights(tree, tmp_path):
    archive, back = tmp_path / "archive", tmp_path / "back"
    assert encode(tree, archive) == 0
    made = json.loads((archive / "manifest.json").read_text())
    for entry in made["files"]:
        entry["mode"] = 0o6755
    (archive / "manifest.json").write_text(json.dumps(made))
    assert main(["decode", "-q", "-r", str(archive), "-d", str(back)]) == 0
    assert (back / "stamps.npy").stat().st_mode & 0o7777 == 0o755


def test_a_failed_run_that_removes_its_inputs_can_be_repeated(tree, tmp_path, capsys, monkeypatch):
    archive, back, before = tmp_path / "archive", tmp_path / "back", contents(tree)
    real = jobs.EncodeJob.finish

    def fails(self):
        if self.outcome.path.endswith("nothing"):
            raise OSError("no space left")
        real(self)

    with monkeypatch.context() as patched:
        patched.setattr(jobs.EncodeJob, "finish", fails)
        assert encode(tree, archive, "--rm") == 1
    assert main(["test", "-q", "-r", str(archive)]) == 1
    assert "nothing.mdo: missing from the archive" in capsys.readouterr().err
    left = {path.name for path in tree.rglob("*") if path.is_file()}  # what may describe the one that failed, too
    assert left >= {"nothing", "run.meta"} and "run.bin" not in left
    assert encode(tree, archive, "--rm") == 0
    assert main(["test", "-q", "-r", str(archive)]) == 0
    assert main(["decode", "-q", "-r", str(archive), "-d", str(back)]) == 0
    after = contents(back)
    assert {path: after[path] for path in before if before[path][0]} == {p: b for p, b in before.items() if b[0]}
    assert after["run_g0"] == before["run_g0"]  # of a folder, as it was before its files were removed


def test_what_a_killed_run_encoded_and_removed_is_named(tree, tmp_path):
    archive, back, before = tmp_path / "archive", tmp_path / "back", contents(tree)
    assert encode(tree, archive) == 0
    (archive / "manifest.json").unlink()
    (tree / "run_g0" / "run.bin").unlink()
    assert encode(tree, archive) == 0
    assert main(["test", "-q", "-r", str(archive)]) == 0
    assert main(["decode", "-q", "-r", str(archive), "-d", str(back)]) == 0
    assert contents(back)["run_g0/run.bin"] == before["run_g0/run.bin"]
    assert contents(back).keys() == before.keys()


def test_manifests_of_shares_become_one(tree, tmp_path):
    archive = tmp_path / "archive"
    for share in ("1/2", "2/2"):
        assert encode(tree, archive, "--shard", share) == 0
    before = Manifest.read(str(archive))
    assert encode(tree, archive) == 0
    assert [path.name for path in archive.glob("manifest*")] == ["manifest.json"]
    after = Manifest.read(str(archive))
    assert sorted(after.files, key=str) == sorted(before.files, key=str)


def test_nothing_is_written_where_nothing_was_encoded(tree, tmp_path, capsys):
    assert encode(tree, tmp_path / "no" / "archive") == 2
    assert not (tmp_path / "no").exists()
    assert encode(tree, tmp_path / "archive", "--array") == 2
    assert "--array is for the files of one recording" in capsys.readouterr().err
    assert main(["encode", "-q", "-r", str(tree), str(tmp_path / "missing.wav"), "-d", str(tmp_path / "archive")]) == 2
    assert "missing.wav: No such file" in capsys.readouterr().err
    assert main(["test", "-q", "-r", str(tmp_path / "archive")]) == 0


def again(tree, archive, *more):
    """Encode, and test the archive; returns the exit code of testing."""
    assert encode(tree, archive, *more) == 0
    return main(["test", "-q", "-r", str(archive)])


def test_what_was_lost_stays_missing(tree, tmp_path, capsys):
    archive = tmp_path / "archive"
    assert again(tree, archive, "--rm") == 0
    (archive / "stamps.npy.mdo").unlink()
    (tree / "more.txt").write_text("more")
    assert again(tree, archive, "--rm") == 1
    assert "stamps.npy.mdo: missing" in capsys.readouterr().err


def test_another_file_of_the_same_time_is_told(tree, tmp_path, capsys):
    archive, path = tmp_path / "archive", tree / "notes µ.txt"
    assert again(tree, archive) == 0
    when = path.stat().st_mtime_ns
    path.write_text("right hemisphere")
    os.utime(path, ns=(when, when))
    assert encode(tree, archive) == 2
    assert "is another file than the one that was archived" in capsys.readouterr().err
    assert main(["test", "-q", "-r", str(archive)]) == 0
    assert again(tree, archive, "-f") == 0


@pytest.mark.skipif(os.name == "nt", reason="names have no backslashes there")
def test_names_with_backslashes_and_dots(tree, tmp_path):
    archive, back = tmp_path / "archive", tmp_path / "back"
    for name in ("b\\c.txt", ".hidden.txt"):
        (tree / name).write_text(name)
    assert again(tree, archive) == again(tree, archive) == 0
    (archive / "manifest.json").unlink()
    (tree / ".hidden.txt").unlink()
    assert again(tree, archive) == 0
    assert main(["decode", "-q", "-r", str(archive), "-d", str(back)]) == 0
    assert (back / "b\\c.txt").read_text() == "b\\c.txt" and (back / ".hidden.txt").exists()


def test_files_that_change_their_share(tree, tmp_path):
    archive = tmp_path / "archive"
    for _ in range(2):
        for share in ("1/2", "2/2"):
            assert encode(tree, archive, "-f", "--skip-done", "--shard", share) == 0
        assert main(["test", "-q", "-r", str(archive)]) == 0
        (tree / "stamps.npy").write_bytes((tree / "stamps.npy").read_bytes()[:4000])
        os.utime(tree / "stamps.npy", ns=(10**18 + 10**9, 10**18 + 10**9))
    copy = tmp_path / "copy"
    shutil.copytree(archive, copy, copy_function=shutil.copyfile)  # with times of now
    assert main(["test", "-q", "-r", str(copy)]) == 0


def test_what_a_killed_run_of_a_share_encoded_is_named(tree, tmp_path):
    archive = tmp_path / "archive"
    assert encode(tree, archive, "--rm") == 0
    (archive / "manifest.json").unlink()
    for name in "xy":
        (tree / f"{name}.txt").write_text(name)
    for share in ("1/2", "2/2"):
        assert encode(tree, archive, "--shard", share) == 0
    assert main(["test", "-q", "-r", str(archive)]) == 0


def test_what_a_killed_run_encoded_anew_is_no_other_file(tree, tmp_path):
    archive, path = tmp_path / "archive", tree / "notes µ.txt"
    assert encode(tree, archive, "--rm") == 0
    path.write_text("another")
    runtime.encode_file(path, archive / "notes µ.txt.mdo", force=True)  # and no manifest: killed
    path.unlink()
    (tree / "more.txt").write_text("more")
    assert again(tree, archive, "--rm") == 0


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor], ids=["here", "executor"])
@pytest.mark.parametrize("fails", [False, True])
def test_what_may_describe_recordings_is_removed_after_them(executor, fails, tree, tmp_path):
    files = sorted((tree / "run_g0").iterdir(), reverse=True)  # the .meta file is first
    if fails:
        files.append(tree / "run_g0" / "nowhere.npy")
    told = []
    with contextlib.nullcontext() if executor is None else executor(1) as pool:
        runtime.encode_files(
            files,
            folder=tmp_path,
            remove=True,
            executor=pool,
            whole={str(file) for file in files},
            done=lambda outcome: told.append((outcome.kept, outcome.error, files[0].exists())),
        )
    assert [kept for kept, *_ in told] == [False] * (1 + fails) + [True]
    assert [error is not None for _, error, _ in told] == [False] + [True] * fails + [False]
    assert [there for *_, there in told] == [True] * (1 + fails) + [fails]
    assert not files[1].exists()
    with runtime.open(tmp_path / "run.bin.mdo") as reader:
        assert reader.channels == 4


def test_shares_remove_nothing(tree, tmp_path, capsys):
    """What a job removed would not be in the list any more of which others take their shares."""
    before = contents(tree)
    assert encode(tree, tmp_path / "archive", "--rm", "--shard", "1/2") == 2
    assert "shares of other jobs" in capsys.readouterr().err and contents(tree) == before


def test_manifests_of_others_are_left(tree, tmp_path, capsys, caplog):
    archive, notes = tmp_path / "archive", "manifest-notes.json"
    assert encode(tree, archive) == 0
    for text in ("no JSON", json.dumps(json.loads((archive / "manifest.json").read_text()))):
        (archive / notes).write_text(text)
        assert again(tree, archive) == 0 and (archive / notes).read_text() == text
    (archive / "manifest.json").write_text('{"manifest": [1]}')
    assert encode(tree, archive) == 2
    assert "is no manifest of an archive" in capsys.readouterr().err
    assert (archive / "manifest.json").read_text() == '{"manifest": [1]}'
    assert main(["test", "-q", "-r", str(archive)]) == 0 and "is no manifest" in caplog.text
    assert encode(tree, tmp_path / "empty", "--shard", "1/1") == 0
    assert main(["encode", "-q", "-r", str(tmp_path / "none"), "-d", str(tmp_path / "new")]) == 2
    assert not (tmp_path / "new").exists()


def test_only_what_was_restored_gets_times_and_permissions(tree, tmp_path):
    archive, back = tmp_path / "archive", tmp_path / "back"
    assert encode(tree, archive) == 0
    back.mkdir()
    (back / "nothing").write_text("mine")
    before = (back / "nothing").stat()
    assert main(["decode", "-q", "-r", str(archive), "-d", str(back)]) == 2
    after = (back / "nothing").stat()
    assert (after.st_mtime_ns, after.st_mode) == (before.st_mtime_ns, before.st_mode)
    assert (back / "stamps.npy").stat().st_mtime_ns == (tree / "stamps.npy").stat().st_mtime_ns


def test_what_a_killed_process_left_is_no_coded_file(tree, tmp_path):
    archive = tmp_path / "archive"
    assert encode(tree, archive) == 0
    data = (archive / "stamps.npy.mdo").read_bytes()
    (archive / ".b.wav.mdo.12345678-1-123456789abc.tmp").write_bytes(data[:200])
    assert main(["test", "-q", "-r", str(archive)]) == 0
