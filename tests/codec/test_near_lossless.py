"""Bounded error: every sample within the bound, the bound reached but never passed, damage refused."""

import io

import chunk_calls as codec
import numpy as np
import pytest
from signal_kinds import signals

import runtime
from runtime.batch import coders, codings
from runtime.codec import rans_payload
from runtime.codec.coding import EncodeTask
from runtime.core import near_lossless
from runtime.core.implant_table import CODE_TO_SAMPLE, CODES, codes_of
from runtime.predictor import model, parameter_bits

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def n1():
    return model.load()


@pytest.mark.parametrize("max_error", [1, 2, 3, 10, 100, 254, 255])
def test_bins_are_a_partition_whose_middles_are_within_the_bound(max_error):
    first, reconstruction, bins = near_lossless.implant_bins(max_error)
    assert first[0] == 0 and (np.diff(first) > 0).all() and (np.diff(bins) >= 0).all()
    assert (np.abs(reconstruction[bins] - np.arange(CODES)) <= max_error).all()
    assert np.array_equal(bins[reconstruction], np.arange(len(first))), "a bin does not decode to one of its own codes"
    assert np.array_equal(np.unique(bins, return_index=True)[1], first)
    assert {510, 512} <= set(first.tolist()), "bins begin at codes 0 and -2"


@pytest.mark.parametrize("max_error", [1, 2, 7, 60, 255])
def test_every_signal_comes_back_within_the_bound(n1, max_error):
    batch = list(signals().values())
    payloads = codec.encode_chunks(batch, n1, max_error=max_error)
    decoded = codec.decode_chunks(payloads, [x.shape[1] for x in batch], n1)
    for name, samples, result in zip(signals(), batch, decoded, strict=True):
        for channel in range(samples.shape[1]):
            before, after = samples[:, channel], result[:, channel]
            if codes_of(np.ascontiguousarray(before)).min() >= 0:
                before, after = (codes_of(np.ascontiguousarray(x)) for x in (before, after))
                assert after.min() >= 0, f"{name}: left the table"
            worst = int(np.abs(before.astype(int) - after).max())
            assert worst <= max_error, name
    lossless = codec.encode_chunks(batch, n1)
    assert sum(map(len, payloads)) < 0.8 * sum(map(len, lossless))


def test_a_batch_may_hold_chunks_of_several_bounds(n1):
    samples = signals()["implant, linear and flat channels"]
    bounds = [3, 0, 1, 3, 20]
    payloads = codec.encode_chunks([samples] * 5, n1, max_error=bounds)
    assert payloads[0] == payloads[3]
    alone = [codec.encode_chunks([samples], n1, max_error=bound)[0] for bound in bounds]
    assert alone == payloads, "depends on the batch"
    decoded = codec.decode_chunks(payloads, [samples.shape[1]] * 5, n1)
    assert np.array_equal(decoded[1], samples)
    for bound, result in zip(bounds, decoded, strict=True):
        assert near_lossless.within(samples, result, bound)
        assert not bound or not near_lossless.within(samples, result, bound - 1)


@pytest.mark.parametrize("bits", [8, 16])
def test_the_ends_of_the_range(bits):
    top = 1 << (bits - 1)
    samples = np.arange(-top, top, dtype=np.int16)[:, None]
    for max_error in (1, 2, 3, 100, 255):
        coded, linear = near_lossless.quantise(samples, max_error, bits)
        near_lossless.restore(coded, linear, max_error, bits)
        assert near_lossless.within(samples, coded, max_error, bits)
        assert coded.min() >= -top and coded.max() < top


def test_nearly_flat_channels_become_constant():
    codes = np.array([[500, 505], [504, 510]])
    samples = np.hstack([CODE_TO_SAMPLE[codes], np.int16([[-7, 7], [-3, 7]])])
    coded, linear = near_lossless.quantise(samples, 2)
    assert not linear[[0, 2, 3]].any() and np.array_equal(coded[0, [0, 2, 3]], coded[1, [0, 2, 3]])
    assert np.array_equal(coded[:, 3], samples[:, 3]) and near_lossless.within(samples, coded, 2)


def test_within_sees_what_it_should():
    codes = np.array([[3], [700]])
    implant, linear = CODE_TO_SAMPLE[codes], np.int16([[3], [-700]])
    assert near_lossless.within(implant, CODE_TO_SAMPLE[codes + [[2], [-2]]], 2)
    assert not near_lossless.within(implant, CODE_TO_SAMPLE[codes + [[0], [3]]], 2)
    assert not near_lossless.within(implant, implant + np.int16(1), 2), "off the implant's table"
    assert near_lossless.within(linear, linear + np.int16(2), 2) and not near_lossless.within(
        linear, linear + np.int16(3), 2
    )
    assert not near_lossless.within(linear, linear[:1], 2) and not near_lossless.within(linear, linear + np.int16(1), 0)


