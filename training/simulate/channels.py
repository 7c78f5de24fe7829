"""A seeded simulator of single channels, so that tests and the demo need no foreign recordings.

A channel is the sum, in steps of an ideal 10-bit converter, of

* a local field potential: octaves of linearly interpolated noise with equal variance, which gives a 1/f spectrum;
* spikes of a few units: biphasic templates at Poisson times with a refractory period;
* white noise of 5 to 6 steps;

seen through a converter as uneven as the implant's. Channels of one recording share a part of their field potential.

Only numpy's seeded PCG64 and plain array arithmetic are used (no FFT, no BLAS), so that a seed gives the same recording
everywhere but for the last bit of numpy's transcendental functions.

Arrays, in which channels have more in common, come from `arrays`.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.core.implant_table import CODE_TO_SAMPLE

RATE = 19531
"""Sampling rate of the implant, Hz."""

# Widths of the converter's codes in percent of a step, estimated from the implant's public recordings (histogram over
# a smoothed histogram). They repeat every 32 codes but for the last codes below zero: -1 never occurs, -2 hardly.
_WIDTHS_BELOW = """ 67  68 115 136  88  94  90 157  89  70 114 160  65  94  92 133
                    69  70 114 135  88  93  90 178  67  70 116 161  67  96  93  80"""
_WIDTHS_MINUS_32 = """ 63  66 110 125  88  88  88 143  90  66 112 152  68  91  92 126
                       69  68 118 134  97  98 100 189  78  76 133 178  80  75   2   0"""
_WIDTHS_ABOVE = """ 87  71 126 138 102  99 102 157 105  74 129 166  77  99 103 104
                   105  73 129 137 102  97 102 189  76  70 126 157  73  94  95  34"""

_LFP_OCTAVES = range(4, 15)
"""Octaves of the field potential: noise with a new value every 2^4 .. 2^14 frames (1.2 kHz .. 1.2 Hz)."""

_SHARED_SOURCES = 3
_SHARED_PART = 0.8
"""Share of a channel's field potential (as a deviation) that it has in common with the others."""

_REFRACTORY_SECONDS = 0.002


def _transition_levels() -> np.ndarray:
    """Return the lower edges of the codes -512..511 and the last upper one, float64 [1025]; code 0 begins at 0."""
    below, minus_32, above = (
        np.array([int(w) for w in text.split()]) for text in (_WIDTHS_BELOW, _WIDTHS_MINUS_32, _WIDTHS_ABOVE)
    )
    widths = np.concatenate([np.tile(below, 15), minus_32, np.tile(above, 16)])
    edges = np.concatenate([[0], np.cumsum(widths)])
    return (edges - edges[512]) / 100.0


TRANSITION_LEVELS = _transition_levels()


@dataclass(frozen=True)
class Unit:
    """Describe a neuron: where and when it fires, what its spike looks like."""

    channel: int
    times: np.ndarray
    """Frames of the spikes' main (negative) peaks, int64, ascending."""
    peak: float
    """Height of the main peak in steps, positive."""


@dataclass(frozen=True)
class Simulation:
    """Hold a simulated recording and what it was made from."""

    samples: np.ndarray
    """int16 [time, channel], values of the implant's table."""
    codes: np.ndarray
    """int16 [time, channel], -512..511."""
    rate: int
    spikes: tuple[Unit, ...]


def simulate(frames: int, channels: int = 1, rate: int = RATE, seed: int = 0) -> Simulation:
    """Simulate a recording.

    Parameters
    ----------
    frames, channels : int
        Shape of the recording.
    rate : int
        Sampling rate in Hz; it sets the length of a spike and the unit's firing per frame.
    seed : int
        Not negative. Channel 0, 1, ... of a seed are the same for every number of channels.
    """
    if frames < 0 or channels < 1 or rate < 1 or seed < 0:
        raise ValueError("simulate needs frames >= 0, channels >= 1, rate >= 1 and seed >= 0")
    shared = [_field_potential(_generator(seed, 0, source), frames) for source in range(_SHARED_SOURCES)]
    codes = np.empty((frames, channels), np.int16)
    units: list[Unit] = []
    for channel in range(channels):
        rng = _generator(seed, 1, channel)
        signal, channel_units = _channel(rng, shared, frames, rate, channel)
        codes[:, channel] = quantise(signal)
        units += channel_units
    return Simulation(CODE_TO_SAMPLE[codes.astype(np.intp) + 512], codes, rate, tuple(units))


