"""A target rate: met with the smallest errors that do, or an error that says by how much it is missed."""

import io

import chunk_calls as codec
import numpy as np
import pytest

import runtime
from runtime.batch import codings
from runtime.batch.rate_control import Budget
from runtime.cli import main
from runtime.codec.coding import EncodeTask
from runtime.container.chunk_head import chunk_bound
from runtime.core import near_lossless
from runtime.core.implant_table import CODE_TO_SAMPLE
from runtime.predictor import model
from runtime.recording.wav import WavFormat, canonical_header
from training.simulate import TRANSITION_LEVELS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def n1():
    return model.load()


def implant(seed, frames, channels=1, deviation=6.0):
    """Noise through a converter like the implant's."""
    signal = np.random.default_rng(seed).normal(0, deviation, (frames, channels))
    return CODE_TO_SAMPLE[np.clip(np.searchsorted(TRANSITION_LEVELS, signal, side="right") - 1, 0, 1023)]


def within(chunks, budgets):
    return [EncodeTask(samples, budget=budget) for samples, budget in zip(chunks, budgets, strict=True)]


def test_the_smallest_bound_is_found(n1):
    quiet, loud, linear = (
        implant(1, 4000, 1, 2),
        implant(2, 4000, 1, 30),
        implant(3, 4000, 2) + np.random.default_rng(4).integers(-30, 30, (4000, 2)).astype(np.int16),
    )
    chunks = [quiet, loud, linear]
    budgets = [int(bits * samples.size / 8) for bits, samples in zip((2.0, 2.5, 5.5), chunks, strict=True)]
    payloads = codings.encode(within(chunks, budgets), n1)
    bounds = [chunk_bound(payload) for payload in payloads]
    assert 0 < bounds[0] < bounds[1]
    assert [len(payload) <= budget for payload, budget in zip(payloads, budgets, strict=True)] == [True] * 3
    less = codec.encode_chunks(chunks, n1, max_error=[bound - 1 for bound in bounds])
    assert [len(payload) > budget for payload, budget in zip(less, budgets, strict=True)] == [True] * 3


def test_plenty_and_nothing(n1):
    samples = implant(1, 3000)
    plenty, nothing = codings.encode(within([samples] * 2, [10**6, -5]), n1)
    assert plenty == codec.encode_chunks([samples], n1)[0]
    assert chunk_bound(nothing) in (0, 255) and len(nothing) < 30, "a constant, or the largest bound"


def test_shares_of_what_is_not_chunks():
    known, unknown = Budget(8000, 1000, 4000, 400), Budget(8000, 1000, None, 400)
    assert [known.take(n) for n in (1000, 3000)] == [1000 - 100 - 17, 3000 - 300 - 17]
    assert [unknown.take(n) for n in (1000, 3000)] == [1000 - 400 - 17, 3000 - 17]


@pytest.mark.parametrize("per_sample", [1.6, 2.0, 3.7, 20.0])
def test_a_recording_stays_under_its_rate(per_sample):
    calm = implant(5, 131072, 2, 4)
    calm[70000:] = implant(6, 61072, 2, 14)
    target = per_sample * 2 * 20000
    coded = runtime.encode(calm, 20000, target_rate=target)
    assert 8 * len(coded) * 20000 / len(calm) <= target
    decoded, _ = runtime.decode(coded)
    with runtime.open(io.BytesIO(coded)) as recording:
        assert recording.header.bounded
    if per_sample > 16:
        assert np.array_equal(decoded, calm)
    else:
        assert not np.array_equal(decoded, calm) and near_lossless.within(calm, decoded, 40)


def test_through_the_command_line(tmp_path, capsys):
    path, out = tmp_path / "a.wav", tmp_path / "a.mdo"
    samples = np.concatenate([implant(7, 100_000, 1, 3), implant(8, 120_000, 1, 25)])
    path.write_bytes(canonical_header(WavFormat(1, 20000, 16), len(samples)) + samples.tobytes())
    assert main.main(["encode", str(path), "--target-rate", "40000"]) == 0
    printed = capsys.readouterr().err
    assert 8 * out.stat().st_size * 20000 / len(samples) <= 40000
    assert f"{8 * out.stat().st_size * 20000 / len(samples):.0f} bit/s; largest error " in printed
    assert main.main(["info", "--json", str(out)]) == 0
    assert '"max_error"' in capsys.readouterr().out
    out.unlink()
    assert main.main(["encode", str(path), "--target-rate", "20"]) == 1
    printed = capsys.readouterr().err
    assert "20 bit/s can't be met" in printed and "% more" in printed and not out.exists()
    assert main.main(["encode", str(path), "--target-rate", "9", "--max-error", "2"]) == 2
    assert "give only one" in capsys.readouterr().err


def test_what_can_not_be_asked_for(simulation):
    for target in (0, -4, float("nan"), float("inf")):
        with pytest.raises(runtime.UsageError):
            runtime.encode(simulation.samples, 100, target_rate=target)
    with pytest.raises(runtime.UsageError, match="only one"):
        runtime.encode(simulation.samples, 100, target_rate=100, max_error=1)
    with pytest.raises(runtime.UsageError, match="sample rate in Hz"):
        runtime.encode(simulation.samples, 0, target_rate=100)
    with pytest.raises(runtime.RateError, match="more"):
        runtime.encode(simulation.samples, 100, target_rate=1)


@pytest.mark.parametrize("step", [1, 40])
def test_nothing_is_lost_where_that_is_not_needed(step):
    samples = step * np.cumsum(np.random.default_rng(2).integers(-9, 10, (20000, 2)), axis=0).astype(np.int16)
    lossless = runtime.encode(samples, 1000)
    bits = 8 * len(lossless) * 1000 / len(samples)
    for target in (1.02 * bits, 3 * bits):
        coded = runtime.encode(samples, 1000, target_rate=target)
        assert np.array_equal(runtime.decode(coded)[0], samples) and len(coded) <= 1.001 * len(lossless)
    assert not np.array_equal(runtime.decode(runtime.encode(samples, 1000, target_rate=0.6 * bits))[0], samples)
