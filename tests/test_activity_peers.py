"""Activity mode: channels that hear each other."""

import io

import numpy as np
import pytest

import runtime
from runtime import spikes
from runtime.core.implant_table import CODE_TO_SAMPLE, codes_of
from runtime.predictor import model
from runtime.spikes.options import Activity
from runtime.spikes.references import Hearing
from training.simulate import RATE, ArraySimulation, simulate


def values_of(samples):
    """Codes -512..511."""
    return codes_of(np.ascontiguousarray(samples)).astype(int) - 512


def read(data):
    with runtime.open(io.BytesIO(data)) as reader:
        return reader.read(), reader.mask()


@pytest.fixture(scope="module")
def neighbours():
    """A second of sixteen channels on a grid, which hear the same spikes."""
    codes = np.concatenate(list(ArraySimulation(RATE, 16, seed=3).blocks()))
    return CODE_TO_SAMPLE[codes.astype(int) + 512]


@pytest.mark.parametrize("options", [{}, {"keep": "spikes,lfp"}, {"max_error": 0}])
def test_spikes_on_neighbours_are_cheaper(neighbours, options):
    options = {"keep": "spikes"} | options
    alone = runtime.encode(neighbours, RATE, independent=True, **options)
    together = runtime.encode(neighbours, RATE, **options)
    assert len(together) < 0.975 * len(alone)
    for before, after in zip(read(alone), read(together), strict=True):
        assert np.array_equal(before, after)


def test_off_the_lattice_channels_hear_each_other_too(neighbours):
    samples = (values_of(neighbours) * 45 + 300).astype(np.int16)
    sizes = [len(runtime.encode(samples, RATE, keep="spikes", max_error=90, independent=i)) for i in (True, False)]
    assert sizes[1] < 0.975 * sizes[0]


def test_unrelated_channels_hear_nobody():
    array = simulate(2 * RATE, 4, seed=5)
    for options in ({}, {"max_error": 0}):
        sizes = [len(runtime.encode(array.samples, RATE, keep="spikes", independent=i, **options)) for i in (0, 1)]
        assert sizes[0] == sizes[1]


def test_damage_to_channels_that_hear_is_an_error(neighbours):
    n1 = model.load()
    payload = spikes.encode(neighbours[:2500], 16, Activity(rate=RATE), None, n1)
    good = spikes.decode(payload, 16, 16, n1)
    size, random = int.from_bytes(payload[23:27], "little"), np.random.default_rng(5)
    assert payload[12] & 8
    for at in random.integers(27, 27 + size, 80).tolist():
        broken = bytearray(payload)
        broken[at] ^= 1 << int(random.integers(8))
        try:
            decoded = spikes.decode(bytes(broken), 16, 16, n1)
        except runtime.CorruptError:
            continue
        assert np.array_equal(decoded, good), f"byte {at}"


def test_tiers_are_refused_where_channels_hear_each_other_in_a_circle():
    hearing = Hearing.none(20)
    hearing.references[1:16, 0] = np.arange(15)
    assert hearing.order_levels()[:17].tolist() == [*range(16), 0]
    hearing.references[16, 0] = 15
    with pytest.raises(runtime.CorruptError):
        hearing.order_levels()
    hearing.references[16, 0], hearing.references[0, 0] = -1, 3
    with pytest.raises(runtime.CorruptError):
        hearing.order_levels()
