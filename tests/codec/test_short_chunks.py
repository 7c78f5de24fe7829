"""The coding for short chunks."""

from __future__ import annotations

import io

import numpy as np
import pytest
from both_engines import with_each
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import runtime
from runtime.batch import codings
from runtime.codec.coding import DecodeTask, EncodeTask, Part
from runtime.codec.short_coding import ShortCoding, is_possible
from runtime.core import compiled
from runtime.core.limits import MAX_SHORT_SAMPLES
from runtime.predictor import model as models

CODING = ShortCoding()


def walk(frames, channels, seed=0):
    random = np.random.default_rng(seed)
    common = random.normal(0, 30, (frames, 1)).cumsum(axis=0)
    return (common + random.normal(0, 4, (frames, channels))).astype(np.int16)


def there_and_back(samples, sample_bits=16):
    (payload,) = CODING.encode([EncodeTask(samples, sample_bits)], None)
    coding = codings.coding_of(payload)
    (decoded,) = coding.decode([DecodeTask(payload, samples.shape[1], sample_bits)], None)
    assert decoded.dtype == np.int16 and np.array_equal(decoded, samples)
    return payload


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        np.int16,
        arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
        elements=st.integers(-32768, 32767) | st.integers(-3, 3) | st.sampled_from([-32768, 32767]),
    )
)
def test_any_samples_come_back(samples):
    there_and_back(samples)


@pytest.mark.parametrize("step, offset", [(1, 0), (16, 5), (255, -3), (20000, 7), (65535, -32768)])
def test_steps_are_taken_out(step, offset):
    numbers = np.random.default_rng(1).integers(0, min((32767 - offset) // step, 60) + 1, (30, 4))
    samples = (numbers * step + offset).astype(np.int16)
    assert len(there_and_back(samples)) < 150


def test_both_engines_do_the_same():
    pytest.importorskip("numba", reason="numba is not installed; it is part of the extra `fast`")
    samples = walk(50, 9)
    samples[20:25] *= 50
    try:
        one, other = with_each(lambda: there_and_back(samples))
    finally:
        compiled.use("auto")
    assert one == other


def test_short_chunks_of_many_channels_take_much_less():
    task = EncodeTask(walk(50, 30), short=True)
    (payload,) = codings.encode([task], models.load())
    (other,) = codings.encode([EncodeTask(task.samples)], models.load())
    assert payload[4] == 4 and other[4] & 7 == 1
    assert len(payload) < 0.8 * len(other)


def test_it_is_only_tried_where_it_can_be():
    samples = walk(10, 2)
    assert is_possible(EncodeTask(samples, short=True))
    for task in (
        EncodeTask(samples),
        EncodeTask(samples, max_error=2, short=True),
        EncodeTask(samples, budget=90, short=True),
        EncodeTask(samples.astype(np.int32), short=True),
        EncodeTask(np.zeros((MAX_SHORT_SAMPLES + 1, 1), np.int16), short=True),
    ):
        assert not is_possible(task)
        (payload,) = codings.encode([task], models.load())
        assert payload[4] & 7 != 4


def test_a_part_is_the_part():
    samples = walk(40, 5)
    (payload,) = CODING.encode([EncodeTask(samples)], None)
    (part,) = CODING.decode([DecodeTask(payload, 5, part=Part(7, 30, np.array([4, 0])))], None)
    assert np.array_equal(part, samples[7:30, [4, 0]])
    assert CODING.segment_frames(DecodeTask(payload, 5)) == 40
    assert CODING.describe(DecodeTask(payload, 5)) == {"short": 5}


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint16", "int16"])
def test_files_with_short_chunks_are_read_anywhere(dtype):
    samples = (walk(300, 4) % 100).astype(dtype)
    coded = runtime.encode(samples, 250, short_chunks=True, chunk_frames=45)
    with runtime.open(io.BytesIO(coded)) as reader:
        assert np.array_equal(reader[50:111, [3, 1]], samples[50:111, [3, 1]])
    assert np.array_equal(runtime.decode(coded)[0], samples)


def test_damage_is_an_error_and_nothing_else():
    (payload,) = CODING.encode([EncodeTask(walk(20, 3))], None)
    for n in range(len(payload)):
        for data in (payload[:n], payload[:n] + bytes([payload[n] ^ 129]) + payload[n + 1 :]):
            with pytest.raises(runtime.CorruptError):
                codings.decode([DecodeTask(data, 3)], None)
    with pytest.raises(runtime.CorruptError):
        CODING.decode([DecodeTask(payload + b"12345", 3)], None)


def test_few_frames_are_not_tried_with_other_codings(monkeypatch):
    monkeypatch.setattr("runtime.codec.rans_coding.RansCoding.encode", None)
    samples = walk(16, 5)
    coded = runtime.encode(samples, 0, short_chunks=True, layout="time-channel")
    assert np.array_equal(runtime.decode(coded)[0], samples)