def test_verification_notices_a_sample_out_of_bounds(n1, monkeypatch):
    samples = signals()["prime length"]
    real = codings.decode

    def careless(*arguments):
        decoded = real(*arguments)
        decoded[0][777] = CODE_TO_SAMPLE[(codes_of(decoded[0][777]) + 9) % CODES]
        return decoded

    monkeypatch.setattr(codings, "decode", careless)
    (result,) = coders.Encoder(n1).run([EncodeTask(samples, max_error=2)])
    assert isinstance(result, runtime.MiddleoutError) and "verification failed" in str(result)


def test_through_the_api(simulation):
    exact = runtime.encode(simulation.samples, 19531)
    close = runtime.encode(simulation.samples, 19531, max_error=2)
    assert len(close) < 0.7 * len(exact)
    samples, rate = runtime.decode(close)
    assert rate == 19531 and near_lossless.within(simulation.samples, samples, 2)
    with runtime.open(io.BytesIO(close)) as recording:
        assert recording.header.bounded
        assert np.array_equal(recording.read(1000, 2000), samples[1000:2000])
    assert runtime.encode(samples, 19531, max_error=2) == close, "what was decoded does not come back as it is"
    assert runtime.encode(simulation.samples, 19531, max_error=0) == exact


@pytest.mark.parametrize("max_error", [-1, 256, 1.5, True])
def test_impossible_bounds(simulation, max_error):
    with pytest.raises(runtime.UsageError):
        runtime.encode(simulation.samples, 19531, max_error=max_error)
    with pytest.raises(runtime.UsageError):
        runtime.encode_files([], max_error=max_error)


def test_8_bits_stay_8_bits():
    samples = np.uint8(np.clip(np.random.default_rng(1).normal(128, 60, (5000, 2)), 0, 255))
    decoded, _ = runtime.decode(runtime.encode(samples, 100, max_error=9))
    assert decoded.dtype == np.uint8 and np.abs(decoded.astype(int) - samples).max() == 9


def test_arrays_quieter_than_their_bins(n1):
    """Off the table Q6 units get finer than bins, so that predictions may lie anywhere within one."""
    rng = np.random.default_rng(5)
    common = np.cumsum(rng.normal(0, 12, (20000, 1)), axis=0)
    samples = (common - common.mean() + rng.normal(0, 15, (20000, 3))).clip(-30000, 30000).astype(np.int16)
    sizes = []
    for max_error in (10, 40, 120):
        (payload,) = codec.encode_chunks([samples], n1, max_error=max_error)
        side = rans_payload.parse(payload, 3).side
        (decoded,) = codec.decode_chunks([payload], [3], n1)
        assert near_lossless.within(samples, decoded, max_error)
        sizes.append(8 * len(payload) / samples.size)
        assert side.fineness == -side.shift[0] > 0 or max_error == 120  # few values that are packed
    assert sizes[0] < 2.2 and sizes[1] < 0.9 and sizes[2] < 0.5


def test_channels_must_agree_about_their_units(n1):
    samples = np.random.default_rng(5).normal(0, 20, (5000, 2)).astype(np.int16)
    side = rans_payload.parse(codec.encode_chunks([samples], n1, max_error=60)[0], 2).side
    data = parameter_bits.pack(side)
    assert np.array_equal(parameter_bits.unpack(data, 0, 2, side.has_references, fine=True)[0].shift, side.shift)
    side.shift[1] += 1
    with pytest.raises(runtime.CorruptError, match="Q6 units"):
        parameter_bits.unpack(parameter_bits.pack(side), 0, 2, side.has_references, fine=True)


def test_copies_of_a_channel_with_a_palette_come_back():
    """Their palette is that of their source, and so are the numbers in it."""
    values = np.array([89, -50, -59, 2, 35], np.int16)[np.random.default_rng(1).integers(0, 5, 260)]
    samples = np.stack([values, values, values - 59, values], axis=1).astype(np.int8)
    for verify in (False, True):
        coded = runtime.encode(samples, 20000, max_error=7, verify=verify)
        decoded, _ = runtime.decode(coded)
        assert np.abs(decoded.astype(np.int16) - samples).max() <= 7
