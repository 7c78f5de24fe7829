"""The compiled loops of spike mode: what numpy gives, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from both_engines import with_each

from runtime.core import compiled
from runtime.core.implant_table import CODE_TO_SAMPLE
from runtime.predictor import model as models
from runtime.spikes import SpikeEncoder, SpikeOptions
from runtime.spikes.bins import Units
from runtime.spikes.detection import filters
from runtime.spikes.payload import lanes as payload_lanes
from runtime.spikes.render.lfp import Lfp
from runtime.spikes.render.rendering import Lines, render_all
from runtime.spikes.shape import ChunkShape
from runtime.spikes.windows import Events

pytestmark = pytest.mark.skipif(not compiled.loads(), reason="numba is not installed")

RATE = 20000


def equal(first, second):
    return all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(first, second, strict=True))


@pytest.fixture
def codes():
    """int16 [700, 70]: more channels than are filtered side by side, more frames than at once."""
    return np.random.default_rng(4).integers(-512, 512, (700, 70)).astype(np.int16)


@pytest.mark.parametrize("rate", [2000, 3000, 19531, 30000])
def test_bands(codes, rate):
    taps = filters.band_taps(rate)
    plain, fast = with_each(lambda: [filters.band(codes, taps, exact) for exact in (np.float32, np.float64)])
    assert equal(plain, fast) and np.array_equal(*plain)
    place = np.array([0, 3, 69, 69]), np.array([-4, 100, 690, 0])
    spans, same = with_each(lambda: filters.band_at(codes, *place, 14, rate))
    assert np.array_equal(spans, same) and np.array_equal(spans[1], filters.band_of(codes, rate)[100:114, 3])


def test_events_and_counts(codes):
    filtered = filters.band(codes, filters.band_taps(RATE))
    threshold, below = np.full(70, 1.5) * filtered.std(), np.arange(70) % 2 == 0

    def events():
        some = filters.crossings(filtered, threshold, 20, below), filters.crossings(filtered, threshold / 9, 1)
        counts = filters.count_beyond(filtered, threshold), filters.count_values(codes, -512, 511)
        return [*some[0], *some[1], *counts]

    plain, fast = with_each(events)
    assert equal(plain, fast) and len(plain[0]) > 100


def test_lines_and_pulses():
    random = np.random.default_rng(6)
    entropy = models.load().coarse(3).entropy
    for linear in (False, True):
        units = Units(entropy, 3, linear, 0, 16)
        channel, frame = np.sort(random.integers(0, 30, 300)), random.integers(0, 500, 300)
        order = np.lexsort((frame, channel))
        windows = Events(channel[order], frame[order]).windows(9, 20, 500)
        windows = replace(windows, correction=random.integers(-15, 16, len(windows)))
        low, high = max(units.low, -20000), min(units.high, 20000)
        level = random.integers(low, high, 31)
        lines = Lines(int(random.integers(low, high)), level)
        values = random.integers(low, high, windows.length.sum())
        shape = ChunkShape(500, 0, 9, 20, 40)
        plain, fast = with_each(lambda: render_all(shape, units, lines, windows, values, None))  # noqa: B023
        assert np.array_equal(plain, fast) and plain.dtype == fast.dtype
        columns = np.full(31, 22), np.zeros(31, int), np.zeros((31, 2), int)
        lfp = Lfp(50, 500, *columns, random.integers(low // 7, high // 7, (31, 11)))
        plain, fast = with_each(lambda: render_all(shape, units, lines, windows, values, lfp))  # noqa: B023
        assert np.array_equal(plain, fast) and plain.dtype == fast.dtype


@pytest.mark.parametrize("implant", [True, False])
def test_streams(implant):
    codes = np.random.default_rng(8).normal(0, 30, (3000, 6))
    codes[300::211] -= 300
    codes = codes.clip(-500, 500).astype(np.int16)
    samples = CODE_TO_SAMPLE[codes + 512] if implant else codes * np.int16(45)

    def chunks():
        encoder = SpikeEncoder(6, SpikeOptions(sample_rate=RATE), 700, models.load())
        return encoder.push(samples) + encoder.flush()

    plain, fast = with_each(chunks)
    assert plain == fast and sum(map(len, plain)) > 500


def test_lanes():
    random = np.random.default_rng(12)
    for steps, lanes in ((900, 3), (40, 70), (1, 1)):
        frequency = np.minimum(2 ** random.uniform(0, 20, (steps, lanes)), (1 << 20) - 1).astype(np.uint32) + 1
        start = (random.random((steps, lanes)) * ((1 << 20) - frequency)).astype(np.uint32)
        plain, fast = with_each(lambda: payload_lanes.encode(start, frequency))  # noqa: B023
        assert equal(plain, fast) and len(plain[1]) < steps * lanes
