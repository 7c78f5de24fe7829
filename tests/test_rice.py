"""The Rice coder: its tables, its bit strings, chunks that use it, and what it costs."""

import numpy as np
import pytest
from test_codec import signals

import runtime
from runtime.codec import codec
from runtime.container.header import RICE
from runtime.core import near_lossless
from runtime.entropy import rice, rice_bits, rice_decoder, rice_encoder
from runtime.predictor import model


@pytest.fixture(scope="module")
def n0():
    return model.load("n0")


@pytest.fixture(scope="module")
def tables(n0):
    return rice.RiceTables.of(n0.entropy, linear=True)


def test_orders_and_ranks_are_inverse(tables):
    order, rank = tables.order.reshape(-1, 256), tables.rank.reshape(-1, 256)
    first = np.repeat(tables.first.reshape(2, 1, 1024), 8, axis=1).reshape(-1, 1)
    for row in (0, 700, 4096 + 511, 8192 + 3000):
        assert np.array_equal(np.sort(order[row]), np.arange(256) + first[row])
        assert np.array_equal(rank[row][order[row] - first[row]], np.arange(256))


def test_bins_hold_their_ranks(tables):
    bins, width, base = tables.bin.reshape(-1, 256), tables.width.reshape(-1, 16), tables.base.reshape(-1, 16) & 255
    for row in range(len(bins)):
        number = bins[row, row // 128 % 2 :]
        ranks = np.arange(256)[row // 128 % 2 :][number < 15]
        number = number[number < 15]
        inside = ranks - base[row][number]
        assert (inside >= 0).all() and (inside < 1 << width[row][number]).all() and (np.diff(number) >= 0).all()


def test_widths_are_never_worse_than_a_plain_rice_code():
    random = np.random.default_rng(1)
    weights = np.sort((random.exponential(1, (20, 256)) * 1000 / np.arange(1, 257)).astype(np.int64), axis=1)[:, ::-1]
    widths = rice.optimal_widths(weights)
    for row, chosen in zip(weights, widths, strict=True):
        assert _bits(row, chosen) <= min(_bits(row, [k] * 15) for k in range(8))
        for place in range(15):  # nor than any neighbour of its own
            for other in {max(chosen[place] - 1, 0), min(chosen[place] + 1, 7)}:
                assert _bits(row, chosen) <= _bits(row, [*chosen[:place], other, *chosen[place + 1 :]])


def _bits(weights, widths):
    total, at = 0, 0
    for number, width in enumerate(widths):
        end = min(at + (1 << int(width)), len(weights))
        total, at = total + int(weights[at:end].sum()) * (number + 1 + int(width)), end
    return total + int(weights[at:].sum()) * 32


@pytest.mark.parametrize("seed", range(4))
def test_bit_strings_come_back(seed):
    random = np.random.default_rng(seed)
    sizes = random.integers(0, 400, 9)
    widths = [random.integers(0, 23 if seed else 2, n) for n in sizes]
    values = [random.integers(0, 1 << 30, n) & ((1 << w) - 1) for n, w in zip(sizes, widths, strict=True)]
    fields, unary = rice_bits.FieldPacker(), rice_bits.UnaryPacker()
    for v, w in zip(values, widths, strict=True):
        fields.add(v, w)
        unary.add(w)
    whole, widths, values = fields.bytes(), np.concatenate(widths), np.concatenate(values)
    assert len(whole) == (widths.sum() + 7) // 8
    start = np.cumsum(widths) - widths
    read = rice_bits.field_windows(whole)[start >> 3].astype(np.int64) >> (start & 7)
    assert np.array_equal(read & ((1 << widths) - 1), values)
    numbers, padding = rice_bits.unary_numbers(unary.bytes())
    assert np.array_equal(numbers, widths) and 0 <= padding < 8
    integer = sum(int(v) << int(s) for v, s in zip(values, start, strict=True))
    assert integer.to_bytes(len(whole), "little") == whole


@pytest.mark.parametrize("value", [0, 127, 128, 300, 1 << 31])
def test_varints(value):
    data = rice_bits.pack_varint(value)
    assert rice_bits.unpack_varint(b"x" + data, 1) == (value, 1 + len(data))
    with pytest.raises(runtime.CorruptError):
        rice_bits.unpack_varint(data[:-1], 0)
    with pytest.raises(runtime.CorruptError):
        rice_bits.unpack_varint(b"\xff" * 9, 0)


@pytest.mark.parametrize("max_error", [0, 1, 7, 60, 255])
def test_every_signal_comes_back(n0, max_error):
    batch = list(signals().values())
    payloads = codec.encode_chunks(batch, n0, max_error=max_error, coder="rice")
    assert RICE in {payload[4] & 7 for payload in payloads}
    decoded = codec.decode_chunks(payloads, [x.shape[1] for x in batch], n0)
    for name, samples, result in zip(signals(), batch, decoded, strict=True):
        assert near_lossless.within(samples, result, max_error), name
        assert max_error or np.array_equal(samples, result), name
    alone = [codec.encode_chunks([x], n0, max_error=max_error, coder="rice")[0] for x in batch]
    assert alone == payloads, "depends on the batch"


def test_chunks_of_both_coders_and_bounds_decode_together(n0, simulation):
    samples = simulation.samples[:5000]
    payloads = [
        codec.encode_chunks([samples], n0, max_error=bound, coder=coder)[0]
        for bound in (0, 3)
        for coder in codec.CODERS
    ]
    assert len(set(payloads)) == 4
    decoded = codec.decode_chunks(payloads, [1] * 4, n0)
    assert np.array_equal(decoded[0], samples) and np.array_equal(decoded[1], samples)
    assert np.array_equal(decoded[2], decoded[3]) and near_lossless.within(samples, decoded[2], 3)


def test_runs_pay_where_little_happens(n0, simulation):
    """Samples that are nearly always predicted cost less than the bit that a code without runs takes at least."""
    samples = simulation.samples
    (payload,) = codec.encode_chunks([samples], n0, coder="rice", max_error=30)
    assert len(payload) * 8 < 0.8 * samples.size
    (decoded,) = codec.decode_chunks([payload], [1], n0)
    assert near_lossless.within(samples, decoded, 30)


def test_cost_against_rans(n0, simulation):
    sizes = {coder: len(codec.encode_chunks([simulation.samples], n0, coder=coder)[0]) for coder in codec.CODERS}
    assert 1.0 < sizes["rice"] / sizes["rans"] < 1.025, sizes


def test_damaged_bodies_are_refused(n0):
    samples = signals()["lattice, grid and flat channels"][:1500]
    (payload,) = codec.encode_chunks([samples], n0, coder="rice")
    random = np.random.default_rng(2)
    for at in random.integers(5, len(payload), 30).tolist():
        bad = payload[:at] + bytes([payload[at] ^ 1 << int(random.integers(8))]) + payload[at + 1 :]
        with pytest.raises(runtime.CorruptError):
            result = codec.decode_chunks([bad], [samples.shape[1]], n0)
            assert np.array_equal(result[0], samples), "wrong samples"
            raise runtime.CorruptError  # padding bits do not matter
    for cut in (12, len(payload) // 2, len(payload) - 1):
        with pytest.raises(runtime.CorruptError):
            codec.decode_chunks([payload[:cut]], [samples.shape[1]], n0)
    with pytest.raises(runtime.CorruptError):
        codec.decode_chunks([payload + b"\0"], [samples.shape[1]], n0)


@pytest.mark.parametrize(
    "body",
    [b"", b"\x19\0", b"\x40\0", b"\0", b"\0\x05\1", b"\0\x80", b"\0\x03\0\0\1", b"\x80\0\x09\0"],
)
def test_impossible_bodies(body):
    with pytest.raises(runtime.CorruptError):
        rice_decoder.RiceBody(body)


def test_the_best_parameter_for_runs():
    lengths = np.random.default_rng(3).geometric(0.03, 500) - 1
    parameter, bits = rice_encoder._cost(lengths)
    assert parameter in (4, 5) and bits < 1.1 * 500 * 6.4


def test_through_the_api(simulation):
    data = runtime.encode(simulation.samples, 19531, coder="rice")
    samples, rate = runtime.decode(data)
    assert rate == 19531 and np.array_equal(samples, simulation.samples)
    with pytest.raises(runtime.UsageError):
        runtime.encode(simulation.samples, 19531, coder="huffman")