def quantise(signal: np.ndarray) -> np.ndarray:
    """Return the codes, int16, that the uneven converter gives for a signal in steps; it saturates at both ends."""
    codes = np.searchsorted(TRANSITION_LEVELS, signal, side="right") - 513
    return np.clip(codes, -512, 511).astype(np.int16)


def _generator(seed: int, *stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *stream])))


def _channel(
    rng: np.random.Generator, shared: list[np.ndarray], frames: int, rate: int, channel: int
) -> tuple[np.ndarray, list[Unit]]:
    offset = rng.uniform(-5.0, 25.0)
    noise = rng.uniform(5.0, 6.0)
    field = 17.0 * 2.0 ** rng.uniform(-1.2, 1.2)
    mix = rng.uniform(0.2, 1.0, _SHARED_SOURCES)
    mix *= _SHARED_PART * field / np.sqrt((mix * mix).sum())
    own = np.sqrt(1.0 - _SHARED_PART**2) * field
    signal = offset + noise * rng.standard_normal(frames) + own * _field_potential(rng, frames)
    for weight, source in zip(mix, shared, strict=True):
        signal += weight * source
    units = []
    for _ in range(rng.integers(1, 5)):
        peak = rng.uniform(25.0, 130.0)
        shape = template(rng, rate)
        times = spike_times(rng, frames, rate, rng.uniform(2.0, 20.0))
        _add_spikes(signal, times, peak * shape)
        units.append(Unit(channel, times, float(peak)))
    return signal, units


def _field_potential(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Return 1/f noise of unit deviation (over long times), float64 [frames]."""
    total = np.zeros(frames)
    for octave in _LFP_OCTAVES:
        step = 1 << octave
        knots = rng.standard_normal(frames // step + 3)
        position = np.arange(frames) + rng.integers(step)
        index, fraction = position >> octave, (position & (step - 1)) / step
        total += knots[index] + (knots[index + 1] - knots[index]) * fraction
    # Interpolation between two independent knots leaves a mean variance of 2/3.
    return total / np.sqrt(len(_LFP_OCTAVES) * 2.0 / 3.0)


def template(rng: np.random.Generator, rate: int) -> np.ndarray:
    """Return a biphasic spike, main peak -1 at index len // 3, about 2 ms long."""
    length = max(3, int(0.0021 * rate))
    milliseconds = (np.arange(length) - length // 3) / rate * 1000.0
    fall, rise = rng.uniform(0.10, 0.18), rng.uniform(0.25, 0.40)
    delay, rebound = rng.uniform(0.4, 0.6), rng.uniform(0.2, 0.45)
    shape = rebound * np.exp(-(((milliseconds - delay) / rise) ** 2)) - np.exp(-((milliseconds / fall) ** 2))
    return shape / -shape[length // 3]


def spike_times(rng: np.random.Generator, frames: int, rate: int, hertz: float) -> np.ndarray:
    """Return the frames of a Poisson process with a dead time, int64, ascending."""
    refractory = max(1, int(np.ceil(_REFRACTORY_SECONDS * rate)))
    mean = max(rate / hertz - refractory, 1.0)
    times: list[np.ndarray] = []
    start = 0
    while start < frames:
        gaps = refractory + rng.exponential(mean, 256).astype(np.int64)
        block = start + np.cumsum(gaps)
        times.append(block)
        start = int(block[-1])
    joined = np.concatenate(times) if times else np.zeros(0, np.int64)
    return joined[joined < frames]


def _add_spikes(signal: np.ndarray, times: np.ndarray, shape: np.ndarray) -> None:
    peak = len(shape) // 3
    for offset, value in enumerate(shape):
        where = times + (offset - peak)
        where = where[(where >= 0) & (where < len(signal))]
        signal[where] += value


def write_wav(path: Path, recording: Simulation) -> None:
    """Write a recording as a 16-bit WAV with a plain 44-byte header."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(recording.samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(recording.rate)
        file.writeframes(recording.samples.astype("<i2").tobytes())


def write_wavs(folder: Path, files: int, seconds: float, seed: int = 0) -> list[Path]:
    """Write `files` recordings of a channel with seeds `seed`, `seed + 1`, ... into `folder`; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(seed, seed + files):
        path = folder / f"simulated-{number:04d}.wav"
        write_wav(path, simulate(round(seconds * RATE), 1, RATE, number))
        paths.append(path)
    return paths
