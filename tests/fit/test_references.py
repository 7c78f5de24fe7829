"""Channels that hear each other: everything comes back, what is shared is saved, what is not costs nothing."""

import chunk_calls as codec
import numpy as np
import pytest

from runtime.codec import lane_batches, rans_payload
from runtime.container.chunk_head import HAS_REFERENCES, RANS
from runtime.core import compiled
from runtime.core.errors import CorruptError
from runtime.core.implant_table import CODE_TO_SAMPLE
from runtime.fit.prediction_order import PredictionOrder
from runtime.predictor import model
from runtime.predictor.channel_parameters import SideInformation
from runtime.predictor.parameter_bits import pack, unpack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def n1():
    return model.load()


def array(channels=12, frames=3000, seed=0, sign=1, shared=0.8):
    """Channels with noise in common, as codes; float [time, channel]."""
    rng = np.random.default_rng(seed)
    common = rng.normal(0, 8, (frames, 1)) * np.where(np.arange(channels) % 2, sign, 1)
    own = rng.normal(0, 8, (frames, channels))
    return shared * common + np.sqrt(1 - shared**2) * own + 40 * np.sin(np.arange(frames)[:, None] / 90)


def on_implant(codes):
    return CODE_TO_SAMPLE[np.clip(np.rint(codes), -512, 511).astype(int) + 512]


def size_and_back(samples, n1, **options):
    (payload,) = codec.encode_chunks([samples], n1, **options)
    (back,) = codec.decode_chunks([payload], [samples.shape[1]], n1)
    assert np.array_equal(back, samples)
    return len(payload), payload


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("kind", ["implant", "linear", "mixed"])
def test_what_channels_share_is_saved(n1, kind, sign):
    codes = array(sign=sign)
    samples = on_implant(codes)
    if kind != "implant":
        linear = np.rint(codes * 37).astype(np.int16)
        samples = linear if kind == "linear" else np.hstack([samples[:, :6], linear[:, 6:]])
    alone, _ = size_and_back(samples, n1, independent=True)
    together, payload = size_and_back(samples, n1)
    assert payload[4] == RANS | HAS_REFERENCES
    assert 8 * (alone - together) > 0.25 * samples.size


def test_channels_that_share_nothing_are_coded_alone(n1):
    samples = on_implant(array(shared=0.0) - 40 * np.sin(np.arange(3000)[:, None] / 90))
    alone, expected = size_and_back(samples, n1, independent=True)
    together, payload = size_and_back(samples, n1)
    assert payload[4] == RANS and payload == expected


def test_dead_and_doubled_channels_cost_next_to_nothing(n1):
    samples = on_implant(array(8, 6000))
    extra = np.hstack([samples, np.full((6000, 1), -95, np.int16), samples[:, 3:4]])
    without, _ = size_and_back(samples, n1)
    both, _ = size_and_back(extra, n1)
    assert 8 * (both - without) / 6000 < 0.05


def test_batches_of_arrays_and_single_channels_do_not_depend_on_each_other(n1):
    shapes = [(5, 3000), (1, 9000), (9, 4001), (2, 40)]
    batch = [on_implant(array(*shape, seed)) for seed, shape in enumerate(shapes)]
    payloads = codec.encode_chunks(batch, n1)
    for samples, payload in zip(batch, payloads, strict=True):
        assert codec.encode_chunks([samples], n1) == [payload]
    decoded = codec.decode_chunks(payloads, [x.shape[1] for x in batch], n1)
    assert all(np.array_equal(a, b) for a, b in zip(batch, decoded, strict=True))


def test_groups_of_segments_give_the_same_stream(n1, monkeypatch):
    samples = on_implant(array(6, 4000))
    _, expected = size_and_back(samples, n1)
    monkeypatch.setattr(compiled, "_wanted", compiled.NUMPY)
    monkeypatch.setattr(lane_batches, "_GROUP_SAMPLES", 1)
    assert size_and_back(samples, n1)[1] == expected


