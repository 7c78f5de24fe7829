"""Channels of short chunks share a linear predictor, where their own ones take more bits than they save."""

import chunk_calls as codec
import numpy as np
import pytest

from runtime.fit.parameters import FitOptions, fit
from runtime.predictor import model
from runtime.predictor.parameter_bits import pack, unpack

RECONSTRUCTION = ((np.arange(1024) - 512) * 64 + 32).astype(np.int32)


def noise(frames, channels, seed=0, filtered=(1.0, 0.8, 0.5, 0.2)):
    white = np.random.default_rng(seed).normal(0, 30, (frames + len(filtered) - 1, channels))
    return np.rint(sum(c * white[i : i + frames] for i, c in enumerate(filtered))).astype(np.int16)


def shared(side):
    _, counts = np.unique(side.coefficients, axis=0, return_counts=True)
    return counts.max()


def test_alike_channels_of_short_chunks_share_one():
    side = fit(noise(100, 40), RECONSTRUCTION)
    assert shared(side) == 40
    data = pack(side)
    assert len(data) < 40 * 36 / 8 + 40
    back, end = unpack(data, 0, 40)
    assert end == len(data)
    assert np.array_equal(back.coefficients, side.coefficients)


def test_others_keep_their_own():
    samples = np.hstack([noise(2000, 5), noise(2000, 5, 1, (1, -0.9, 0.7, -0.5))])
    side = fit(samples, RECONSTRUCTION)
    assert shared(side) <= 5
    back, _ = unpack(pack(side), 0, 10)
    assert np.array_equal(back.coefficients, side.coefficients)


def test_channels_with_references_may_have_other_coefficients():
    samples = noise(1000, 12) // 4
    samples[:, 1::2] += samples[:, ::2] * 3
    side = fit(samples, RECONSTRUCTION, options=FitOptions(references=True))
    assert side.has_references
    back, _ = unpack(pack(side), 0, 12, has_references=True)
    assert np.array_equal(back.coefficients, side.coefficients)
    assert np.array_equal(back.reference_taps, side.reference_taps)


@pytest.mark.parametrize("frames", [1, 2, 17, 100])
def test_short_chunks_are_never_larger_than_stored_ones(frames):
    network, random = model.load(model.DEVICES), np.random.default_rng(frames)
    white = random.integers(-32768, 32768, (frames, 384)).astype(np.int16)
    for samples in (white, noise(frames, 384), np.int16(2 * white), white[:, :1] + 0 * white):
        (payload,) = codec.encode_chunks([samples], network)
        assert len(payload) <= samples.nbytes + 5
        (back,) = codec.decode_chunks([payload], [384], network)
        assert np.array_equal(back, samples)
