"""Frames in the place of missing ones: those behind a gap keep their time."""

import subprocess
import sys

import numpy as np
import pytest

from runtime.core.terms import FILLS
from runtime.streaming import filling
from runtime.streaming.encoder import StreamEncoder
from runtime.streaming.filling import Filler

BLOCK, BLOCKS = 10, 30


@pytest.fixture(scope="module")
def frames():
    """int16 [frames, channels], never zero."""
    steps = np.random.default_rng(0).integers(-9, 10, (BLOCK * BLOCKS - 3, 2))
    return (np.cumsum(steps, 0) + 5000).astype(np.int16)


@pytest.fixture(scope="module")
def packets(frames):
    """One for each block, key packets at every fifth."""
    encoder = StreamEncoder(2, 1000, block=BLOCK, resync=5 * BLOCK / 1000)
    made = [encoder.push(frames[at : at + BLOCK]) for at in range(0, len(frames), BLOCK)]
    return [b"".join(part) for part in made[:-1]] + [b"".join(made[-1] + encoder.finish())]


def decode(data, *options):
    """Decode by the command line. Returns the exit code, the frames, and what was reported."""
    command = [sys.executable, "-m", "runtime", "stream", "decode", *options]
    done = subprocess.run(command, input=b"".join(data), capture_output=True, timeout=120)
    return done.returncode, np.frombuffer(done.stdout, "<i2").reshape(-1, 2), done.stderr.decode()


def test_filled_frames_keep_the_time_of_the_others(frames, packets):
    lost = {0, 7, 8, 21}
    some = [packet for number, packet in enumerate(packets) if number not in lost]
    gone = np.zeros(len(frames), bool)
    for first, end in ((0, 5), (7, 10), (21, 25)):  # up to the next key packet
        gone[first * BLOCK : end * BLOCK] = True
    code, plain, _ = decode(some)
    assert code == 1 and np.array_equal(plain, frames[~gone])
    for fill in FILLS:
        code, filled, told = decode(some, "--fill", fill)
        assert code == 1 and len(filled) == len(frames) and f"{gone.sum()} filled with {fill}" in told
        assert np.array_equal(filled[~gone], frames[~gone])
        held = np.where(np.arange(len(frames))[:, None] < 5 * BLOCK, 0, frames[7 * BLOCK - 1])
        held[21 * BLOCK :] = frames[21 * BLOCK - 1]
        assert np.array_equal(filled[gone], held[gone] if fill == "hold" else np.zeros_like(held[gone]))


def test_nothing_is_filled_where_nothing_is_missing(frames, packets):
    code, filled, told = decode(packets, "--fill", "zeros")
    assert code == 0 and np.array_equal(filled, frames) and "filled" not in told


def test_a_stream_that_is_joined_begins_with_its_first_frame(frames, packets):
    some = packets[7:16] + packets[17:]
    code, filled, _ = decode(some, "--join", "--fill", "zeros")
    assert code == 1 and len(filled) == len(frames) - 10 * BLOCK
    assert np.array_equal(filled[: 6 * BLOCK], frames[10 * BLOCK : 16 * BLOCK])
    assert not filled[6 * BLOCK : 10 * BLOCK].any() and np.array_equal(filled[10 * BLOCK :], frames[20 * BLOCK :])


def test_frames_that_are_missing_at_the_end_are_filled(frames, packets):
    code, filled, _ = decode(packets[:12] + packets[13:15], "--fill", "hold")
    assert code == 1 and len(filled) == 15 * BLOCK
    assert np.array_equal(filled[12 * BLOCK :], np.repeat(frames[12 * BLOCK - 1 : 12 * BLOCK], 3 * BLOCK, 0))


def test_long_gaps_come_in_pieces(monkeypatch):
    monkeypatch.setattr(filling, "_MOST", 100)
    filler = Filler("hold")
    pieces = [*filler.add(0, np.full((2, 3), 7, np.int16)), *filler.add(1000, np.ones((1, 3), np.int16))]
    assert max(map(len, pieces)) == 33 and sum(map(len, pieces)) == 1001 and filler.frames == 998
    assert (np.concatenate(pieces[:-1]) == 7).all()
    assert list(filler.up_to(5, 3)) == []
