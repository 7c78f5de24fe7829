"""Small recordings of kinds that predictive coders are bad at, and what common compressors make of them."""

from __future__ import annotations

import numpy as np
from benchmark import coders
from benchmark.recordings import Recording

RATE = 20000
FRAMES = 30000


def _noise(rng: np.random.Generator, frames: int = FRAMES, deviation: float = 20.0) -> np.ndarray:
    """Return noise whose neighbours are alike, float64 [frames]."""
    white = rng.normal(0, 1, frames + 7)
    return deviation * np.convolve(white, [0.5, 0.8, 0.6, 0.4, 0.3, 0.2, 0.1, 0.05], "valid") / 1.25


def _saturated(rng):
    slow = np.cumsum(rng.normal(0, 12, FRAMES))
    wave = 900 * np.sin(np.arange(FRAMES) / 700 + slow / 3000) + _noise(rng)
    return np.clip(np.rint(wave), -512, 511)


def _glitches(rng):
    out = np.zeros(FRAMES)
    for start in rng.integers(0, FRAMES - 20, 12):
        out[start : start + rng.integers(1, 8)] = rng.choice([-32768, 32767])
    return out


def _two_levels(rng, edges, low, high):
    places = np.sort(rng.choice(np.arange(1, FRAMES), edges, replace=False))
    return np.where(np.searchsorted(places, np.arange(FRAMES), "right") % 2, high, low)


def _leading(rng):
    return np.concatenate([np.full(FRAMES // 2, -77), np.rint(_noise(rng, FRAMES // 2))])


def _dead(rng):
    out = np.rint(np.stack([_noise(rng, FRAMES // 5) for _ in range(8)], axis=1))
    out[:, [1, 2, 5]] = [0, -32768, 3]
    return out


def _gain(rng):
    gain = np.ones(FRAMES)
    gain[FRAMES // 3 : FRAMES // 2] = 100
    return np.rint(_noise(rng) * gain / 4)


def _pulses(rng):
    frames = np.arange(FRAMES)
    return np.where(frames % 400 < 40, 5, 0)


def _frame_numbers(rng):
    return np.arange(FRAMES) - 16000


def _few_frames(rng):
    return np.rint(np.stack([512 + _noise(rng, 100) for _ in range(8)], axis=1)) - 32768


CASES = {
    "saturated channel": _saturated,
    "zeros with glitches to the rails": _glitches,
    "sync line with rare edges": lambda rng: _two_levels(rng, 30, 0, 1),
    "two levels far apart, many edges": lambda rng: _two_levels(rng, 900, -3000, 3300),
    "regular pulses": _pulses,
    "counter": _frame_numbers,
    "slow ramp": lambda rng: np.arange(FRAMES) // 7 % 500,
    "sawtooth": lambda rng: np.arange(FRAMES) * 13 % 1024,
    "constant leading stretch": _leading,
    "dead channels": _dead,
    "gain that jumps 100 times": _gain,
    "100 frames around 512 in uint16": _few_frames,
    "multiples of 4 plus 1": lambda rng: 4 * np.rint(_noise(rng)) + 1,
    "multiples of 3": lambda rng: 3 * np.rint(_noise(rng)),
    "round(3.9125 n)": lambda rng: np.rint(3.9125 * np.rint(_noise(rng))),
}


def samples_of(name: str) -> np.ndarray:
    """Return the samples of a case, int16 [frames, channels]."""
    made = np.asarray(CASES[name](np.random.default_rng(7)))
    return np.ascontiguousarray(made.reshape(len(made), -1).astype(np.int16))


def best_of_others(samples: np.ndarray) -> dict[str, int]:
    """Return the bytes of the files that others make: FLAC, xz, and WavPack if it is installed."""
    recording = Recording("a hard case", samples, samples, RATE)
    some = [coder for coder in coders.of_whole_recordings("numpy")[0] if coder.name.startswith(("FLAC", "xz", "Wav"))]
    return {coder.name: sum(len(coder.encode(x, RATE)) for x in coder.pieces(recording)) for coder in some}
