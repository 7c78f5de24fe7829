"""Chunks with index maps: smaller, exact, in parts too, within their bound, and named in words."""

from dataclasses import replace

import chunk_calls as codec
import numpy as np
import pytest

from runtime.batch import codings
from runtime.codec import rans_coding, rans_payload
from runtime.codec.coding import DecodeTask, Part
from runtime.container.chunk_head import HAS_MAPS
from runtime.core.errors import CorruptError


@pytest.fixture
def samples():
    """Words times 16 with exceptions, scaled codes, a copy of these with another offset, few values, noise."""
    random = np.random.default_rng(1)
    codes = np.rint(random.normal(0, 8, (5000, 3)) + random.normal(0, 8, (5000, 1)))
    words = codes[:, :1] * 16 + 3 + random.choice([-1, 0, 1], (5000, 1), p=[0.01, 0.98, 0.01])
    scaled = np.floor(codes[:, 1:] * 12.0192 + [[0.5, 7.1]])
    shifted = np.floor(codes[:, 1:2] * 12.0192 + 5.3)
    few = np.array([-9000, 0, 7000])[np.cumsum(random.random((5000, 1)) < 0.01, axis=0) % 3]
    few = few + np.rint(random.normal(0, 1, few.shape))
    return np.hstack([words, scaled, shifted, few, random.normal(0, 40, (5000, 1))]).astype(np.int16)


def without_maps(monkeypatch):
    monkeypatch.setattr(rans_coding, "free_channels", lambda samples: np.zeros(samples.shape[1], bool))
    monkeypatch.setattr(rans_coding, "with_packed", lambda chunk, samples, exact: chunk)
    fit = rans_coding.fit_with_palettes
    monkeypatch.setattr(rans_coding, "fit_with_palettes", lambda *x: fit(*x[:3], replace(x[3], palettes=False)))


def test_they_are_smaller_and_come_back(samples, device_model, engine, monkeypatch):
    (payload,) = codec.encode_chunks([samples], device_model)
    assert payload[4] & HAS_MAPS
    (back,) = codec.decode_chunks([payload], [6], device_model)
    assert np.array_equal(back, samples)
    assert codings.coding_of(payload).describe(DecodeTask(payload, 6)) == {
        "linear": 1,
        "linear, steps of 12.019": 2,
        "linear, steps of 16": 1,
        "linear, 23 values": 1,
        "copy": 1,
    }
    without_maps(monkeypatch)
    (plain,) = codec.encode_chunks([samples], device_model)
    assert not plain[4] & HAS_MAPS
    assert 8 * (len(plain) - len(payload)) > 2 * samples.size


def test_any_part_is_that_of_the_whole(samples, device_model, engine):
    (payload,) = codec.encode_chunks([samples], device_model)
    random = np.random.default_rng(2)
    assert rans_payload.steps_of(payload, 6) < len(samples)
    for _ in range(12):
        channels = random.permutation(6)[: random.integers(1, 7)]
        start = int(random.integers(0, 4900))
        part = Part(start, start + int(random.integers(1, 100)), channels)
        (found,) = codings.decode([DecodeTask(payload, 6, part=part)], device_model)
        assert np.array_equal(found, samples[part.start : part.stop, channels])


@pytest.mark.parametrize("max_error", [1, 3, 7, 20])
def test_they_keep_a_bound(samples, device_model, max_error, monkeypatch):
    (payload,) = codec.encode_chunks([samples], device_model, max_error=max_error)
    (back,) = codec.decode_chunks([payload], [6], device_model)
    assert np.abs(back.astype(int) - samples).max() <= max_error
    (lossless,) = codec.encode_chunks([samples], device_model)
    assert len(payload) < len(lossless)
    without_maps(monkeypatch)
    assert len(payload) <= len(codec.encode_chunks([samples], device_model, max_error=max_error)[0])


@pytest.mark.slow
def test_damage_never_gives_other_samples(samples, device_model):
    (payload,) = codec.encode_chunks([samples[:300]], device_model)
    random = np.random.default_rng(3)
    for _ in range(400):
        place = int(random.integers(9, min(len(payload), 500)))
        damaged = payload[:place] + bytes([payload[place] ^ 1 << random.integers(0, 8)]) + payload[place + 1 :]
        try:
            (back,) = codec.decode_chunks([damaged], [6], device_model)
        except CorruptError:
            continue
        assert np.array_equal(back, samples[:300])
