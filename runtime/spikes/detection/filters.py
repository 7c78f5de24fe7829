"""Where the spikes are: threshold crossings of the band-passed channels. Encoder only; a decoder needs none of this.

Causal with a short look-back, all channels at once: a linear-phase band-pass (300 to 3000 Hz) in whole numbers, a running
robust estimate of each channel's noise, and one comparison. Per sample that is half the filter's taps in multiplications
(the filter is symmetric: 65 at 19531 Hz), and two comparisons.
"""

from __future__ import annotations

import functools

import numpy as np

BAND = (300.0, 3000.0)
"""Hz."""
_REACH_SECONDS = 0.0033
"""Half the length of the filter."""
TAP_BITS = 12
"""Filter taps, and so band-passed signals, are in units of 2^-12."""
_BLOCK = 128
"""Frames of a product."""
_MEDIAN = 0.674489750196
"""The median of |x| for a normal x of deviation 1."""
_SLOPE = 0.428670
"""By how much the share above the median changes with the logarithm of the estimate."""
_SLOWEST = 1 / 64
"""Gain of the running estimate in the long run: at 0.1 s a block its memory is some 6 s."""
LEAST_NOISE = 1.0
"""Noise is taken for at least so many units (codes): a dead channel has no crossings."""


@functools.lru_cache(maxsize=16)
def band_taps(rate: int) -> np.ndarray:
    """Filter taps, symmetric whole numbers in units of 2^-12, float64 [2 * reach + 1].

    They are `band_response`, its sum taken out.
    """
    taps = np.rint(band_response(rate) * (1 << TAP_BITS))
    taps[len(taps) // 2] -= taps.sum()
    return taps


def band_response(rate: int) -> np.ndarray:
    """The impulse response of a second-order Butterworth band-pass run forwards and backwards, cut off."""
    reach = max(8, round(_REACH_SECONDS * rate))
    points = 1 << 14
    low, high = BAND[0], min(BAND[1], 0.45 * rate)
    warp = lambda frequency: np.tan(np.pi * frequency / rate)  # noqa: E731
    axis = warp(np.arange(1, points // 2) * rate / points)
    detuning = (axis * axis - warp(low) * warp(high)) / (axis * (warp(high) - warp(low)))
    power = np.concatenate([[0.0], 1 / (1 + detuning**4), [0.0]])
    response = np.fft.irfft(power, points)
    return np.concatenate([response[-reach:], response[: reach + 1]])


def band(values: np.ndarray, taps: np.ndarray, exact: type = np.float32) -> np.ndarray:
    """Band-passed signals.

    Parameters
    ----------
    values : integers [frames + 2 * reach, channels]
        With the reach of the filter on both sides.
    exact : float32 for codes of 10 bits, float64 for any int16
        Sums of whole numbers, exact in any order in these.

    Returns
    -------
    [frames, channels], in units of 2^-12
    """
    reach = len(taps) // 2
    frames, channels = len(values) - 2 * reach, values.shape[1]
    blocks = -(-frames // _BLOCK)
    padded = np.zeros((blocks * _BLOCK + 2 * reach, channels), exact)
    padded[: len(values)] = values
    matrix = np.zeros((_BLOCK, _BLOCK + 2 * reach), exact)
    for row in range(_BLOCK):
        matrix[row, row : row + len(taps)] = taps
    step, item = padded.strides
    shape, strides = (blocks, _BLOCK + 2 * reach, channels), (_BLOCK * step, step, item)
    parts = np.lib.stride_tricks.as_strided(padded, shape, strides, writeable=False)
    return np.matmul(matrix, parts).reshape(-1, channels)[:frames]


def extended(values: np.ndarray, reach: int) -> np.ndarray:
    """Values with the first and the last frame repeated `reach` times."""
    return np.concatenate([np.repeat(values[:1], reach, axis=0), values, np.repeat(values[-1:], reach, axis=0)])


class Noise:
    """Running robust deviation of band-passed channels: the median of |x| / 0.6745, tracked by counting.

    Parameters
    ----------
    filtered : [frames, channels], where it starts: the median there, exactly
    settled : whether that is long enough to count for as much as the running estimate ever remembers
    """

    def __init__(self, filtered: np.ndarray, settled: bool = False):
        reconstruction = len(filtered) // 2
        self._median = np.partition(np.abs(filtered), reconstruction, axis=0)[reconstruction].astype(np.float64)
        self._seen = 1 / _SLOWEST if settled else 1.0

    def update(self, filtered: np.ndarray) -> None:
        """Move on by a block of some 0.1 s: towards where half of its samples are above the median."""
        self._seen = min(self._seen + 1, 1 / _SLOWEST)
        above = (np.abs(filtered) > self._median).mean(axis=0)
        x = (above - 0.5) / _SLOPE / self._seen
        self._median *= (12 + 6 * x + x * x) / (12 - 6 * x + x * x)  # e^x, by operations that are the same everywhere

    def change_unit(self, factor: int) -> None:
        """The signal is so many times as large from now on."""
        self._median *= factor

    @property
    def deviation(self) -> np.ndarray:
        """In the units of the band-passed signal, at least `LEAST_NOISE`."""
        return np.maximum(self._median / _MEDIAN, LEAST_NOISE * (1 << TAP_BITS))


def crossings(filtered: np.ndarray, threshold: np.ndarray, dead: int, below: np.ndarray | None = None):
    """Where channels go below their thresholds.

    Parameters
    ----------
    filtered : [frames, channels]
    threshold : [channels], positive
    dead : frames after an event in which there is no other
    below : bool [channels], whether channels were below before the first frame

    Returns
    -------
    channels, frames : int64, in order of channel, then of frame
    """
    under = (filtered < -threshold.astype(filtered.dtype)).T
    begins = under.copy()
    begins[:, 1:] &= ~under[:, :-1]
    if below is not None:
        begins[:, 0] &= ~below
    channels, frames = np.nonzero(begins)
    kept, last = [], (-1, 0)
    for index, event in enumerate(zip(channels.tolist(), frames.tolist(), strict=True)):
        if event[0] != last[0] or event[1] - last[1] >= dead:
            kept.append(index)
            last = event
    return channels[kept], frames[kept]
