"""Signals of every kind, int16 [time, channel], by name."""

import numpy as np

from runtime.core.implant_table import CODE_TO_SAMPLE


def implant(rng, frames, channels=1, deviation=6.0):
    return CODE_TO_SAMPLE[np.clip(np.round(rng.normal(0, deviation, (frames, channels))), -512, 511).astype(int) + 512]


def changing_spectrum(noise, period):
    """Noise [time, channel] through a resonance that is another one every so many steps, float."""
    values = np.zeros(noise.shape)
    for t in range(2, len(values)):
        turn = np.cos(0.3 + 0.5 * (t // period % 4))
        values[t] = 1.8 * turn * values[t - 1] - 0.81 * values[t - 2] + noise[t]
    return values


def signals():
    rng = np.random.default_rng(0)
    t = np.arange(20000)[:, None]
    noise = lambda deviation, channels=1: rng.normal(0, deviation, (len(t), channels)).astype(np.int16)  # noqa: E731
    return {
        "one sample": implant(rng, 1),
        "17 frames of 3 channels": implant(rng, 17, 3),
        "prime length": implant(rng, 19997),
        "flat": np.full((5000, 2), 77, np.int16),
        "flat and live": np.hstack([np.full((5000, 1), 77, np.int16), implant(rng, 5000)]),
        "white 16 bit": rng.integers(-32768, 32768, t.shape).astype(np.int16),
        "sine": (20000 * np.sin(t / 20)).astype(np.int16),
        "square wave": np.where((t // 100) % 2, 30000, -30000).astype(np.int16),
        "noise on a slow wave": (noise(300) + 15000 * np.sin(t / 300)).astype(np.int16),
        "implant, linear and flat channels": np.hstack(
            [implant(rng, len(t), 3), noise(100, 2), np.full(t.shape, -5, np.int16)]
        ),
        "8 bit": noise(5),
        "impulses": np.where(rng.random(t.shape) < 0.001, 32000, 0).astype(np.int16),
        "full-scale step": np.where(t < 10000, -32768, 32767).astype(np.int16),
        "two values": rng.integers(0, 2, t.shape).astype(np.int16),
        "white codes": CODE_TO_SAMPLE[rng.integers(0, 1024, t.shape)],
        "rare far code": CODE_TO_SAMPLE[np.where(rng.random(t.shape) < 0.0005, 1000, 512)],
        "heavy tails": (rng.standard_cauchy((len(t), 2)) * 30).clip(-32768, 32767).astype(np.int16),
    }
