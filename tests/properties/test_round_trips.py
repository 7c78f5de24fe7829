"""Whatever the samples, their type, layout and the options are: they come back, and take little more than themselves.

`MIDDLEOUT_EXAMPLES=50` makes fifty times as many examples, other ones each time.
"""

from __future__ import annotations

import io

import numpy as np
import pytest

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is part of the dev extra")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from property_signals import FLOATS, INTEGERS, examples, recordings  # noqa: E402

import runtime  # noqa: E402
from runtime.compiled import choice  # noqa: E402
from runtime.core import compiled, near_lossless  # noqa: E402
from runtime.core.terms import CHANNEL_TIME, LAYOUTS  # noqa: E402
from runtime.streaming import StreamDecoder, StreamEncoder  # noqa: E402

FILE_BYTES, CHUNK_BYTES = 128, 33
"""What a file and each of its chunks take at most besides the samples (docs/reliability.md)."""
MODELS = st.sampled_from([None, None, "implant", "device", "implant-small", "array-messages", "implant-lstm"])


@st.composite
def options(draw):
    """Keywords of `runtime.encode` that keep samples exact."""
    found = {"independent": draw(st.booleans()), "model": draw(MODELS), "verify": draw(st.booleans())}
    if draw(st.booleans()):
        found["chunk_frames"] = draw(st.integers(1, 150))
    return found


def encoded(samples, layout, **fields):
    given = samples.T if layout == CHANNEL_TIME else samples
    return runtime.encode(given, 20000, layout=layout, **fields)


def same(found, expected):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


@examples(40)
@given(recordings(INTEGERS + FLOATS), st.sampled_from(LAYOUTS), options(), st.data())
def test_samples_come_back(samples, layout, fields, data):
    coded = encoded(samples, layout, **fields)
    back, rate = runtime.decode(coded)
    same(back, samples)
    assert rate == 20000
    with runtime.open(io.BytesIO(coded)) as reader:
        chunks = len(list(reader.payloads()))
        for _ in range(3):
            start, stop = data.draw(st.integers(-5, len(samples) + 5)), data.draw(st.integers(-5, len(samples) + 5))
            channels = data.draw(st.lists(st.integers(0, samples.shape[1] - 1), max_size=3))
            same(reader.read(start, stop, channels), samples[start:stop, channels])
    assert len(coded) <= samples.nbytes + FILE_BYTES + CHUNK_BYTES * chunks


@examples(25)
@given(recordings(), st.sampled_from(LAYOUTS), options(), st.sampled_from([0, 0, 1, 7, 255]))
def test_both_engines_give_the_same_bytes(samples, layout, fields, max_error):
    if not compiled.loads():
        pytest.skip("numba is not installed")
    if samples.dtype.itemsize > 2:
        max_error = 0
    fields |= {"max_error": max_error, "verify": False}
    try:
        choice.use("numpy")
        plain = encoded(samples, layout, **fields)
        plain_back, _ = runtime.decode(plain)
        choice.use("compiled")
        assert encoded(samples, layout, **fields) == plain
        same(runtime.decode(plain)[0], plain_back)
    finally:
        choice.use("auto")


@examples(25)
@given(recordings(("int16",)), st.integers(1, 255), options())
def test_near_lossless_samples_are_within_the_bound(samples, max_error, fields):
    back, _ = runtime.decode(runtime.encode(samples, 20000, layout="time-channel", max_error=max_error, **fields))
    assert back.shape == samples.shape
    assert not len(samples) or near_lossless.within(samples, back, max_error)


@examples(25)
@given(recordings(("int16",)), st.integers(1, 60), st.data())
def test_streams_come_back(samples, block, data):
    encoder, decoder = StreamEncoder(samples.shape[1], 20000, block=block, resync=0.003), StreamDecoder()
    packets, at = [], 0
    while at < len(samples):
        count = data.draw(st.integers(1, len(samples)))
        packets += encoder.push(samples[at : at + count])
        at += count
    sent, found = b"".join(packets + encoder.finish()), []
    while sent:
        count = data.draw(st.integers(1, len(sent)))
        found += decoder.push(sent[:count])
        sent = sent[count:]
    found += decoder.finish()
    assert decoder.complete
    assert not decoder.events
    if len(samples):
        same(np.concatenate([part for _, part in found]), samples)


@examples(12)
@given(recordings(INTEGERS + FLOATS), st.sampled_from(LAYOUTS), st.booleans())
def test_raw_files_come_back_byte_for_byte(tmp_path_factory, samples, layout, embed):
    folder = tmp_path_factory.mktemp("raw")
    data = (samples.T if layout == CHANNEL_TIME else samples).tobytes()
    (folder / "a.raw").write_bytes(data)
    known = {"channels": samples.shape[1], "dtype": samples.dtype.name, "layout": layout, "embed_model": embed}
    runtime.encode_file(folder / "a.raw", **known)
    runtime.decode_file(folder / "a.mdo", folder / "b.raw")
    assert (folder / "b.raw").read_bytes() == data
