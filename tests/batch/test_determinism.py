"""The short form of the determinism matrix, and that it can tell differences."""

import json
import runpy
import subprocess
import sys

import conformance
import pytest

pytest.importorskip("onnx")

pytestmark = pytest.mark.slow


def test_short_form(root, tmp_path):
    command = [sys.executable, str(root / "scripts" / "determinism"), "--short", "--json", str(tmp_path / "all.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    ((label, result),) = json.loads((tmp_path / "all.json").read_text())
    assert label == "this environment"
    digests = {name: list(found) for name, found in result["quantities"].items()}
    assert {"network vectors", "network recurrent vectors", "encoded", "decoded"} <= set(digests)
    assert {"control tensor", "control channel", "control floats"} <= set(digests)
    assert all(len(found) == 1 for name, found in digests.items() if not name.startswith("control "))
    encoded = [conformance.encode(vector, vector.recording()) for vector in conformance.vectors()]
    expected = b"".join(map(conformance.normal_form, encoded))
    assert digests["encoded"] == [conformance.sha256(expected)[:16]]
    recordings = b"".join(vector.recording() for vector in conformance.vectors())
    assert digests["decoded"] == [conformance.sha256(recordings)[:16]]


@pytest.mark.parametrize(
    "quantities, good",
    [
        ([{"encoded": "a", "control tensor": "x"}, {"encoded": "a", "control tensor": "x y"}], True),
        ([{"encoded": "a", "control tensor": "x"}, {"encoded": "b", "control tensor": "y"}], False),
        ([{"encoded": "a", "control tensor": "x"}, {"encoded": "a b", "control tensor": "x"}], False),
    ],
)
def test_verdict(root, quantities, good):
    verdict = runpy.run_path(str(root / "scripts" / "determinism"))["verdict"]
    results = [
        (str(i), {"quantities": {name: {digest: ["run"] for digest in text.split()} for name, text in each.items()}})
        for i, each in enumerate(quantities)
    ]
    assert verdict(results, short=True)[1] == good
    if good:  # differences in one environment only: not enough of a control for the full matrix
        assert not verdict(results, short=False)[1]


def test_a_failing_environment_is_not_overlooked(root):
    verdict = runpy.run_path(str(root / "scripts" / "determinism"))["verdict"]
    lines, good = verdict([("one", {"failed": "crash"}), ("two", {"quantities": {"encoded": {"a": ["run"]}}})], True)
    assert lines[0] == "failed: one: crash" and not good


def test_conformance_of_this_machine(root, tmp_path):
    script = [sys.executable, str(root / "scripts" / "conformance")]
    for action in ("encode", "decode"):
        done = subprocess.run([*script, action, str(tmp_path)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "mixed.mdo").write_bytes((tmp_path / "implant.mdo").read_bytes())
    done = subprocess.run([*script, "decode", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 1 and "mixed.mdo: decoded to another recording" in done.stdout
