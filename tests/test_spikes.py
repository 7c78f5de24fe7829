"""What scripts/activity measures with: nothing lost where nothing changed, and loss seen where something was lost."""

import numpy as np
import pytest
import spikes

from training.simulate import RATE, simulate


@pytest.fixture(scope="module")
def original():
    return spikes.Original(simulate(3 * RATE, 2, seed=41).codes, RATE)


def test_a_recording_agrees_with_itself(original):
    figures = original.compare(original.codes)
    for name in ("recall", "precision", "clear_recall", "clear_precision", "waveform", "clusters", "slow"):
        assert figures[name] == pytest.approx(1), name
    for name in ("jitter_us", "feature_error", "rate_error", "rate_share"):
        assert figures[name] == pytest.approx(0, abs=1e-9), name
    assert sum(map(len, original.all)) > 50


def test_what_is_lost_is_seen(original):
    half = original.codes.copy()
    half[len(half) // 2 :] = 0
    figures = original.compare(half)
    assert 0.2 < figures["recall"] < 0.8 and figures["precision"] > 0.95
    assert figures["rate_share"] > 0.2 and figures["slow"] < 0.95
    moved = original.compare(np.roll(original.codes, 3, axis=0))
    assert moved["jitter_us"] == pytest.approx(3 / RATE * 1e6, rel=0.1)
    assert original.compare(np.zeros_like(original.codes))["recall"] == 0


def test_filter_passes_its_band():
    t = np.arange(RATE) / RATE
    signal = np.stack([np.sin(2 * np.pi * f * t) for f in (30, 1000, 300, 9000)], axis=1)
    size = np.abs(spikes.filtered(signal, RATE, 300, 3000)[2000:-2000]).max(axis=0)
    assert size[0] < 0.01 and size[1] == pytest.approx(1, abs=0.02) and size[3] < 0.01
    assert size[2] == pytest.approx(0.5, abs=0.02), "minus 6 dB at the edge: run twice"
