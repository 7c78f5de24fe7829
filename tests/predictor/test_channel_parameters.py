import numpy as np
import pytest

from runtime.core.errors import CorruptError
from runtime.predictor.channel_parameters import (
    CONSTANT,
    COPY,
    IMPLANT,
    IMPLANT_MAGNITUDE_BITS,
    LINEAR,
    SideInformation,
)
from runtime.predictor.parameter_bits import pack, unpack


def example(channels=40):
    rng = np.random.default_rng(2)
    side = SideInformation.empty(channels)
    side.kind = rng.integers(0, 3, channels)
    side.mean = np.where(side.kind == IMPLANT, rng.integers(0, 1024, channels), rng.integers(-32768, 32768, channels))
    side.initial_scale = np.where(side.kind == CONSTANT, 0, rng.integers(0, 256, channels))
    side.shift = np.where(side.kind == LINEAR, rng.integers(0, 9, channels), 0)
    side.magnitude_bits = np.select(
        [side.kind == IMPLANT, side.kind == LINEAR], [IMPLANT_MAGNITUDE_BITS, rng.integers(5, 17, channels)], 0
    )
    side.coefficients = rng.integers(-300, 300, (channels, 16)) * (side.kind != CONSTANT)[:, None]
    side.coefficients[::3, 4:8] = 0
    return side


def test_round_trip():
    side = example()
    data = pack(side)
    back, end = unpack(b"head" + data + b"tail", 4, 40)
    assert end == 4 + len(data)
    for name in ("kind", "mean", "initial_scale", "shift", "magnitude_bits", "coefficients"):
        assert (getattr(back, name) == getattr(side, name)).all(), name


def test_a_typical_channel_costs_about_twenty_bytes():
    side = SideInformation.empty(1)
    side.kind[0], side.mean[0], side.initial_scale[0], side.magnitude_bits[0] = (
        IMPLANT,
        530,
        130,
        IMPLANT_MAGNITUDE_BITS,
    )
    side.coefficients[0] = [900, -200, 90, -60, 40, -30, 20, -20, 15, -10, 9, -8, 7, -6, 5, 4]
    assert len(pack(side)) <= 22


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_truncation_is_an_error(cut):
    with pytest.raises(CorruptError):
        unpack(pack(example())[:-cut], 0, 40)


def test_coefficients_that_could_overflow_are_refused():
    side = SideInformation.empty(1)
    side.kind[0], side.magnitude_bits[0] = IMPLANT, IMPLANT_MAGNITUDE_BITS
    side.coefficients[0, :3] = 16000
    with pytest.raises(CorruptError, match="out of range"):
        unpack(pack(side), 0, 1)


@pytest.mark.parametrize("source", [[1], [2, -1], [0, 1]], ids=["itself", "a later one", "a copy"])
def test_impossible_copies_are_refused(source):
    """Channel 0 is constant, then copies of the given channels; -1 is another constant one."""
    side = SideInformation.empty(1 + len(source))
    side.mean[1:] = source
    side.kind[1:] = np.where(side.mean[1:] >= 0, COPY, CONSTANT)
    with pytest.raises(CorruptError, match="copy"):
        unpack(pack(side), 0, len(side.kind))


@pytest.mark.parametrize("fine", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 40])
def test_parameters_that_are_alike_take_little(channels, fine):
    side = SideInformation.empty(channels)
    side.kind[:], side.mean[:], side.initial_scale[:] = LINEAR, -30000 - np.arange(channels) % 4, 250
    side.shift[:], side.magnitude_bits[:] = (-3 if fine else 15), 12
    side.coefficients[:, 0] = 900
    back, end = unpack(data := pack(side), 0, channels, fine=fine)
    assert end == len(data) <= 24 + channels
    for name in ("kind", "mean", "initial_scale", "shift", "magnitude_bits", "coefficients"):
        assert (getattr(back, name) == getattr(side, name)).all()


def test_damaged_parameters_are_errors_or_within_limits():
    data = pack(example(9))
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 128 >> bit % 8
        try:
            side, _ = unpack(bytes(damaged), 0, 9)
        except CorruptError:
            continue
        assert (np.abs(2 * side.mean + 1) < 1 << 16).all() and (side.mean[side.kind == IMPLANT] < 1024).all()
        assert ((side.shift >= 0) & (side.shift < 16)).all() and (side.initial_scale < 256).all()
