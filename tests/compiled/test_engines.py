"""The compiled engine: the bytes of numpy and onnxruntime, whatever it is given, and not used where it is wrong."""

import numpy as np
import pytest
from both_engines import with_each

import runtime
from runtime.batch import codings
from runtime.codec.coding import DecodeTask, EncodeTask, Part
from runtime.compiled import choice
from runtime.core import compiled
from runtime.core.names import channel_names
from runtime.fit.topology import Topology
from runtime.predictor import model as models
from runtime.streaming import StreamDecoder, StreamEncoder

pytestmark = pytest.mark.skipif(not compiled.loads(), reason="numba is not installed")


def recordings():
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 40, (3000, 12)).cumsum(axis=0) * 0.3 + rng.normal(0, 30, (3000, 1))
    heavy = (rng.standard_cauchy((1500, 3)) * 200).clip(-32768, 32767)
    turns = np.sin(np.arange(5000)[:, None] ** 1.5 / [[900, 700]]) * 300 + rng.normal(0, 20, (5000, 2))
    return {
        "adaptive": turns.astype(np.int16),
        "few frames": noise[:3].astype(np.int16),
        "one channel": noise[:2999, :1].astype(np.int16),
        "references": noise.astype(np.int16),
        "escapes and low bits": heavy.astype(np.int16),
        "loud": (rng.normal(0, 9000, (2000, 9))).clip(-32768, 32767).astype(np.int16),
        "constant and copies": np.repeat(np.column_stack([noise[:, :2], noise[:, :1] * 0 + 7]), 2, axis=1).astype("i2"),
    }


@pytest.mark.parametrize("max_error", [0, 3, 40])
@pytest.mark.parametrize("name", recordings())
def test_both_engines_encode_and_decode_the_same(name, max_error):
    samples, model = recordings()[name], models.load("device")
    plain, fast = with_each(lambda: codings.encode([EncodeTask(samples, max_error=max_error)], model)[0])
    assert plain == fast
    decoded = with_each(lambda: codings.decode([DecodeTask(plain, samples.shape[1])], model)[0])
    assert np.array_equal(*decoded)
    if not max_error:
        assert np.array_equal(decoded[0], samples)


@pytest.mark.parametrize("seed", range(6))
def test_topologies_whose_channels_are_dead_copies_or_exact(seed):
    rng = np.random.default_rng(seed)
    samples = (rng.normal(0, 20, (4000, 1)).cumsum(axis=0) + rng.normal(0, 5, (4000, 8))).round().astype(np.int16)
    steps = np.diff(samples.T.astype(np.float32), axis=1)
    topology = Topology()
    topology.observe(channel_names(8), steps / steps.std(axis=1, keepdims=True))
    dead, copy, *exact = rng.permutation(8)[:4].tolist()
    samples[:, dead], samples[:, copy] = 0, samples[:, copy - 1]
    units = {"annotations": {"units": ["bits" if channel in exact else "uV" for channel in range(8)]}}
    for max_error in (0, 2):
        options = {"max_error": max_error, "topology": topology, "metadata": units}
        plain, fast = with_each(lambda: runtime.encode(samples, 20000, **options))  # noqa: B023
        assert plain == fast
        found = runtime.open(fast)[:]
        assert np.array_equal(found[:, exact], samples[:, exact]) and np.abs(found - samples).max() <= max_error


def test_implant_recordings(simulation):
    samples = np.column_stack([np.roll(simulation.samples[:, 0], 17 * k) for k in range(11)])
    for model in map(models.load, ("implant", "implant-small", "near-lossless")):
        plain, fast = with_each(lambda: codings.encode([EncodeTask(samples, independent=True)], model)[0])  # noqa: B023
        assert plain == fast
        choice.use("compiled")
        assert np.array_equal(codings.decode([DecodeTask(plain, 11)], model)[0], samples)


@pytest.mark.long
def test_any_part_of_a_chunk():
    samples, model, rng = recordings()["references"], models.load("device"), np.random.default_rng(1)
    payload = codings.encode([EncodeTask(samples)], model)[0]
    for _ in range(10):
        start, channels = int(rng.integers(0, 2990)), rng.integers(0, 12, 3)
        part = Part(start, start + int(rng.integers(1, 10)), channels)
        for found in with_each(lambda: codings.decode([DecodeTask(payload, 12, part=part)], model)[0]):  # noqa: B023
            assert np.array_equal(found, samples[part.start : part.stop, channels])


def test_damaged_words_are_refused_and_harm_nothing():
    samples, model, rng = recordings()["escapes and low bits"], models.load("device"), np.random.default_rng(2)
    payload = bytearray(codings.encode([EncodeTask(samples)], model)[0])
    choice.use("compiled")
    for _ in range(60):
        damaged = payload.copy()
        for place in rng.integers(len(payload) // 3, len(payload), 3):
            damaged[place] ^= 1 << int(rng.integers(8))
        if damaged != payload:
            with pytest.raises(runtime.CorruptError):
                codings.decode([DecodeTask(bytes(damaged), 3)], model)


@pytest.mark.parametrize("max_error", [0, 2])
@pytest.mark.parametrize("name", ["references", "escapes and low bits", "one channel"])
def test_streams(name, max_error):
    samples = recordings()[name][:1000]

    def packets():
        encoder = StreamEncoder(samples.shape[1], 20000, block=17, max_error=max_error)
        return encoder.push(samples[:500]) + encoder.push(samples[500:]) + encoder.finish()

    def frames():
        decoder = StreamDecoder()
        found = [part for packet in plain for _, part in decoder.push(packet)]
        assert decoder.complete and not decoder.events
        return np.concatenate(found)

    plain, fast = with_each(packets)
    assert plain == fast
    decoded = with_each(frames)
    assert np.array_equal(*decoded)
    if not max_error:
        assert np.array_equal(decoded[0], samples)


def test_networks_that_are_not_plain_stay_with_onnxruntime():
    choice.use("compiled")
    assert choice.engine_of(models.load("implant-lstm"), 1e9) is None
    assert "none that can be compiled" in choice.explain(models.load("array-messages"))


def test_wrong_loops_are_not_used(monkeypatch):
    from runtime.compiled.engine import Engine

    monkeypatch.setattr(Engine, "wrong_rows", lambda self, model: 3)
    model = models.Model(models.load("implant").data)
    choice.use("compiled")
    with pytest.warns(UserWarning, match="compiled loops are not used: 3 results"):
        assert choice.engine_of(model, 1e9) is None
    assert "can't be used" in choice.explain(model)


def test_the_check_sees_a_wrong_network():
    from runtime.compiled.engine import Engine

    model = models.load("implant")
    engine = Engine(model)
    assert engine.wrong_rows(model) == 0
    engine.network[0][20] += 1
    assert engine.wrong_rows(model) > 500


def test_small_jobs_do_not_load_numba():
    model = models.load("implant")
    choice.use("auto")
    assert choice.engine_of(model, 1e9) is not None
    with pytest.raises(runtime.UsageError, match="engine 'fast'"):
        choice.use("fast")
