import numpy as np
import pytest

from runtime.core import bits
from runtime.core.errors import CorruptError


def test_round_trip_of_many_widths():
    rng = np.random.default_rng(1)
    widths = rng.integers(0, 62, 5000)
    values = rng.integers(0, 1 << 62, 5000) & ((1 << widths) - 1)
    reader = bits.BitReader(b"xyz" + bits.to_bytes(bits.pack(values, widths)), 3)
    assert (reader.read(widths[:77]) == values[:77]).all()
    assert (reader.read(widths[77:]) == values[77:]).all()
    assert reader.align() == 3 + -(-int(widths.sum()) // 8)


def test_signed_values():
    widths = np.array([1, 3, 3, 8, 0, 12])
    values = np.array([-1, 3, -4, -128, 0, -1])
    reader = bits.BitReader(bits.to_bytes(bits.pack(values, widths)))
    assert (reader.read(widths, signed=True) == values).all()


def test_known_bits():
    assert bits.to_bytes(bits.pack(np.array([5, 1, 0]), np.array([3, 1, 2]))) == bytes([0b10110000])


def test_reading_past_the_end_is_an_error():
    with pytest.raises(CorruptError):
        bits.BitReader(b"ab").read(np.array([17]))


def test_bit_length():
    values = np.array([0, 1, 2, 255, 256, (1 << 31) - 1, 1 << 31, (1 << 56) - 1, 1 << 55], np.uint64)
    assert bits.bit_length(values).tolist() == [int(v).bit_length() for v in values]


@pytest.mark.parametrize(("width", "signed"), [(0, False), (1, True), (7, False), (17, True), (40, False)])
def test_numbers_of_one_width_are_read_as_others_are(width, signed):
    values = np.random.default_rng(width).integers(0, 1 << width, 70000)
    if signed:
        values -= (values >> width - 1) << width
    data = b"x" + bits.to_bytes(np.concatenate([[1, 0], bits.pack(values, np.full(len(values), width))]))
    reader = bits.BitReader(data, 1)
    assert reader.take(2) == 2
    assert (reader.read_equal(len(values), width, signed) == values).all()
    with pytest.raises(CorruptError):
        reader.read_equal(8, 1)


@pytest.mark.parametrize("limit", [1, 2, 33, 5000, 1 << 16, 1 << 31])
def test_round_trip_of_increasing_numbers(limit):
    rng = np.random.default_rng(limit)
    for count in (1, 2, 31, 32, 33, 700):
        values = np.unique(rng.integers(0, limit, count))
        packed = bits.pack_increasing(values)
        assert len(packed) <= 1.01 * bits.increasing_bits(values)
        reader = bits.BitReader(bits.to_bytes(np.concatenate([packed, [1, 0, 1]])))
        assert (reader.read_increasing(len(values), limit) == values).all()
        assert reader.take(3) == 5


def test_few_numbers_in_clusters_are_cheap():
    clusters = np.concatenate([np.arange(8), 9000 + np.arange(6), 21000 + np.arange(8)])
    assert len(bits.pack_increasing(clusters)) < 5 * len(clusters)
    assert len(bits.pack_increasing(np.arange(1000))) < 1200


def test_lists_that_are_none_are_refused():
    packed = bits.to_bytes(bits.pack_increasing(np.array([3, 9, 500])))
    for count, limit in ((3, 500), (0, 501), (502, 501)):
        with pytest.raises(CorruptError):
            bits.BitReader(packed).read_increasing(count, limit)
    rng = np.random.default_rng(3)
    for _ in range(300):
        data = rng.integers(0, 256, rng.integers(1, 60)).astype(np.uint8).tobytes()
        try:
            values = bits.BitReader(data).read_increasing(int(rng.integers(1, 50)), 1 << 24)
        except CorruptError:
            continue
        assert (np.diff(values) > 0).all() and values[0] >= 0 and values[-1] < 1 << 24
