"""The Rice coder: its tables, its bit strings, steps through encoder and decoder, and what it costs."""

import numpy as np
import pytest
from signal_kinds import signals

import runtime
from runtime.core import near_lossless
from runtime.entropy import rice, rice_bits, rice_body, rice_decoder, rice_encoder
from runtime.predictor import model
from runtime.streaming import Calibration, StreamDecoder, StreamEncoder


@pytest.fixture(scope="module")
def n0():
    return model.load("implant-small")


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
    widths, values = np.concatenate(widths), np.concatenate(values)
    whole, unary = rice_bits.pack_fields(values, widths), rice_bits.pack_unary(widths)
    assert len(whole) == (widths.sum() + 7) // 8
    start = np.cumsum(widths) - widths
    read = rice_bits.field_windows(whole)[start >> 3].astype(np.int64) >> (start & 7)
    assert np.array_equal(read & ((1 << widths) - 1), values)
    numbers, padding = rice_bits.unary_numbers(unary)
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


@pytest.mark.parametrize("max_error", [0, 1, 60])
@pytest.mark.slow
def test_every_signal_comes_back(max_error):
    for name, samples in signals().items():
        middle = len(samples) // 2
        samples = samples[max(middle - 500, 0) : middle + 500]
        encoder = StreamEncoder(samples.shape[1], 20000, block=250, resync=0.025, max_error=max_error)
        decoder = StreamDecoder()
        decoded = [part for _, part in decoder.push(b"".join(encoder.push(samples) + encoder.finish()))]
        assert decoder.complete and not decoder.events, name
        assert near_lossless.within(samples, np.concatenate([samples[:0], *decoded]), max_error), name


def random_steps(random, tables, steps, lanes, linear, shift, quiet):
    """Codes with their samples, locations and scales; some of the codes have no rank."""
    scale = random.integers(-3, 20 if quiet else 140, (steps, lanes))
    location = random.integers(-40000, 40000, (steps, lanes)) // (64 if quiet else 1)
    row = (np.clip(scale, 0, 127) >> 4 << 10) + np.clip((location >> 6) + 512, 0, 1023)
    row[:, linear] += 8 << 10
    code = tables.order[row << 8] + np.rint(random.normal(0, 0.2 if quiet else 30, (steps, lanes))).astype(np.int64)
    code = np.clip(code, -5, 1030)
    code[7::50] = -1
    sample = random.integers(-32768, 32768, (steps, lanes)).astype(np.int16)
    sample[:, linear] &= ~((1 << shift[linear]) - 1).astype(np.int16)
    sample[:, linear] |= random.integers(0, 1 << shift[linear], (steps, len(linear))).astype(np.int16)
    return code, sample, location, scale


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("kind", ["implant", "linear", "low bits"])
@pytest.mark.parametrize("lanes", [1, 9])
def test_codes_come_back_step_by_step(n0, lanes, kind, quiet):
    random = np.random.default_rng(lanes)
    linear = np.arange(0, lanes, 2) if kind != "implant" else np.arange(0)
    shift = np.zeros(lanes, np.int64)
    shift[linear] = 3 if kind == "low bits" else 0
    tables = rice.RiceTables.of(n0.entropy, bool(len(linear)))
    code, sample, location, scale = random_steps(random, tables, 300, lanes, linear, shift, quiet)
    body = rice_encoder.RiceEncoder(tables, linear, shift).encode(code, sample, location, scale)
    assert kind != "implant" or bool(body[0] & rice.RUNS) == quiet
    source = rice_decoder.RiceSource(tables, linear, shift)
    source.load(rice_body.RiceBody(body))
    escaped = 0
    for t in range(300):
        expected = code[t].copy()
        found = source.next(location[t].astype(np.int32), scale[t].astype(np.int32))
        numbers, samples = source.escapes(found, None) or (np.zeros(0, int), np.zeros(0, np.int16))
        assert np.array_equal(samples, sample[t, numbers])
        coded = ~np.isin(linear, numbers)
        assert np.array_equal(source.low_bits(t)[coded], (sample[t] & (1 << shift) - 1)[linear][coded])
        expected[numbers] = found[numbers]
        escaped += len(numbers)
        assert np.array_equal(found, expected)
    assert source.finish() and escaped >= 6 * lanes
    source.load(rice_body.RiceBody(body + b"\0"))
    with pytest.raises(runtime.CorruptError):
        for t in range(301):
            source.next(location[t % 300].astype(np.int32), scale[t % 300].astype(np.int32))


def test_runs_pay_where_little_happens(simulation):
    """Samples that are nearly always predicted cost less than the bit that a code without runs takes at least."""
    known = Calibration.of_samples(simulation.samples)
    encoder = StreamEncoder(1, 20000, block=5000, max_error=30, calibration=known)
    size = sum(map(len, encoder.push(simulation.samples) + encoder.finish()))
    assert size * 8 < 0.9 * simulation.samples.size


def test_cost_against_rans(n0, simulation):
    known = Calibration.of_samples(simulation.samples)
    encoder = StreamEncoder(1, 20000, block=20000, calibration=known)
    packets = encoder.push(simulation.samples) + encoder.finish()
    rans = len(runtime.encode(simulation.samples, 20000, model=n0.data))
    assert 1.0 < sum(map(len, packets)) / rans < 1.03


@pytest.mark.parametrize(
    "body",
    [b"", b"\x19\0", b"\x40\0", b"\0", b"\0\x05\1", b"\0\x80", b"\0\x03\0\0\1", b"\x80\0\x09\0"],
)
def test_impossible_bodies(body):
    with pytest.raises(runtime.CorruptError):
        rice_body.RiceBody(body)


def test_the_best_parameter_for_runs():
    lengths = np.random.default_rng(3).geometric(0.03, 500) - 1
    parameter, bits = rice_encoder._cost(lengths)
    assert parameter in (4, 5) and bits < 1.1 * 500 * 6.4
