"""Recordings of one chunk without their blocks."""

from __future__ import annotations

import io

import numpy as np
import pytest
import reference_chunk

import runtime
from runtime.container import single_chunk
from runtime.container.blocks import BlockReader

MODEL = bytes(range(8))


def coded(frames, **options):
    steps = np.random.default_rng(0).normal(0, 9, (frames, 3))
    return runtime.encode(steps.cumsum(axis=0).astype(np.int16), 0, layout="time-channel", **options)


@pytest.mark.parametrize("short", [False, True])
def test_a_file_comes_back(short):
    file = coded(150, short_chunks=short)
    packed = single_chunk.pack(file)
    assert len(packed) < len(file) - 35
    model = runtime.open(io.BytesIO(file)).header.model
    assert single_chunk.restore(packed, model) == file
    assert packed.endswith(model) != short


def test_what_the_format_says_is_in_it():
    packed = single_chunk.pack(coded(40, short_chunks=True))
    assert packed[:2] == bytes([16, 3])
    samples, _ = runtime.decode(single_chunk.restore(packed, runtime_model()))
    assert reference_chunk.decode_chunk(packed[2:], 3, 16, None) == samples.tolist()


def runtime_model():
    from runtime.predictor import model

    return model.load().identity


def test_files_with_more_in_them_stay_as_they_are():
    assert single_chunk.pack(coded(150, chunk_frames=70)) is None
    assert single_chunk.pack(coded(0)) is None
    assert single_chunk.pack(coded(60, metadata={"annotations": {"a": 1}})) is None
    assert single_chunk.pack(coded(60, embed_model=True)) is None
    noise = np.random.default_rng(0).integers(-32768, 32768, (50, 1)).astype(np.int16)
    assert single_chunk.pack(runtime.encode(noise, 0)) is None  # stored, without a checksum


@pytest.mark.parametrize("short", [False, True])
def test_damage_is_an_error(short):
    packed = single_chunk.pack(coded(30, short_chunks=short))
    bad = [packed[:n] for n in range(min(len(packed), 25))] + [b"\x90" + packed[1:], b"\x07" + packed[1:]]
    bad += [packed[:6] + bytes([coding]) + packed[7:] for coding in (0, 2, 3, 7)]
    for data in bad:
        with pytest.raises(runtime.MiddleoutError):
            list(BlockReader(io.BytesIO(single_chunk.restore(data, MODEL))))
            runtime.decode(single_chunk.restore(data, MODEL))
