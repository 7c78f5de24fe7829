"""Samples of 24 and 32 bits, and floats: exact, whatever they are, and small where whole numbers are behind them."""

import io

import chunk_calls as codec
import numpy as np
import pytest

import runtime
from runtime.batch import codings
from runtime.codec.coding import DecodeTask, EncodeTask, Part
from runtime.core.errors import CorruptError, MiddleoutError, UsageError
from runtime.wide import payload as chunks
from runtime.wide.channels import WideChannel
from runtime.wide.wide_coding import stored_floats

hypothesis = pytest.importorskip("hypothesis")
arrays = pytest.importorskip("hypothesis.extra.numpy")
given, st = hypothesis.given, hypothesis.strategies
ANY = hypothesis.settings(max_examples=30, deadline=None)
SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 3))
LONG = 1 << 31


def walk(frames=6000, channels=2, seed=0):
    """Whole numbers that fit 16 bits, float64 [frames, channels]."""
    random = np.random.default_rng(seed)
    steps = random.normal(0, 15, (frames, channels)).cumsum(axis=0)
    return np.rint(np.clip(steps + random.normal(0, 9, (frames, channels)), -32768, 32767)) + 0.0  # no negative zeros


def there_and_back(samples, device_model):
    """The payload of a chunk that decodes to these bits."""
    (payload,) = codec.encode_chunks([samples], device_model)
    (back,) = codec.decode_chunks([payload], [samples.shape[1]], device_model)
    assert back.dtype == samples.dtype
    assert back.tobytes() == samples.tobytes()
    task = EncodeTask(samples)
    assert codings.coding_of(payload).verify(task, payload, back)
    return payload


def words(payload, channels):
    return codings.coding_of(payload).describe(DecodeTask(payload, channels))


@ANY
@given(arrays.arrays(np.int32, SHAPES))
def test_any_whole_numbers(device_model, samples):
    assert len(there_and_back(samples, device_model)) <= samples.nbytes + 16


@ANY
@given(arrays.arrays(np.int32, SHAPES, elements=st.sampled_from([-LONG, LONG - 1, 0, 1, -1, 65535])))
def test_whole_numbers_at_the_ends(device_model, samples):
    there_and_back(samples, device_model)


@ANY
@given(st.data(), st.sampled_from([np.float32, np.float64]))
def test_any_floats(device_model, data, dtype):
    """All bits: negative zeros, infinities, NaN of any payload, subnormal ones."""
    bits = data.draw(arrays.arrays(f"u{np.dtype(dtype).itemsize}", SHAPES))
    assert len(there_and_back(bits.view(dtype), device_model)) <= bits.nbytes + 16


@ANY
@given(
    arrays.arrays(np.int64, SHAPES, elements=st.integers(-(2**23), 2**23)),
    st.floats(1e-30, 1e30, allow_subnormal=False),
    st.sampled_from([np.float32, np.float64]),
)
def test_any_floats_with_a_step(device_model, numbers, step, dtype):
    there_and_back((numbers * step).astype(dtype), device_model)


@pytest.mark.parametrize("frames", [1, 2, 17, 5000])
def test_numbers_of_16_bits_cost_what_int16_costs(device_model, frames):
    samples = walk(frames)
    (narrow,) = codec.encode_chunks([samples.astype(np.int16)], device_model)
    wide = there_and_back(samples.astype(np.int32), device_model)
    assert len(wide) - len(narrow) <= 4
    assert words(wide, 2) == words(narrow, 2)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda x: x * 256, "multiples of 256"),
        (lambda x: x * 40000 + 77, "multiples of 40000"),
        (lambda x: x + 5_000_000, None),
        (lambda x: x + np.arange(len(x))[:, None] * 97, "drift apart"),
        (lambda x: np.where(np.arange(len(x))[:, None] % 1999 == 5, 10**9, x), "exceptions"),
    ],
    ids=["left-justified", "step", "offset", "drift", "outliers"],
)
def test_what_is_taken_out_costs_next_to_nothing(device_model, change, named):
    samples = walk()
    (narrow,) = codec.encode_chunks([samples.astype(np.int16)], device_model)
    wide = there_and_back(change(samples.astype(np.int64)).astype(np.int32), device_model)
    assert len(wide) < 1.02 * len(narrow) + 100
    assert named is None or words(wide, 2)[named] == 2


def test_low_bits_of_noise_are_kept_apart(device_model):
    samples = np.random.default_rng(3).normal(0, 2**22, (4000, 1)).astype(np.int32)
    payload = there_and_back(samples, device_model)
    assert words(payload, 1)["9 low bits apart"] == 1
    assert 8 * len(payload) / len(samples) < np.log2(2**22 * np.sqrt(2 * np.pi * np.e)) + 0.25


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("step", [0.1, 0.0488281, 1 / 3, 2.0**-15, 0.195, float(np.float32(0.1)), 1.0, 3.05e-7])
def test_floats_with_a_step_cost_what_their_numbers_cost(device_model, dtype, step):
    samples = walk()
    (narrow,) = codec.encode_chunks([samples.astype(np.int16)], device_model)
    wide = there_and_back((samples * step).astype(dtype), device_model)
    assert len(wide) - len(narrow) <= 40
    assert stored_floats(wide, 2) == 0
    (named,) = (name for name in words(wide, 2) if name.startswith("in steps of "))
    assert float(named.removeprefix("in steps of ")) == pytest.approx(step, rel=1e-6)


def test_few_samples_far_from_zero_tell_their_step(device_model):
    samples = (walk(200) + 900_000) * 0.1
    assert stored_floats(there_and_back(samples.astype(np.float32), device_model), 2) == 0


