"""Spikes straight from packets: `runtime stream events` and its API."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest

import runtime
from runtime.spikes import SpikeOptions
from runtime.streaming import Radio, SpikeCounter, SpikeEventDecoder, SpikeStreamEncoder, StreamDecoder, StreamEncoder
from training.simulate import RATE, simulate

FRAMES, BLOCK = 12_000, 700


@pytest.fixture(scope="module")
def recording():
    return simulate(FRAMES, 6, seed=31)


@pytest.fixture(scope="module")
def packets(recording):
    encoder = SpikeStreamEncoder(6, RATE, SpikeOptions(), block=BLOCK)
    return encoder.push(recording.samples) + encoder.finish()


def read(data, **options):
    decoder = SpikeEventDecoder(**options)
    blocks = [block for _, block in decoder.push(data) + decoder.finish()]
    return blocks, decoder


def test_spikes_are_those_of_the_windows(packets):
    blocks, decoder = read(b"".join(packets))
    assert decoder.complete and not decoder.events and sum(map(len, blocks)) == FRAMES
    channel, frame = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("channel", "frame"))
    assert len(frame) > 50 and (np.diff(frame) >= 0).all()
    samples = StreamDecoder(masks=True)
    samples.push(b"".join(packets))
    samples.finish()
    mask = np.concatenate([part for _, part in samples.masks])
    before, after = SpikeOptions().with_rate(RATE).window_frames
    expected = np.zeros_like(mask)
    for c, f in zip(channel.tolist(), frame.tolist()):
        expected[max(f - before, 0) : f + after, c] = True
    assert (mask | ~expected).all() and expected.sum() > 0.85 * mask.sum()


def test_spikes_are_where_units_fire(recording, packets):
    blocks, _ = read(b"".join(packets))
    channel, frame = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("channel", "frame"))
    big = [(unit.channel, t) for unit in recording.spikes if unit.peak > 70 for t in unit.times if 3000 < t < 11_800]
    found = [(np.abs(frame[channel == c] - t) < 12).any() for c, t in big]
    assert len(big) > 10 and np.mean(found) > 0.97


def test_no_model_and_any_pieces(packets, monkeypatch):
    whole, _ = read(b"".join(packets))
    monkeypatch.setattr("runtime.predictor.model.find", lambda identity: pytest.fail("a model was loaded"))
    decoder, data, blocks = SpikeEventDecoder(), b"".join(packets), []
    for first in range(0, len(data), 101):
        blocks += [block for _, block in decoder.push(data[first : first + 101])]
    blocks += [block for _, block in decoder.finish()]
    assert [b.frame.tolist() for b in blocks] == [b.frame.tolist() for b in whole]


@pytest.mark.parametrize("seed", range(4))
def test_losses_are_named_and_nothing_is_made_up(packets, seed):
    whole = {block.first: block for block in read(b"".join(packets))[0]}
    radio = Radio(seed=seed, lost=0.1, damaged=0.1, doubled=0.1)
    blocks, decoder = read(b"".join(received for packet in packets for _, received in radio.send(packet)))
    for block in blocks:
        assert np.array_equal(block.frame, whole[block.first].frame)
        assert np.array_equal(block.channel, whole[block.first].channel)
    named = sum(event.frames for event in decoder.events if event.kind == "missing")
    assert named == decoder.missing and sum(map(len, blocks)) + named <= FRAMES


def test_counts(packets):
    blocks, decoder = read(b"".join(packets))
    counter = SpikeCounter(6, RATE, 0.02)
    bins = [made for block in blocks for made in counter.add(block)] + counter.finish()
    channel, frame = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("channel", "frame"))
    edges = [made.first for made in bins] + [FRAMES]
    assert edges[:3] == [0, round(0.02 * RATE), round(0.04 * RATE)] and not any(made.missing for made in bins)
    expected = np.stack([np.histogram(frame[channel == c], edges)[0] for c in range(6)], axis=1)
    assert np.array_equal(np.stack([made.counts for made in bins]), expected)
    counter = SpikeCounter(6, RATE, 0.02)
    fewer = [made for block in blocks[:3] + blocks[4:] for made in counter.add(block)] + counter.finish()
    assert len(fewer) == len(bins) and sum(made.missing for made in fewer) == BLOCK
    for made, full in zip(fewer, bins):
        assert (made.counts == full.counts).all() or made.missing
    counter = SpikeCounter(6, RATE, 0.02, joined=True)
    later = [made for block in blocks[3:] for made in counter.add(block)] + counter.finish()
    begin = blocks[3].first
    expected = [made for made in bins if made.first + made.frames > begin]
    assert [made.first for made in later] == [made.first for made in expected]
    assert [made.missing for made in later] == [begin - later[0].first] + [0] * (len(later) - 1)
    assert all((made.counts == full.counts).all() for made, full in zip(later[1:], expected[1:]))
    for width in (0, 1e-9, float("nan")):
        with pytest.raises(runtime.UsageError):
            SpikeCounter(6, RATE, width)


def test_other_streams_are_refused(recording):
    encoder = StreamEncoder(6, RATE)
    with pytest.raises(runtime.CorruptError, match="spike mode"):
        read(b"".join(encoder.push(recording.samples[:200])))


def run(*arguments, data):
    return subprocess.run(
        [sys.executable, "-m", "runtime", "stream", "events", *arguments], input=data, capture_output=True
    )


def test_command(packets):
    blocks, _ = read(b"".join(packets))
    made = run(data=b"".join(packets))
    lines = np.loadtxt(io.BytesIO(made.stdout), delimiter=",", skiprows=1)
    assert made.returncode == 0 and made.stdout.startswith(b"second,frame,channel\n")
    assert np.array_equal(lines[:, 1], np.concatenate([block.frame for block in blocks]))
    assert np.allclose(lines[:, 0] * RATE, lines[:, 1], atol=0.02)
    binned = run("--bins", "20", data=b"".join(packets[:4] + packets[5:]))
    table = np.loadtxt(io.BytesIO(binned.stdout), delimiter=",", skiprows=1)
    assert binned.returncode == 1 and b"are missing" in binned.stderr
    assert table.shape == (-(-FRAMES // round(0.02 * RATE)), 8) and table[:, 1].sum() == BLOCK
    assert run("--bins", "0", data=b"").returncode == 2
