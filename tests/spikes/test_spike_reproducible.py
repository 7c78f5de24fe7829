"""Spike mode encodes to the same bytes on every machine: signals and choices in whole numbers, or in operations that
IEEE 754 defines."""

import hashlib

import conformance
import numpy as np
import pytest

from runtime import spikes
from runtime.core.implant_table import CODE_TO_SAMPLE
from runtime.predictor import model
from runtime.spikes.detection import filters
from runtime.spikes.options import SpikeOptions
from runtime.spikes.waveforms import costs

pytestmark = pytest.mark.slow

RATE = 20000
SHAPE = np.array([-20, -70, -120, -150, -130, -90, -40, 0, 30, 50, 55, 50, 40, 30, 20, 12, 6, 3])


def codes():
    """int64 [7000, 4]: sums of whole random numbers, spikes on two pairs of channels."""
    random = np.random.Generator(np.random.PCG64(77))
    noise = random.integers(-3, 4, (12, 7000, 4)).sum(axis=0) + random.integers(-9, 10, (70, 4)).repeat(100, axis=0)
    for time in range(300, 6800, 170):
        pair = 2 * int(random.integers(2))
        noise[time : time + len(SHAPE), pair] += SHAPE
        noise[time : time + len(SHAPE), pair + 1] += SHAPE * 2 // 3
    return noise


def sha256(payloads):
    return hashlib.sha256(b"".join(payloads)).hexdigest()[:16]


@pytest.mark.parametrize(
    "keep, implant, expected",
    [
        ("spikes", True, ("7f7db25a2fb7727a", "f4667a5b8d5e3bdc")),
        ("spikes,lfp", True, ("005e8b2d40f53df7", "0b97139198d3a990")),
        ("spikes,lfp", False, ("c48579829618b713", "792c70914f981d24")),
    ],
)
def test_same_bytes(keep, implant, expected):
    samples = (CODE_TO_SAMPLE[codes() + 512] if implant else codes() * 45 + 7).astype(np.int16)
    options = SpikeOptions(tuple(keep.split(",")), 3 if implant else 100, sample_rate=RATE)
    network = model.load(conformance.MODEL)
    file = spikes.encode(samples, 16, options, None, network)
    encoder = spikes.SpikeEncoder(4, options, 1500, network)
    assert (sha256([file]), sha256(encoder.push(samples) + encoder.flush())) == expected


def test_filters_do_not_hang_on_last_digits():
    """Before they are rounded no tap is so close to a half that another machine's sine could turn it."""
    for rate in (2000, 10000, 12500, 15000, 19531, 20000, 24414, 25000, 30000, 32000, 40000, 44100, 48000):
        taps = filters.coarse_response(rate) * (1 << filters.TAP_BITS)
        assert np.abs(taps - np.floor(taps) - 0.5).min() > 1e-8
        assert filters.band_taps(rate).sum() == 0


def test_logarithms_are_whole_parts_of_a_bit():
    values = np.array([1, 2, 3, 1000, 1 << 20])
    assert np.abs(costs.logarithm(values) / costs.UNIT - np.log2(values)).max() < 0.001
    assert costs.bits_of(np.array([1 << 20, 1 << 10])).tolist() == [0, 10 * costs.UNIT]
