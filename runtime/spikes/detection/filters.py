"""Detect spikes: threshold crossings of the band-passed channels. Encoder only.

Causal with a short look-back, all channels at once: a linear-phase band-pass (300 to 3000 Hz) in integers, a running
robust estimate of each channel's noise, and one comparison. Per sample that is 23 multiplications at 19531 Hz (the
filter is symmetric, and its slow ends are the same for four frames), and two comparisons.
"""

from __future__ import annotations

import functools

import numpy as np

from ...compiled.choice import spike_loops

BAND = (300.0, 3000.0)
"""Hz."""
_REACH_SECONDS = 0.0033
"""Half the length of the filter."""
_AHEAD_SECONDS = 0.00045
"""Time behind a frame that a stream's filter waits for; what follows is taken to be as the last frame that is known."""
_CORE_SECONDS = 0.0004
"""Half the length of the part of the filter with a tap of its own for each frame."""
TAP_BITS = 12
"""Filter taps, and so band-passed signals, are in units of 2^-12."""
_BLOCK = 32
"""Frames of a product."""
_FILTER, _PASS = 1e-8, 1e-9
"""Seconds that numpy takes to filter a sample, and to look at one."""
_SPANS = 1 << 12
"""Spans that are in memory at once."""
_MEDIAN = 0.674489750196
"""The median of |x| for a normal x of deviation 1."""
_SLOPE = 0.428670
"""By how much the share above the median changes with the logarithm of the estimate."""
_MEMORY_SECONDS = 10.0
"""Time that the running estimate averages over in the long run; before, it is all that has been."""
LEAST_NOISE = 1.0
"""Least noise in values, so that a dead channel has no crossings."""


