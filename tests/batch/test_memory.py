"""Memory is bounded by chunks and batches, not by the recording: what is larger streams through."""

import os
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.slow

FULL = "MIDDLEOUT_MEMORY_TEST" in os.environ
"""Chunks and batches of their full size, on recordings of 2 GB; else all in small."""
CHANNELS = 256
CHUNK = (1 << 24 if FULL else 1 << 22) // CHANNELS
CHUNKS, BOUND = (60, 500) if FULL else (32, 200)
MANY, FITTED_BOUND = (1024, 500) if FULL else (512, 350)
"""Channels that are predicted from each other, in three chunks."""
CODE = f"""
import re, sys
from runtime.core import limits
if not {FULL}:
    limits.CHUNK_SAMPLES = limits.BATCH_SAMPLES = 1 << 22
from runtime.cli.main import main
if __name__ == "__main__":
    code = main(sys.argv[1:])
    print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]))
    sys.exit(code)
"""


def peak(*arguments):
    """Peak memory of a command in MB."""
    command = [sys.executable, "-c", CODE, *map(str, arguments), "--jobs", "2"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert result.returncode == 0, result.stderr
    return int(result.stdout.split()[-1]) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory as Linux tells it")
@pytest.mark.parametrize("layout", [pytest.param("time-channel", marks=pytest.mark.long), "channel-time"])
def test_recordings_stream_through(layout, tmp_path):
    """Constant channels in every chunk, so that it takes seconds."""
    shape = (CHUNKS * CHUNK, CHANNELS) if layout == "time-channel" else (CHANNELS, CHUNKS * CHUNK)
    samples = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.int16, shape)
    values = np.random.default_rng(0).integers(-32768, 32768, (CHUNKS, CHANNELS))
    for number, row in enumerate(values):
        part = slice(number * CHUNK, (number + 1) * CHUNK)
        if layout == "time-channel":
            samples[part] = row
        else:
            samples[:, part] = row[:, None]
    samples.flush()
    del samples
    assert (tmp_path / "x.npy").stat().st_size > 1.3e6 * BOUND
    assert peak("encode", "-q", tmp_path / "x.npy", "--layout", layout) < BOUND
    assert peak("decode", "-q", tmp_path / "x.mdo", "-d", tmp_path / "back") < BOUND
    with open(tmp_path / "x.npy", "rb") as one, open(tmp_path / "back" / "x.npy", "rb") as other:
        while piece := one.read(1 << 24):
            assert piece == other.read(1 << 24)
        assert not other.read(1)


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory as Linux tells it")
@pytest.mark.parametrize("how", [[], pytest.param(["--independent"], marks=pytest.mark.long)])
def test_many_channels_fit_into_memory(how, tmp_path):
    frames, random = 3 * CHUNK * CHANNELS // MANY, np.random.default_rng(0)
    noise = random.normal(0, 20, (frames + 1, MANY)).astype(np.float32)
    noise += np.repeat(random.normal(0, 20, (frames + 1, MANY // 8)).astype(np.float32), 8, axis=1)
    np.save(tmp_path / "x.npy", np.rint(noise[1:] + noise[:-1]).astype(np.int16))
    assert peak("encode", "-q", tmp_path / "x.npy", "--layout", "time-channel", *how) < FITTED_BOUND
    assert peak("decode", "-q", tmp_path / "x.mdo", "-d", tmp_path / "back") < FITTED_BOUND
    assert (tmp_path / "back" / "x.npy").read_bytes() == (tmp_path / "x.npy").read_bytes()
