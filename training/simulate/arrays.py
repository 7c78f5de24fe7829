"""A seeded simulator of whole arrays: what channels have in common, block by block, for any number of channels.

Channels stand on a square grid. Beside what each has alone (offset, white noise), in steps of the converter:

* field potentials: 1/f noise of a few sources, which reach every channel with a weight that changes smoothly over the
  array, and some of its own;
* background: white noise of many far neurons, one source at every channel, half as large at its four neighbours;
* noise of the reference, the same in all channels but for a gain, and hum of 50 or 60 Hz with its third harmonic;
* spikes of units between the channels, on all channels nearby: the amplitude falls with the square of the distance;
* channels that are dead (a step or two of noise), flat, or copies of another channel.

Only numpy's seeded PCG64 and plain array arithmetic are used (see `channels`), and no more than a block of samples is
held.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.core.implant_table import CODE_TO_SAMPLE

from .channels import RATE, Unit, quantise, spike_times, template

PITCH = 60.0
"""Distance of neighbouring channels, micrometres."""
BLOCK = 2048
"""Frames that are made at once."""
_SOURCES = 6
_OCTAVES = range(6, 15)
"""Octaves of the field potential: noise with a new value every 2^6 .. 2^14 frames."""
_HALF = 40.0
"""Distance at which a spike has half its amplitude, micrometres."""
_FAINTEST = 1.0
"""Steps: smaller spikes of a unit are left out on a channel."""
_UNITS_PER_CHANNEL = 0.7
_FAULTS_PER_CHANNEL = 1 / 64
"""Share of the channels that are dead; as many are flat, and as many are copies."""


@dataclass(frozen=True)
class ArrayUnit(Unit):
    """Describe a neuron of an array; its spikes are largest on `channel`, by `peak`."""

    channels: np.ndarray
    """Those with its spikes."""
    amplitudes: np.ndarray
    """Steps, at each of these."""
    shape: np.ndarray
    """Of a spike of amplitude 1, its main peak at a third."""


class ArraySimulation:
    """Simulate an array, block by block.

    Parameters
    ----------
    frames, channels : int
    rate : int, Hz
    seed : int, not negative
    hum : 50 or 60, or 0 for none

    Attributes
    ----------
    positions : float64 [channels, 2], micrometres
    units : list of ArrayUnit
    dead, flat : int64, numbers of channels
    copies : int64 [n, 2], channel and the channel that it is a copy of
    """

    def __init__(self, frames: int, channels: int, rate: int = RATE, seed: int = 0, hum: int = 50) -> None:
        if frames < 0 or channels < 1 or rate < 1 or seed < 0 or hum not in (0, 50, 60):
            raise ValueError("needs frames >= 0, channels >= 1, rate >= 1, seed >= 0 and a hum of 50 or 60 (or 0)")
        self.frames, self.channels, self.rate, self._seed = frames, channels, rate, seed
        self._side = int(np.ceil(np.sqrt(channels)))
        number = np.arange(channels)
        self.positions = PITCH * np.stack([number % self._side, number // self._side], 1).astype(float)
        rng = self._generator(0)
        self._offset, self._noise = rng.uniform(-5, 25, channels), rng.uniform(3.5, 5, channels)
        self._field = 14 * 2.0 ** rng.uniform(-1, 1, channels)
        self._gain = rng.uniform(0.8, 1.2, channels)
        self._hum = (hum, rng.uniform(3, 9), rng.uniform(0, 2 * np.pi))
        waves, phases = rng.normal(0, 1.5 / (PITCH * max(self._side, 4)), (2, _SOURCES)), rng.uniform(0, 7, _SOURCES)
        mix = 1 + 0.8 * np.sin(self.positions[:, :1] * waves[0] + self.positions[:, 1:] * waves[1] + phases)
        self._mix = mix / np.sqrt(_SOURCES) * self._field[:, None]
        self._choose_faults(rng)
        self.units = [self._unit(number) for number in range(round(channels * _UNITS_PER_CHANNEL))]

    def _choose_faults(self, rng: np.random.Generator) -> None:
        count = int(self.channels * _FAULTS_PER_CHANNEL)
        chosen = rng.permutation(self.channels)[: 4 * count].reshape(4, count)
        self.dead, self.flat = np.sort(chosen[0]), np.sort(chosen[1])
        self.copies = chosen[2:].T

    def _generator(self, *stream: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([self._seed, 2, *stream])))

    def _unit(self, number: int) -> ArrayUnit:
        rng = self._generator(1, number)
        place = rng.uniform(-0.5, self._side - 0.5, 2) * PITCH
        distance = np.square(self.positions - place).sum(axis=1)
        amplitudes = rng.uniform(30, 180) / (1 + distance / _HALF**2)
        near = np.flatnonzero(amplitudes >= _FAINTEST)
        near = near if len(near) else np.array([amplitudes.argmax()])
        best = int(near[amplitudes[near].argmax()])
        shape = template(rng, self.rate)
        times = spike_times(rng, self.frames, self.rate, rng.uniform(2, 20))
        return ArrayUnit(best, times, float(amplitudes[best]), near, amplitudes[near], shape)

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the recording as codes -512..511, int16 [time, channel], in pieces of at most BLOCK frames."""
        white, background, reference = (self._generator(2, stream) for stream in range(3))
        slow = _FieldPotential(self._generator(3), self.channels)
        shared = _FieldPotential(self._generator(4), _SOURCES)
        column, row = np.arange(self.channels) % self._side, np.arange(self.channels) // self._side
        around = [row * self._side + (column + 1) % self._side, row * self._side + (column - 1) % self._side]
        around += [(np.arange(self.channels) + step) % self.channels for step in (self._side, -self._side)]
        around[0] %= self.channels
        around[1] %= self.channels
        for first in range(0, self.frames, BLOCK):
            size = min(BLOCK, self.frames - first)
            signal = white.standard_normal((size, self.channels)) * self._noise
            signal += self._offset + 0.4 * self._field * slow.run(size)
            for source, values in enumerate(shared.run(size).T):
                signal += self._mix[:, source] * values[:, None]
            far = 2.5 * background.standard_normal((size, self.channels))
            signal += far
            for neighbour in around:
                signal += 0.5 * far[:, neighbour]
            signal += self._gain * (3 * reference.standard_normal(size) + self._humming(first, size))[:, None]
            self._add_spikes(signal, first)
            yield self._with_faults(signal, white)

    def _humming(self, first: int, size: int) -> np.ndarray:
        hertz, amplitude, phase = self._hum
        angle = 2 * np.pi * hertz / self.rate * np.arange(first, first + size) + phase
        return amplitude * (np.sin(angle) + 0.3 * np.sin(3 * angle)) if hertz else np.zeros(size)

    def _add_spikes(self, signal: np.ndarray, first: int) -> None:
        for unit in self.units:
            peak, length = len(unit.shape) // 3, len(unit.shape)
            some = np.searchsorted(unit.times, [first - length + peak, first + len(signal) + peak])
            for time in unit.times[slice(*some)].tolist():
                start = time - peak - first
                shape = unit.shape[max(-start, 0) : max(len(signal) - start, 0)]
                rows = slice(max(start, 0), max(start, 0) + len(shape))
                signal[rows, unit.channels] += shape[:, None] * unit.amplitudes

    def _with_faults(self, signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        signal[:, self.dead] = self._offset[self.dead] + 0.7 * rng.standard_normal((len(signal), len(self.dead)))
        signal[:, self.flat] = self._offset[self.flat]
        codes = quantise(signal)
        codes[:, self.copies[:, 0]] = codes[:, self.copies[:, 1]]
        return codes


class _FieldPotential:
    """Make 1/f noise of unit deviation for channels; all pieces but the last have a multiple of 64 frames."""

    def __init__(self, rng: np.random.Generator, channels: int) -> None:
        self._rng, self._done = rng, 0
        self._knots = {octave: rng.standard_normal((2, channels)) for octave in _OCTAVES}

    def run(self, frames: int) -> np.ndarray:
        """Return the next frames, float64 [frames, channels]."""
        channels = self._knots[_OCTAVES[0]].shape[1]
        total = np.zeros((frames, channels))
        for first in range(0, frames, 1 << _OCTAVES[0]):
            part = total[first : first + (1 << _OCTAVES[0])]
            time = self._done + first
            for octave in _OCTAVES:
                step = 1 << octave
                if time % step == 0 and time:
                    self._knots[octave] = np.stack([self._knots[octave][1], self._rng.standard_normal(channels)])
                before, after = self._knots[octave]
                part += before + (after - before) * (np.arange(time, time + len(part)) % step / step)[:, None]
        self._done += frames
        return total / np.sqrt(len(_OCTAVES) * 2 / 3)


def write_array(path: Path, simulation: ArraySimulation) -> None:
    """Write an array as a 16-bit WAV, or as .npy ([time, channel]) by its suffix, a block at a time."""
    shape = (simulation.frames, simulation.channels)
    with open(path, "wb") as target:
        if path.suffix == ".npy":
            header = {"descr": "<i2", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(target, header)
            for codes in simulation.blocks():
                target.write(_samples(codes))
            return
        with wave.open(target, "wb") as file:
            file.setnchannels(simulation.channels)
            file.setsampwidth(2)
            file.setframerate(simulation.rate)
            file.setnframes(simulation.frames)
            for codes in simulation.blocks():
                file.writeframesraw(_samples(codes))


def _samples(codes: np.ndarray) -> bytes:
    return CODE_TO_SAMPLE[codes.astype(np.intp) + 512].astype("<i2").tobytes()
