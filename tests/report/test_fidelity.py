"""What `scripts/rate_distortion` measures, against what is known beforehand."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from runtime.report import fidelity
from training.simulate import simulate, write_wav

pytestmark = pytest.mark.slow

RATE = 20000


def spiky(seed=0, seconds=4):
    """White noise with forty spikes of sixty deviations, and their times."""
    random = np.random.default_rng(seed)
    signal = random.normal(0, 1, RATE * seconds)
    times = np.linspace(500, len(signal) - 500, 40).astype(int)
    shape = -60 * np.hanning(20) * np.sin(np.linspace(0, 2 * np.pi, 20))
    for t in times:
        signal[t : t + 20] += shape
    return signal, times


def compared(signal, changed):
    return fidelity.Channel(signal, RATE).compare(changed)


def test_filters_pass_what_they_should():
    t = np.arange(RATE) / RATE
    cases = [(950, 1.0, 0.0), (300, 0.5, 0.1), (3000, 0.5, 0.0), (50, 0.0, 1.0), (9000, 0.0, 0.0), (200, 0.0, 0.5)]
    for frequency, gain, low in cases:
        wave = np.sin(2 * np.pi * frequency * t)
        part = slice(4000, -4000)
        found = fidelity.band_passed(wave, RATE, fidelity.SPIKE_BAND)[part]
        assert np.abs(found - gain * wave[part]).max() < 0.1, "another gain, or a phase"
        found = fidelity.band_passed(wave, RATE, fidelity.LFP_BAND)[part]
        assert np.abs(found - low * wave[part]).max() < 0.1, "another gain, or a phase"


def test_an_equal_signal_is_perfect():
    signal, times = spiky()
    same = compared(signal, signal)
    assert same.largest == 0 and not len(same.values["snr"])
    assert len(times) <= same.counts["recall"][1] < len(times) + 20
    assert all(same.counts[name][0] == same.counts[name][1] for name in ("recall", "precision", "clear_recall"))
    total = fidelity.summary([same, same])
    for name in ("recall", "precision", "clear_recall", "clear_precision", "waveform", "clusters", "lfp"):
        assert total[name] == 1, name
    for name in ("shift", "feature_error", "rate_error", "rate_share", "power_bias", "largest"):
        assert total[name] == 0, name
    assert np.isnan(total["snr"]) and total["power_correlation"] == 1
    assert total["spikes"] == 2 * same.counts["recall"][1]


def test_lost_invented_and_late_spikes():
    signal, times = spiky()
    changed, other = signal.copy(), spiky(seed=1)[0]
    changed[times[5] - 5 : times[5] + 30] = other[100:135]  # lost
    changed[10_000:10_020] += signal[times[7] : times[7] + 20]  # invented
    changed[times[9] - 40 : times[9] + 60] = np.roll(signal[times[9] - 40 : times[9] + 60], 4)  # 0.2 ms late
    result = compared(signal, changed)
    for name in ("clear_recall", "clear_precision"):
        assert result.counts[name][1] - result.counts[name][0] == 1
    assert np.abs(result.values["shift"] - 4 / RATE).min() < 1e-9
    right, spikes = result.counts["recall"]
    assert right <= spikes - 1
    total = fidelity.summary([result])
    assert total["recall"] == right / spikes and total["precision"] < 1 and total["rate_share"] > 0


def test_half_of_a_recording_is_lost():
    codes = simulate(3 * RATE, 1, seed=41).codes[:, 0]
    half = codes.copy()
    half[len(half) // 2 :] = 0
    total = fidelity.summary([compared(codes, half)])
    assert 0.2 < total["recall"] < 0.8 and total["precision"] > 0.95
    assert total["rate_share"] > 0.2 and total["lfp"] < 0.95
    assert fidelity.summary([compared(codes, np.zeros_like(codes))])["recall"] == 0


def test_signal_to_noise():
    signal = 10 * spiky()[0]
    noise = np.random.default_rng(3).normal(0, 1, len(signal))
    result = compared(signal, signal + noise)
    assert result.values["snr"] == pytest.approx(10 * np.log10(signal.var()), abs=0.1)
    assert result.largest == pytest.approx(np.abs(noise).max())


def test_every_event_is_matched_once():
    first, second = fidelity.match(np.array([10, 14, 50, 90]), np.array([12, 13, 52, 70]), 5)
    assert first.tolist() == [0, 1, 2] and second.tolist() == [0, 1, 2]
    assert [len(x) for x in fidelity.match(np.array([], int), np.array([4]), 5)] == [0, 0]


@pytest.mark.skipif(not all(map(shutil.which, ("flac", "wavpack", "wvunpack"))), reason="FLAC or WavPack is missing")
def test_the_script(root, tmp_path):
    (tmp_path / "neuralink").mkdir()
    for seed in range(12):
        write_wav(tmp_path / "neuralink" / f"{seed}.wav", simulate(6000, seed=seed))
    (tmp_path / "neuralink_pairs.json").write_text('{"pairs": []}')
    command = [sys.executable, root / "scripts" / "rate_distortion", tmp_path, "--errors", "0", "2", "--every", "6"]
    done = subprocess.run([*command, "-o", tmp_path / "x.png"], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert "| WavPack -b4.7 | " in done.stdout and (tmp_path / "x.png").stat().st_size > 10_000
