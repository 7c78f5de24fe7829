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
