"""Files that nobody understands are kept as they are, and say so; a SHA-256 proves what comes back."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

import runtime
from runtime.batch.info import describe
from runtime.cli.main import main
from runtime.core.errors import CorruptError


def back(path, tmp_path, **options):
    """Encode and decode a file. Returns the outcome of its encoding, and its facts."""
    outcome = runtime.encode_files([path], folder=tmp_path / "coded", **options)[0]
    assert outcome.error is None
    decoded = runtime.decode_files([outcome.output], folder=tmp_path / "back")[0]
    assert decoded.error is None and decoded.sha256 == outcome.sha256
    found = tmp_path / "back" / path.name
    assert found.read_bytes() == path.read_bytes()
    assert found.stat().st_mtime_ns == path.stat().st_mtime_ns
    return outcome, describe(outcome.output)


@pytest.mark.parametrize("content", [b"", b"x", b"text\n" * 1000, bytes(range(256)) * 90], ids=len)
def test_other_files_are_kept(content, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    outcome, facts = back(path, tmp_path)
    assert facts["source"] == "kept" and facts["frames"] == 0 and facts["lossless"]
    assert "kept as it is" in outcome.notes[0]
    assert facts["coded_bytes"] < len(content) + 80
    with runtime.open(outcome.output) as reader:
        assert "no samples are known" in repr(reader)


def test_time_stamps_are_kept_by_their_differences(tmp_path):
    path = tmp_path / "stamps.npy"
    np.save(path, np.arange(10**12, 10**12 + 10**5 * 33, 33))
    _, facts = back(path, tmp_path)
    assert facts["coded_bytes"] < 1000


@pytest.mark.parametrize(("shape", "source"), [((5, 0), "kept"), ((0, 0), "kept"), ((0, 3), "npy"), ((0,), "npy")])
@pytest.mark.parametrize("archive", [False, True])
def test_arrays_without_samples_come_back(shape, source, archive, tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(shape, np.int16))
    outcome, facts = back(path, tmp_path, archive=archive)
    assert facts["source"] == source and outcome.samples == 0
    assert facts["channels"] == (3 if shape == (0, 3) else 1)


@pytest.mark.parametrize("rest", [0, 1, 5])
@pytest.mark.parametrize("skip", [0, 1, 512])
def test_raw_files_may_begin_and_end_with_other_bytes(skip, rest, tmp_path):
    samples = np.random.default_rng(2).integers(-99, 99, (900, 3)).astype("<i2")
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(skip) + samples.tobytes() + b"12345"[:rest])
    outcome, facts = back(path, tmp_path, channels=3, skip=skip)
    assert facts["source"] == ("records" if skip or rest else "raw")
    assert facts["channels"] == 3 and facts["frames"] == 900
    assert any(f"{rest} bytes behind" in note for note in outcome.notes) == bool(rest)
    with runtime.Reader(outcome.output) as reader:
        assert (np.asarray(reader) == samples).all()


def test_a_file_holds_the_sum_of_its_original(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(np.random.default_rng(3).integers(-9, 9, 1 << 19).astype("<i2").tobytes())
    _, facts = back(path, tmp_path, channels=2)
    assert facts["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_skipping_is_refused_where_nothing_could_be_skipped(tmp_path, capsys, monkeypatch):
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(4000))
    given = ["encode", "-q", "--channels", "2", "--skip", "100"]
    assert main([*given, "--channels-first", str(path)]) == 2
    assert "frame by frame" in capsys.readouterr().err and not (tmp_path / "x.mdo").exists()
    for skip in ("3997", "4000", "99999"):
        assert main(["encode", "-q", "--channels", "2", "--skip", skip, str(path)]) == 2
        assert "leave no frame of the 4000 bytes" in capsys.readouterr().err and not (tmp_path / "x.mdo").exists()
    done = subprocess.run(
        [sys.executable, "-m", "runtime", *given, "-", "-o", str(tmp_path / "y.mdo")],
        input=bytes(4000),
        capture_output=True,
    )
    assert done.returncode == 2 and b"not for pipes" in done.stderr and not (tmp_path / "y.mdo").exists()
    np.save(tmp_path / "z.npy", np.zeros((50, 2), np.int16))
    assert main(["encode", "--skip", "100", str(tmp_path / "z.npy")]) == 0
    assert "nothing is skipped" in capsys.readouterr().err


def test_small_files_hold_a_sum_if_that_is_asked_for(tmp_path, capsys):
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(4000))
    assert main(["encode", "--channels", "1", str(path)]) == 0
    without = describe(tmp_path / "x.mdo")
    assert without["sha256"] is None
    assert main(["encode", "-f", "--sha256", "--channels", "1", str(path)]) == 0
    with_sum = describe(tmp_path / "x.mdo")
    assert with_sum["sha256"] == hashlib.sha256(bytes(4000)).hexdigest()
    assert with_sum["coded_bytes"] < without["coded_bytes"] + 80
    main(["info", str(tmp_path / "x.mdo")])
    assert with_sum["sha256"] in capsys.readouterr().out


def test_a_file_can_be_held_against_its_original(tmp_path, capsys):
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(range(200)))
    assert main(["encode", "-q", "--channels", "1", str(path)]) == 0
    assert main(["test", "-q", str(tmp_path / "x.mdo"), "--against", str(path)]) == 0
    path.write_bytes(bytes(200))
    assert main(["test", "-q", str(tmp_path / "x.mdo"), "--against", str(path)]) == 1
    assert "another file than" in capsys.readouterr().err
    assert main(["test", "-q", str(tmp_path / "x.mdo"), "--against", str(tmp_path / "none")]) == 2
    assert main(["test", "-q", *[str(tmp_path / "x.mdo")] * 2, "--against", str(path)]) == 2


def test_another_original_than_the_sum_says_is_refused(tmp_path):
    """As from a coder that is wrong: all checksums of blocks and samples are right."""
    from runtime.container.blocks import BlockReader, BlockWriter

    path = tmp_path / "x.bin"
    path.write_bytes(bytes(4000))
    runtime.encode_files([path], channels=1, sha256=True)
    with open(tmp_path / "x.mdo", "rb") as file, open(tmp_path / "y.mdo", "wb") as other:
        blocks = BlockReader(file)
        writer = BlockWriter(other, blocks.header)
        for block in blocks:
            if block.tag == b"C":
                writer.chunk(block.payload)
        writer.end(hashlib.sha256(b"another").digest())
    for outcome in (runtime.decode_files([tmp_path / "y.mdo"])[0], runtime.verify_files([tmp_path / "y.mdo"])[0]):
        assert isinstance(outcome.error, CorruptError) and "SHA-256" in str(outcome.error)
    assert not (tmp_path / "y.bin").exists()
