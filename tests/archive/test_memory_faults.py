"""Memory ends at any moment of an encoding or decoding: a typed outcome, no half or wrong output, the input stays.

A library may also die of it (numpy can); nothing is lost then either.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

from runtime.core import compiled

CHILD = """
import os, resource, sys
from pathlib import Path
import runtime
from runtime.core import compiled

compiled.use(sys.argv.pop())  # children that load loops of their own take minutes
recording, coded = map(Path, sys.argv[1:])
original, back = recording.read_bytes(), recording.with_name("back.npy")

def encode():
    return runtime.encode_files([recording], output=coded, jobs=1, force=True)[0]

def decode():
    return runtime.decode_files([coded], output=back, jobs=1, force=True)[0]

def limited(call, more):  # in a child: 0 if it went well, 1 for an error of the package, 2 for any other
    size = 4096 * int(Path("/proc/self/statm").read_text().split()[0])
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + more, most))
    code = 2
    try:
        error = call().error
        code = 0 if error is None else 1 if isinstance(error, runtime.MiddleoutError) else 2
    finally:
        os._exit(code)

def tried(call, more):  # the exit code of a child, negative if a signal ended it
    output, right = (coded, complete) if call is encode else (back, original)
    output.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        limited(call, more)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code != 2, "an error that is not of the package"
    assert recording.read_bytes() == original
    assert not output.exists() or output.read_bytes() == right
    assert output.exists() or code
    left = [name for name in os.listdir(recording.parent) if name.startswith(".")]
    assert not left or code < 0, left
    for name in left:
        recording.with_name(name).unlink()
    output.write_bytes(right)
    return code

assert encode().error is None and decode().error is None
complete = coded.read_bytes()
for call in (encode, decode):
    enough = 1 << 20
    while tried(call, enough):
        enough *= 2
    codes = [tried(call, enough * step // 20) for step in range(25)]
    counts = [codes.count(0), codes.count(1), sum(code < 0 for code in codes)]  # went well, typed error, died
    print(call.__name__, *counts)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not limit memory like this")
def test_memory_that_ends(tmp_path):
    engine = compiled.COMPILED if compiled.loads() else compiled.NUMPY
    steps = np.random.default_rng(0).normal(0, 30, (100_000, 4)).round()
    np.save(tmp_path / "a.npy", np.cumsum(steps, axis=0).astype(np.int16))
    command = [sys.executable, "-c", CHILD, tmp_path / "a.npy", tmp_path / "a.mdo", engine]
    # arrays get pages of their own and give them back, so that the limit counts for each of them
    environment = os.environ | {
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_MMAP_THRESHOLD_": "16384",
        "MALLOC_TRIM_THRESHOLD_": "0",
        "MALLOC_TOP_PAD_": "0",
    }
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert not done.returncode, done.stderr[-2000:]
    counts = np.array([line.split()[1:] for line in done.stdout.splitlines()], int)
    assert (counts[:, :2] > 0).all(), done.stdout
