"""Packed channels: smaller, exact, in parts too, beside others, named, and never a wrong sample of damaged bytes."""

import chunk_calls as codec
import numpy as np
import pytest

import runtime
from runtime.batch import codings
from runtime.codec import packed_channels
from runtime.codec.coding import DecodeTask, Part
from runtime.container.chunk_head import HAS_PACKED
from runtime.core.errors import CorruptError


@pytest.fixture
def samples():
    """A digital line twice, noise, a counter, a flat channel, a glitch on a rail, noise like the first."""
    random = np.random.default_rng(3)
    frames = np.arange(6000)[:, None]
    line = np.cumsum(random.random(frames.shape) < 0.003, axis=0) % 2 * 5 - 1
    noise = np.rint(random.normal(0, 6, (len(frames), 2)) + random.normal(0, 9, frames.shape))
    glitch = np.where(frames == 5500, 31001, -31001)
    flat = np.full_like(line, 5)
    return np.hstack([line, noise[:, :1], line, frames * 31 % 65536 - 32768, flat, glitch, noise[:, 1:]]).astype("<i2")


def test_they_come_back_and_are_named(samples, device_model, engine):
    (payload,) = codec.encode_chunks([samples], device_model)
    assert payload[4] & HAS_PACKED
    (back,) = codec.decode_chunks([payload], [samples.shape[1]], device_model)
    assert np.array_equal(back, samples)
    described = codings.coding_of(payload).describe(DecodeTask(payload, samples.shape[1]))
    assert described == {"constant": 1, "packed": 4, "linear": 2}
    (noise,) = codec.encode_chunks([samples[:, [1, 6]]], device_model)
    assert len(payload) < len(noise) + 1000
    assert not noise[4] & HAS_PACKED


def test_a_chunk_may_have_nothing_else(samples, device_model):
    (payload,) = codec.encode_chunks([samples[:, [0, 2, 5]]], device_model)
    assert len(payload) < 400
    (back,) = codec.decode_chunks([payload], [3], device_model)
    assert np.array_equal(back, samples[:, [0, 2, 5]])


def test_any_part_is_that_of_the_whole(samples, device_model):
    (payload,) = codec.encode_chunks([samples], device_model)
    for channels in ([0], [6, 2], [5, 4, 3], [1]):
        part = Part(5400, 5600, np.array(channels))
        (back,) = codings.decode([DecodeTask(payload, samples.shape[1], part=part)], device_model)
        assert np.array_equal(back, samples[5400:5600, channels])


@pytest.mark.parametrize("max_error", [1, 20])
def test_they_are_within_a_bound(samples, device_model, max_error):
    (payload,) = codec.encode_chunks([samples], device_model, max_error=max_error)
    (back,) = codec.decode_chunks([payload], [samples.shape[1]], device_model)
    assert np.abs(back.astype(int) - samples).max() <= max_error


def test_short_and_odd_columns_come_back():
    random = np.random.default_rng(5)
    for frames in (1, 2, 255, 1000, 140000):
        packed = {
            0: np.zeros(frames, np.int16),
            2: random.integers(-32768, 32768, frames).astype(np.int16),
            3: np.repeat(random.integers(-2, 2, frames), 7)[:frames].astype(np.int16),
        }
        kind = np.array([0, 2, 0, 0])
        data = packed_channels.pack(packed, kind)
        back, end = packed_channels.parse(b"x" + data, 1, kind, frames)
        assert end == 1 + len(data)
        assert all(np.array_equal(back[channel], packed[channel]) for channel in packed)


def test_damaged_ones_are_errors_or_other_samples():
    random = np.random.default_rng(6)
    column = np.repeat(random.integers(-9, 9, 60), random.integers(1, 9, 60)).astype(np.int16)
    kind = np.array([0])
    data = packed_channels.pack({0: column}, kind)
    for at in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            try:
                found, _ = packed_channels.parse(bytes(damaged), 0, kind, len(column))
            except CorruptError:
                continue
            assert all(len(some) == len(column) for some in found.values())
    for size in range(len(data)):
        with pytest.raises(CorruptError):
            packed_channels.parse(data[:size], 0, kind, len(column))


@pytest.mark.parametrize("options", [{"max_error": 1}, {"max_error": 40}, {"target_rate": 800_000}], ids=str)
def test_digital_words_stay_exact_in_lossy_chunks(options):
    """Whatever they look like: toggling bits, a copy, noise, and a channel that is dead."""
    random, time = np.random.default_rng(4), np.arange(9000)
    samples = np.cumsum(random.normal(0, 20, (9000, 8)), axis=0).astype(np.int16)
    samples[:, 2] = 64 * (time // 500 % 7 == 0) + (time // 100 % 3 == 0)
    samples[:, 3], samples[:, 4], samples[:, 5] = samples[:, 2], random.integers(-(2**15), 2**15, 9000), 0
    digital = [2, 3, 4, 5]
    units = {"annotations": {"units": ["bits" if channel in digital else "uV" for channel in range(8)]}}
    coded = runtime.encode(samples, 20000, metadata=units, **options)
    with runtime.open(coded) as reader:
        found = reader[:]
        assert np.array_equal(reader.read(4000, 4010, [2, 7]), found[4000:4010][:, [2, 7]])
    assert np.array_equal(found[:, digital], samples[:, digital])
    assert not np.array_equal(found, samples)