@pytest.mark.parametrize("odd", [-0.0, np.nan, np.inf, np.pi])
def test_one_odd_float_has_its_channel_stored(device_model, odd):
    samples = (walk(3000) * 0.1).astype(np.float32)
    samples[1234, 1] = odd
    payload = there_and_back(samples, device_model)
    assert stored_floats(payload, 2) == 1
    found = words(payload, 2)
    assert found.pop("in steps of 0.1") == 1
    assert sorted(found.values()) == [1, 1]
    assert found["stored, compressed by zstd"] == 1


@pytest.fixture
def various():
    """Channels of every kind, float32 [frames, channels]."""
    x = walk(9000, 5, 4)
    x[:, 1] += np.arange(9000) * 55
    x[::900, 2] = 4e6
    made, random = x * 0.5, np.random.default_rng(5)
    made[:, 3] = random.integers(-(2**23), 2**23, 9000)
    made[:, 4] = random.standard_normal(9000)
    return made.astype(np.float32)


def test_any_part_is_that_of_the_whole(device_model, various):
    payload = there_and_back(various, device_model)
    assert stored_floats(payload, 5) == 1
    assert {"in steps of 0.5, drift apart", "in steps of 0.5, exceptions"} < set(words(payload, 5))
    for start, stop, channels in [(0, 9000, [4, 3]), (8, 9, [1]), (4999, 7003, [3, 0, 2, 1]), (8999, 9000, [2, 4])]:
        part = Part(start, stop, np.array(channels))
        (back,) = codings.decode([DecodeTask(payload, 5, 16, part)], device_model)
        assert np.array_equal(back, various[start:stop, channels])


def test_readers_give_any_part(various):
    coded = runtime.encode(various, 1000, chunk_frames=2500)
    for cache in (0, 1 << 20):
        with runtime.open(io.BytesIO(coded), cache_bytes=cache) as reader:
            assert reader.dtype == np.float32
            assert np.array_equal(reader.read(), various)
            for start, stop, channels in [(2400, 2600, [4, 0]), (17, 18, [1]), (2, 8000, [2, 3])]:
                assert np.array_equal(reader.read(start, stop, channels), various[start:stop, channels])
                assert np.array_equal(reader.read(start, stop), various[start:stop])
            assert np.array_equal(np.concatenate(list(reader)), various)


def test_damage_is_found(device_model, various):
    """Whatever a byte becomes, no other error comes; the checksum of the block finds what is not found here."""
    (payload,) = codec.encode_chunks([various[:300]], device_model)
    random = np.random.default_rng(6)
    found = 0
    places = [*range(4, 70), *random.integers(70, len(payload), 20).tolist()]
    for place in places:
        damaged = bytearray(payload)
        damaged[place] ^= 1 << int(random.integers(8))
        try:
            codec.decode_chunks([bytes(damaged)], [5], device_model)
        except CorruptError:
            found += 1
    assert found > len(places) // 4
    for end in (5, 6, 7, *random.integers(8, len(payload), 30).tolist()):
        with pytest.raises(CorruptError):
            codec.decode_chunks([payload[:end]], [5], device_model)


def test_impossible_fields_are_refused(device_model):
    def packed(**fields):
        channel = WideChannel(**fields)
        chunk = chunks.WideChunk(9, np.dtype(np.int32), [channel], b"", b"", None)
        (inner,) = codec.encode_chunks([np.full((9, 1), 7, np.int16)], device_model)
        chunk.inner = inner
        chunk.low_bits = bytes(2 * channel.shift)
        return chunks.pack(chunk)

    assert codec.decode_chunks([packed(divisor=3, phase=1)], [1], device_model)[0].tolist() == [[22]] * 9
    for fields in (
        {"divisor": 0, "shift": 1},
        {"divisor": 3, "phase": 3},
        {"shift": 17},
        {"spacing": 24, "knots": np.zeros(2, np.int64)},
        {"knots": np.array([1 << 40])},
        {"knots": np.array([1 << 32])},
        {"divisor": 1 << 30, "phase": 0},
        {"frames": np.array([9]), "parts": np.array([5])},
        {"frames": np.array([2]), "parts": np.array([1 << 31])},
    ):
        with pytest.raises(CorruptError):
            codec.decode_chunks([packed(**fields)], [1], device_model)


def test_chunks_and_headers_agree():
    """A file of int32 whose chunk says float32, and one of int16 with a wide chunk."""
    from vector_recipes import patched

    coded = runtime.encode(np.arange(99, dtype=np.int32), 1000)
    for changed in (patched(coded, b"C", 5, b"\1"), patched(coded, b"C", 5, b"\7"), patched(coded, b"H", 1, b"\x10")):
        with pytest.raises(CorruptError):
            runtime.decode(changed)


@pytest.mark.parametrize("fields", [{"max_error": 3}, {"target_rate": 1e6}, {"keep": "spikes"}])
def test_lossy_options_are_refused(fields):
    with pytest.raises(UsageError, match="int32 are coded without loss only"):
        runtime.encode(np.arange(99, dtype=np.int32), 1000, **fields)


def test_24_bits_in_python(tmp_path):
    samples = (np.random.default_rng(7).normal(0, 2**20, (900, 2))).astype(np.int32)
    with runtime.Writer(tmp_path / "a.mdo", 1000, 2, dtype="int24") as writer:
        writer.write(samples)
    with runtime.open(tmp_path / "a.mdo") as reader:
        assert reader.dtype == np.int32
        assert np.array_equal(reader.read(), samples)
    runtime.decode_file(tmp_path / "a.mdo")
    assert (tmp_path / "a.wav").stat().st_size == 44 + 900 * 2 * 3
    with pytest.raises(MiddleoutError, match="do not fit 24 bits"), runtime.Writer(io.BytesIO(), 1, dtype="int24") as w:
        w.write(samples[:, 0] * 100)