def test_a_given_topology_is_kept(n1):
    samples = on_implant(array(4))
    references = np.full((4, 4), -1)
    references[3, :2], references[0, 0] = [1, 2], 3
    given = PredictionOrder(np.array([2, 0, 0, 1]), references, np.where(references >= 0, 0.6, 0.0))
    _, payload = size_and_back(samples, n1, order=given)
    side = rans_payload.parse(payload, 4).side
    assert set(side.references[3].tolist()) == {1, 2, -1} and (side.references[1:3] < 0).all()
    assert side.order_levels().tolist() == [2, 0, 0, 1] and side.correlation[3, 0] == 19


@pytest.mark.parametrize("follower", [0, 1])
def test_of_two_channels_the_one_that_follows_refers_to_the_other(n1, follower):
    rng = np.random.default_rng(1)
    source = rng.normal(0, 30, 4000)
    delayed = np.r_[0, 0, source[:-2]] + rng.normal(0, 3, 4000)
    columns = [delayed, source] if follower == 0 else [source, delayed]
    _, payload = size_and_back(on_implant(np.column_stack(columns)), n1)
    side = rans_payload.parse(payload, 2).side
    assert side.references[:, 0].tolist() == ([1, -1] if follower == 0 else [-1, 0])


def test_damage_never_gives_wrong_samples(n1):
    samples = on_implant(array(5, 400))
    _, payload = size_and_back(samples, n1)
    rng = np.random.default_rng(5)
    for position in range(0, len(payload), 31):
        damaged = bytearray(payload)
        damaged[position] ^= 1 << rng.integers(0, 8)
        try:
            (result,) = codec.decode_chunks([bytes(damaged)], [5], n1)
        except CorruptError:
            continue
        assert np.array_equal(result, samples), position


def side_with_references(**changes):
    side = SideInformation.empty(3)
    side.kind[:], side.magnitude_bits[:], side.mean[:] = 1, 16, 500
    side.references[2, :2], side.correlation[2, :2] = [0, 1], [-32, 31]
    side.reference_taps[2, :2] = [[900, -3, 0, 5], [-8192, 0, 0, 8191]]
    for name, (index, value) in changes.items():
        getattr(side, name)[index] = value
    return side


def test_side_information_of_peers_comes_back():
    side = side_with_references()
    data = pack(side)
    back, end = unpack(data, 0, 3, has_references=True)
    assert end == len(data)
    assert back.order_levels().tolist() == [0, 0, 1]
    for name in ("references", "correlation", "reference_taps"):
        assert (getattr(back, name) == getattr(side, name)).all(), name


@pytest.mark.parametrize(
    "changes",
    [{"references": ((2, 1), 2)}, {"references": ((2, 1), 3)}, {"references": ((2, 1), 0)}, {"kind": (0, 0)}],
    ids=["itself", "no such channel", "twice", "constant"],
)
def test_impossible_peers_are_refused(changes):
    with pytest.raises(CorruptError, match="can't refer"):
        unpack(pack(side_with_references(**changes)), 0, 3, has_references=True)


@pytest.mark.parametrize("circle", [{(0, 0): 2}, {(0, 0): 1, (1, 0): 0}], ids=["of two", "of two that others refer to"])
def test_circles_are_refused(circle):
    side = side_with_references()
    for place, reference in circle.items():
        side.references[place] = reference
    with pytest.raises(CorruptError, match="circle"):
        unpack(pack(side), 0, 3, has_references=True)


@pytest.mark.parametrize("closed", [False, True])
def test_levels_of_as_many_channels_as_there_may_be_take_little_time(closed):
    side = SideInformation.empty(65535)
    side.references[1:] = np.maximum(np.arange(65534)[:, None] - [0, 1, 2, 3], 0)
    side.references[0, 0] = 65534 if closed else -1
    if closed:
        with pytest.raises(CorruptError, match="circle"):
            side.order_levels()
    else:
        assert (side.order_levels() == np.arange(65535)).all()


def test_coefficients_that_could_overflow_are_refused():
    with pytest.raises(CorruptError, match="out of range"):
        unpack(pack(side_with_references(magnitude_bits=(0, 21), kind=(0, 2))), 0, 3, has_references=True)
