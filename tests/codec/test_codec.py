"""Chunks through the codec with the shipped model: every kind of signal comes back, and damage never passes."""

import struct

import chunk_calls as codec
import numpy as np
import pytest
from signal_kinds import implant, signals

from runtime.container.chunk_head import RANS, STORED, chunk_frames
from runtime.core.errors import CorruptError
from runtime.predictor import model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def n1():
    return model.load()


def test_every_signal_comes_back_alone_and_in_a_batch(n1):
    batch = list(signals().values())
    payloads = codec.encode_chunks(batch, n1)
    decoded = codec.decode_chunks(payloads, [x.shape[1] for x in batch], n1)
    for name, samples, payload, result in zip(signals(), batch, payloads, decoded, strict=True):
        assert np.array_equal(samples, result), name
        assert codec.encode_chunks([samples], n1) == [payload], f"{name}: depends on the batch"
        assert len(payload) <= samples.nbytes + 5, name
        assert chunk_frames(payload) == len(samples)


def test_what_does_not_compress_is_stored(n1):
    samples = signals()["white 16 bit"]
    assert codec.encode_chunks([samples], n1)[0][4] == STORED
    bytes8 = np.random.default_rng(1).integers(-128, 128, (3000, 2)).astype(np.int16)
    (payload,) = codec.encode_chunks([bytes8], n1, sample_bits=8)
    assert len(payload) <= bytes8.size + 5
    assert np.array_equal(codec.decode_chunks([payload], [2], n1, sample_bits=8)[0], bytes8)


def test_flat_channels_cost_next_to_nothing(n1):
    (payload,) = codec.encode_chunks([np.full((50000, 4), -300, np.int16)], n1)
    assert len(payload) < 30


def test_simulated_recording_compresses(n1, simulation):
    (payload,) = codec.encode_chunks([simulation.samples], n1)
    assert payload[4] == RANS
    assert len(payload) < 0.36 * simulation.samples.nbytes


def test_random_damage_of_a_payload_never_gives_wrong_samples(n1):
    rng = np.random.default_rng(8)
    mixed = np.hstack([implant(rng, 300, 2), rng.normal(0, 300, (300, 1)).astype(np.int16)])
    (payload,) = codec.encode_chunks([mixed], n1)
    assert payload[4] == RANS
    caught = 0
    positions = range(0, len(payload), 5)
    for position in positions:
        damaged = bytearray(payload)
        damaged[position] ^= 1 << rng.integers(0, 8)
        try:
            (result,) = codec.decode_chunks([bytes(damaged)], [3], n1)
        except CorruptError:
            caught += 1
        else:
            # Low bits behind the last sample of a byte, or the like: what is decoded must be right all the same.
            assert np.array_equal(result, mixed), position
    assert caught > 0.99 * len(positions)


@pytest.mark.parametrize("cut", [1, 3, 50, 10**9])
def test_truncated_payloads_are_errors(n1, cut):
    (payload,) = codec.encode_chunks([signals()["implant, linear and flat channels"]], n1)
    with pytest.raises(CorruptError):
        codec.decode_chunks([payload[: max(len(payload) - cut, 0)]], [6], n1)


def test_wrong_number_of_channels_is_an_error(n1):
    (payload,) = codec.encode_chunks([signals()["17 frames of 3 channels"]], n1)
    with pytest.raises(CorruptError):
        codec.decode_chunks([payload], [2], n1)


def test_more_lanes_than_any_encoder_makes_are_refused(n1):
    """A few bytes must not make a decoder allocate gigabytes."""
    frames = 60000
    (payload,) = codec.encode_chunks([implant(np.random.default_rng(2), 100, 8)], n1)
    many = struct.pack("<IBIH", frames, RANS, 0, frames) + payload[11:]
    with pytest.raises(CorruptError, match="lanes"):
        codec.decode_chunks([many], [8], n1)