@functools.lru_cache(maxsize=16)
def band_taps(sample_rate: float) -> np.ndarray:
    """Return filter taps, symmetric integers in units of 2^-12, float64 [2 * reach + 1]: `coarse_response` of sum 0."""
    taps = np.rint(coarse_response(sample_rate) * (1 << TAP_BITS))
    taps[len(taps) // 2] -= taps.sum()
    return taps


def coarse_response(sample_rate: float) -> np.ndarray:
    """Return `band_response` with the mean of four taps instead of each, outside of its core.

    Only the slow part of the response is there. The filter then takes a third of the time.
    """
    response = band_response(sample_rate)
    reach = len(response) // 2
    fours = max(0, reach - round(_CORE_SECONDS * sample_rate)) // 4
    means = response[: 4 * fours].reshape(-1, 4).mean(axis=1).repeat(4)
    response[: 4 * fours], response[len(response) - 4 * fours :] = means, means[::-1]
    return response


def band_response(sample_rate: float) -> np.ndarray:
    """Return the impulse response of a second-order Butterworth band-pass run forwards and backwards, cut off."""
    reach = max(8, round(_REACH_SECONDS * sample_rate))
    points = 1 << 14
    low, high = BAND[0], min(BAND[1], 0.45 * sample_rate)

    def warp(frequency: np.ndarray | float) -> np.ndarray:
        return np.tan(np.pi * frequency / sample_rate)

    axis = warp(np.arange(1, points // 2) * sample_rate / points)
    detuning = (axis * axis - warp(low) * warp(high)) / (axis * (warp(high) - warp(low)))
    power = np.concatenate([[0.0], 1 / (1 + detuning**4), [0.0]])
    response = np.fft.irfft(power, points)
    return np.concatenate([response[-reach:], response[: reach + 1]])


def band(values: np.ndarray, taps: np.ndarray, exact: type = np.float32) -> np.ndarray:
    """Return band-passed signals [frames, channels], in units of 2^-12.

    Parameters
    ----------
    values : integers [frames + 2 * reach, channels]
        With the reach of the filter on both sides.
    exact : float32 for codes of 10 bits, float64 for any int16
        In these, sums of integers are exact in any order.
    """
    reach = len(taps) // 2
    frames, channels = len(values) - 2 * reach, values.shape[1]
    loops = spike_loops(_FILTER * values.size)
    if loops is not None:
        out: np.ndarray = np.empty((frames, channels), exact)
        loops.band(values, taps.astype(exact), out)
        return out
    blocks = -(-frames // _BLOCK)
    padded: np.ndarray = np.zeros((blocks * _BLOCK + 2 * reach, channels), exact)
    padded[: len(values)] = values
    matrix: np.ndarray = np.zeros((_BLOCK, _BLOCK + 2 * reach), exact)
    for row in range(_BLOCK):
        matrix[row, row : row + len(taps)] = taps
    step, item = padded.strides
    shape, strides = (blocks, _BLOCK + 2 * reach, channels), (_BLOCK * step, step, item)
    parts = np.lib.stride_tricks.as_strided(padded, shape, strides, writeable=False)
    return np.matmul(matrix, parts).reshape(-1, channels)[:frames]


def band_of(values: np.ndarray, sample_rate: float, exact: type = np.float32) -> np.ndarray:
    """Return the band of whole signals [frames, channels]; their first and last frame go on at the ends."""
    taps = band_taps(sample_rate)
    reach = len(taps) // 2
    ends = np.repeat(values[:1], reach, axis=0), np.repeat(values[-1:], reach, axis=0)
    return band(np.concatenate([ends[0], values, ends[1]]), taps, exact)


def band_at(values: np.ndarray, channel: np.ndarray, first: np.ndarray, length: int, sample_rate: float) -> np.ndarray:
    """Return the band of spans, float64 [spans, length]; the signals' first and last frame go on at their ends.

    Parameters
    ----------
    values : integers [frames, channels]
    channel, first : int64 [spans], where they are
    """
    taps = band_taps(sample_rate)
    out: np.ndarray = np.empty((len(first), length))
    loops = spike_loops(_FILTER * out.size)
    if loops is not None:
        loops.band_at(values, channel, first, taps, out)
        return out
    frame = first[:, None] + np.arange(-(len(taps) // 2), length + len(taps) // 2)
    for begin in range(0, len(first), _SPANS):
        some = slice(begin, begin + _SPANS)
        signals = values[np.clip(frame[some], 0, len(values) - 1), channel[some, None]].astype(np.float64)
        out[some] = np.matmul(np.lib.stride_tricks.sliding_window_view(signals, len(taps), axis=1), taps)
    return out


def count_beyond(filtered: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Return in how many frames the size of each channel is beyond its level [channels], int32 [channels]."""
    loops, level = spike_loops(_PASS * filtered.size), level.astype(filtered.dtype)
    if loops is None:
        return (np.abs(filtered) > level).sum(axis=0, dtype=np.int32)
    counts: np.ndarray = np.zeros(len(level), np.int32)
    loops.count_beyond(filtered, level, counts)
    return counts


def count_values(values: np.ndarray, low: int, high: int) -> np.ndarray:
    """Return in how many frames each channel has one of two values, int32 [channels]."""
    loops = spike_loops(_PASS * values.size)
    if loops is None:
        return ((values == low) | (values == high)).sum(axis=0, dtype=np.int32)
    counts: np.ndarray = np.zeros(values.shape[1], np.int32)
    loops.count_values(values, low, high, counts)
    return counts


def frames_ahead(sample_rate: float) -> int:
    """Return the frames behind a frame that a stream's filter waits for."""
    return int(_AHEAD_SECONDS * sample_rate)


class Noise:
    """Tracks the robust deviation of band-passed channels, the median of |x| / 0.6745, by counting.

    Parameters
    ----------
    filtered : [frames, channels], whose median it starts with
    sample_rate : Hz
    """

    def __init__(self, filtered: np.ndarray, sample_rate: float):
        half = len(filtered) // 2
        self._median = np.partition(np.abs(filtered), half, axis=0)[half].astype(np.float64)
        self._seen, self._most = len(filtered), round(_MEMORY_SECONDS * sample_rate)

    def update(self, filtered: np.ndarray) -> None:
        """Move on by a block: towards where half of its samples are above the median.

        The share above the median of n frames, divided by its slope and n, makes the estimate as good as a median of
        all frames.
        """
        frames = len(filtered)
        self._seen = min(self._seen + frames, max(self._most, frames))
        above = count_beyond(filtered, self._median) / frames
        x = (above - 0.5) / _SLOPE * (frames / self._seen)
        self._median *= (12 + 6 * x + x * x) / (12 - 6 * x + x * x)  # e^x, by operations that are the same everywhere

    def change_unit(self, factor: int) -> None:
        """Go on with a signal that is `factor` times as large."""
        self._median *= factor

    @property
    def deviation(self) -> np.ndarray:
        """In the units of the band-passed signal, at least `LEAST_NOISE` values."""
        return np.maximum(self._median / _MEDIAN, LEAST_NOISE * (1 << TAP_BITS))


def crossings(
    filtered: np.ndarray, threshold: np.ndarray, dead: int, below: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return where channels go below their thresholds: channels and frames, int64, in this order.

    Parameters
    ----------
    filtered : [frames, channels]
    threshold : [channels], positive
    dead : frames after an event in which there is no other
    below : bool [channels], whether channels were below before the first frame
    """
    before = np.zeros(len(threshold), bool) if below is None else below
    channels, frames = _begins(filtered, threshold.astype(filtered.dtype), before)
    order = np.lexsort((frames, channels))
    channels, frames = channels[order], frames[order]
    kept, last = [], (-1, 0)
    for index, event in enumerate(zip(channels.tolist(), frames.tolist(), strict=True)):
        if event[0] != last[0] or event[1] - last[1] >= dead:
            kept.append(index)
            last = event
    return channels[kept], frames[kept]


def _begins(filtered: np.ndarray, threshold: np.ndarray, below: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the channels and frames in which channels go below, in order of time."""
    loops = spike_loops(_PASS * filtered.size)
    if loops is None:
        under = filtered < -threshold
        under[1:] &= ~under[:-1]
        under[:1] &= ~below
        frames, channels = np.nonzero(under)
        return channels, frames
    room = max(len(threshold), filtered.size >> 6)
    while True:
        where = np.empty((2, room), np.int64)
        if (count := loops.begins(filtered, threshold, below.copy(), *where)) <= room:
            return where[0, :count], where[1, :count]
        room = count
