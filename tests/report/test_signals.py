"""What is computed of signals and of coded chunks for the report."""

import numpy as np
import pytest

import runtime
from runtime.report import baselines, layout, signals
from runtime.report.costs import costs

RATE = 20_000


def test_the_spectrum_of_white_noise_is_its_power():
    x = np.random.default_rng(1).normal(0, 4, (1 << 16, 2))
    frequency, power = signals.spectrum(x, RATE)
    assert frequency[-1] == RATE / 2 and power.shape == (2, len(frequency))
    assert power[:, 1:].mean() * RATE / 2 == pytest.approx(16, rel=0.05)


def test_noise_and_its_cost():
    assert signals.gaussian_bits(4.0) == pytest.approx(2 + 2.047, abs=1e-3)
    noise = np.random.default_rng(2).normal(0, 5, 20_000)
    left = signals.residual(np.stack([noise + 300 * np.sin(np.arange(20_000) / 40), np.zeros(20_000)], axis=1))
    assert signals.deviation(left[:, 0]) == pytest.approx(5, rel=0.2)
    assert not left[:, 1].any()


@pytest.mark.parametrize("step", [1, 12, 64])
def test_the_steps_of_the_converter(step):
    values = np.random.default_rng(3).normal(0, 8, (20_000, 3)).round() * step
    assert signals.adc_step(values.astype(np.int16)) == step
    assert signals.adc_step(np.zeros((9, 1))) == 0


def test_a_slow_wave_is_not_saturated():
    wave = np.rint(40 * np.sin(np.arange(20_000) / 300)).astype(np.int16)[:, None]
    assert signals.find_faults(wave, RATE).saturated == []
    assert signals.find_faults(wave.clip(-20, 20), RATE).saturated == [0]


def test_hum_is_found_where_it_is():
    random, t = np.random.default_rng(4), np.arange(20_000) / RATE
    slow = np.cumsum(random.normal(0, 1, 20_000))
    hum = 60 * np.sin(2 * np.pi * 60 * t) + random.normal(0, 20, 20_000)
    found = signals.find_faults(np.stack([slow, hum], axis=1), RATE)
    assert list(found.humming) == [1] and found.mains == 60 and found.humming[1] > 0.7
    assert not signals.find_faults(np.stack([slow, hum], axis=1), 0).hum_known


def test_costs_add_up_to_the_payloads(tmp_path):
    random = np.random.default_rng(6)
    samples = (random.normal(0, 20, (20_000, 5)) * [1, 0, 8, 1, 1] + random.normal(0, 40, (20_000, 1))).astype(np.int16)
    samples[:, 1] = 3
    (tmp_path / "a.mdo").write_bytes(runtime.encode(samples, RATE, chunk_frames=10_000))
    with runtime.open(tmp_path / "a.mdo") as reader:
        payloads = list(reader.payloads())
        found = costs(payloads, 5, 16)
    assert found.edges[0] == 0 and found.edges[-1] == 20_000
    assert sum(frames for frames, _ in found.chunks) == 20_000 and len(found.chunks) == len(payloads)
    total = (found.bits * np.diff(found.edges)[:, None]).sum()
    assert total == pytest.approx(8 * sum(map(len, payloads)))
    assert found.by_channel[1] < 0.1 and found.by_channel.argmax() == 2
    assert found.references and all(a != b for a, b in found.references)
    assert costs([], 5, 16) is None


def test_others_restore_nothing_but_have_sizes():
    samples = np.random.default_rng(7).normal(0, 30, (5000, 10)).astype(np.int16)
    found = {size.name: size for size in baselines.sizes(samples)}
    assert 5.5 < 8 * found["FLAC -8"].bytes / samples.size < 8
    assert 5.5 < 8 * found["zstd -9"].bytes / samples.size < 12
    floats = {size.name: size for size in baselines.sizes(samples.astype(np.float32))}
    assert floats["FLAC -8"].bytes is None and "floats" in floats["FLAC -8"].note


def test_a_probe_that_is_long_lies():
    positions = [[20 * (i % 2), 15 * i] for i in range(40)]
    probe = {"contact_positions": positions, "device_channel_indices": list(range(40))}
    found = layout.of_recording({"probe": probe}, 41)
    assert found.on_probe and found.placed.sum() == 40
    assert np.ptp(found.places[:40, 0]) == 585 and found.labels[0].startswith("y")


def test_without_a_probe_there_is_a_grid():
    for channels in (1, 5, 64, 1024):
        found = layout.of_recording({}, channels)
        assert not found.on_probe and len({tuple(at) for at in found.places.tolist()}) == channels
