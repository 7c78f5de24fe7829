"""Sums over channels are those of their definition, and the same from numpy and from compiled loops."""

import numpy as np
import pytest

from runtime.core import compiled
from runtime.fit import correlation, engine, least_squares, prediction_order, reference_taps, weighted_sums
from runtime.fit.parameters import FitOptions, fit
from runtime.fit.weighted_sums import Predictors

FRAMES = [1, 15, 17, 300, 5000, 8193, 20000]
SPACINGS = [(0, 0), (8, 8), (8, 1), (4, 4), (1, 1), (0, 1)]


@pytest.fixture
def both(monkeypatch):
    """Call a function without and with compiled loops."""
    pytest.importorskip("numba")

    def run(function, *arguments):
        found = []
        for wanted in (compiled.NUMPY, compiled.COMPILED):
            monkeypatch.setattr(compiled, "_wanted", wanted)
            engine.prepare(0.0)
            assert (engine.loops("sums") is None) == (wanted == compiled.NUMPY)
            found.append(function(*arguments))
        return found

    return run


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setattr(compiled, "_wanted", compiled.NUMPY)


def array(frames, channels=6, seed=0):
    """Signals that share something, of different sizes; the first is mostly 0."""
    rng = np.random.default_rng(seed)
    signals = np.zeros((channels, 16 + frames), np.int16)
    shared = rng.normal(0, 300, frames)
    signals[:, 16:] = shared + rng.normal(0, rng.uniform(1, 900, (channels, 1)), (channels, frames))
    signals[0, 16:] = rng.choice([0, 0, 0, 1, -8000], frames)
    return signals


def predictors(channels=6, seed=1):
    rng = np.random.default_rng(seed)
    references = np.array([[1, 2, 3, 4], [0, 2, -1, -1], [5, -1, -1, -1], [0, 1, 2, -1], [-1] * 4, [0, 1, 2, 3]])
    coefficients = np.round(rng.normal(0, 400, (channels, 32)))
    error, floor = rng.uniform(0.02, 900, channels), rng.uniform(0.2, 16, channels)
    return Predictors(np.arange(channels), references, coefficients, error, floor)


def lags_of(signals, row):
    """Everything that predicts a channel, int64 [taps, frames]."""
    made, frames = predictors(), signals.shape[1] - 16
    sources = [(made.channel[row], range(1, 17)), *((r, range(4)) for r in made.references[row] if r >= 0)]
    return np.array([signals[s, 16 - lag : 16 - lag + frames].astype(np.int64) for s, lags in sources for lag in lags])


@pytest.mark.parametrize("frames", [15, 3000, 8200])
def test_sums_are_those_of_their_definition(plain, frames):
    signals, made = array(frames), predictors()
    every = weighted_sums.weighted_sums(signals, made, 1, 1)
    slopes = weighted_sums.weighted_sums(signals, made, 8, 1)
    for row in range(len(signals)):
        lags = lags_of(signals, row)
        coefficients = made.coefficients[row, : len(lags)].astype(np.int64)
        residual = signals[row, 16:] - (coefficients @ lags + 512 >> 10)
        sizes = np.concatenate([np.full(4, int(made.error[row])), np.abs(residual)])
        local = np.convolve(sizes, np.ones(4), "valid")[:-1] / 4 + made.error[row] / 10
        weights = np.clip(15 * made.error[row] ** 2 / ((sizes[4:] / 2 + local) * local) // 1, 1, 31).astype(np.int64)
        rows = np.vstack([np.clip(residual, -32768, 32767 + 1), lags])
        count = len(rows)
        assert np.array_equal(every.equations[row, :count, :count], rows * weights @ rows.T)
        assert np.array_equal(slopes.equations[row, 1:count, 0], lags * weights @ rows[0])
        assert every.weight[row] == slopes.weight[row] == weights.sum()
        assert every.size[row] == np.abs(residual).sum() / frames
        assert not every.equations[row, count:].any()


def test_some_frames_are_a_picture_of_all(plain):
    """Even where a signal has a period of eight."""
    signals = array(100_000)
    signals[3, 16::8] += 2000
    made = predictors()
    some, every = (weighted_sums.weighted_sums(signals, made, step, 1).equations for step in (8, 1))
    scale = np.sqrt(np.diagonal(every, axis1=1, axis2=2))[:, 1:17]
    difference = (some - every)[:, 1:17, 1:17] / (scale[:, :, None] * scale[:, None])
    assert np.abs(difference).max() < 0.1


@pytest.mark.parametrize("frames", FRAMES)
def test_covariances_are_those_of_their_definition(both, frames):
    signals = array(frames)
    lags = [signals[:, 16 - lag : 16 - lag + frames].astype(np.int64) for lag in range(17)]
    expected = np.array([[(a * b).sum(axis=1) for b in lags] for a in lags]).transpose(2, 0, 1)
    for found in both(weighted_sums.covariances, signals):
        assert np.array_equal(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("spacings", SPACINGS)
def test_compiled_sums_are_the_same(both, frames, spacings):
    without, compiled_ones = both(weighted_sums.weighted_sums, array(frames), predictors(), *spacings)
    for name in ("equations", "weight", "size", "cost"):
        assert np.array_equal(getattr(without, name), getattr(compiled_ones, name)), name


@pytest.mark.slow
def test_compiled_solutions_are_the_same(both):
    sums = weighted_sums.weighted_sums(array(9000), predictors(), 4, 4)
    there = predictors().references >= 0
    used = np.concatenate([np.ones((6, 16), bool), np.repeat(there, 4, axis=1)], axis=1)
    calls = [
        (least_squares.solve, sums.equations, sums.weight),
        (least_squares.solve, sums.equations, sums.weight, used),
    ]
    calls += [(reference_taps.references_kept, sums.equations, sums.weight, there, limit) for limit in (1.0, 1.01, 1.5)]
    for function, *arguments in calls:
        for a, b in zip(*both(function, *arguments), strict=True):
            assert np.array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 2, 6, 60])
def test_compiled_orders_are_the_same(both, channels):
    rng = np.random.default_rng(channels)
    for seed in range(4):
        mixed = rng.normal(0, 1, (channels, 3 + channels // 4))
        found = mixed @ mixed.T
        correlation_of = found / np.sqrt(np.diagonal(found)[:, None] * np.diagonal(found))
        correlation_of[np.abs(correlation_of) < rng.uniform(0, 0.5)] = 0
        power = np.round(np.square(correlation_of), 1 if seed % 2 else 9)
        a, b = both(prediction_order.find_order, power, correlation_of)
        assert np.array_equal(a.level, b.level) and np.array_equal(a.references, b.references)


@pytest.mark.slow
def test_compiled_whitening_is_the_same(both):
    for frames in (40, 5000, 30000):
        rows = both(correlation.white_rows, array(frames), predictors().coefficients[:, :16], 1 << 13)
        assert np.array_equal(*rows)


@pytest.mark.slow
@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("channels", [3, 20])
def test_the_fit_is_the_same_with_compiled_loops(both, joint, channels):
    samples = np.ascontiguousarray(array(4000, channels)[:, 16:].T)
    without, with_loops = both(fit, samples, np.arange(1024, dtype=np.int32), None, FitOptions(joint))
    for name, value in vars(without).items():
        assert np.array_equal(value, getattr(with_loops, name)), name
    assert without.has_references == joint
