"""Statistics of channels for the report: numpy only."""

import numpy as np

from runtime.fit.least_squares import to_signal
from runtime.fit.own_predictor import linear_predictor
from runtime.fit.weighted_sums import residuals
from runtime.predictor.channel_parameters import ORDER

from ..data.recordings import CODES, UNIFORM_RECONSTRUCTION, Recordings

SEGMENT, DEFAULT_RATE = 1024, 19531
SPIKE = 5.0  # robust deviations of a residual that make a spike
BEFORE, AFTER = 20, 40  # samples of a spike around its start


class Signals:
    """Compute per-channel statistics of the first seconds of recordings, in codes.

    Attributes
    ----------
    deviation, residual : float [channels]
        Deviation of the channel and of its residual.
    power, residual_power : float [channels, SEGMENT // 2 + 1]
        Power density at `frequency`.
    histogram : int [1024]
        Of all samples.
    spike_rate : float [channels]
        Per second.
    spikes : list of (name, float [60])
        Mean spike of the channels with most of them.
    """

    def __init__(self, recordings: Recordings, seconds: float):
        self.names, self.sample_rate = recordings.names, recordings.sample_rate
        rate = self.sample_rate or DEFAULT_RATE
        frames = max(int(seconds * rate), 4 * SEGMENT)
        self.samples, self.histogram = len(recordings.codes), np.bincount(recordings.codes, minlength=CODES)
        pairs = [channel(codes[:frames]) for codes in recordings]
        self.deviation, self.residual = np.array([[x.std() for x in pair] for pair in pairs]).T
        self.power, self.residual_power = np.array([[spectrum(x) for x in pair] for pair in pairs]).transpose(1, 0, 2)
        self.frequency = np.fft.rfftfreq(SEGMENT, 1 / rate)
        found = [find_spikes(*pair) for pair in pairs]
        self.spike_rate = np.array([n * rate / len(value) for (n, _), (value, _) in zip(found, pairs)])
        best = np.argsort(-self.spike_rate)[:6]
        self.spikes = [(self.names[i], found[i][1]) for i in best if found[i][0]]


def channel(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the signal without its mean, and the residual of its linear predictor, float64 [time], in codes."""
    value = UNIFORM_RECONSTRUCTION[codes]
    value = value - np.int32(round(value.mean()))
    signal = np.zeros(ORDER + len(value), np.int16)
    excess = to_signal(value, signal)
    return value / 64.0, residuals(signal, linear_predictor(value)[0])[32:] * (1 << excess) / 64.0


def spectrum(x: np.ndarray) -> np.ndarray:
    """Return the power density by Welch's method (Hann windows, half overlapping), per bin."""
    count = max((len(x) - SEGMENT) // (SEGMENT // 2) + 1, 1)
    starts = np.arange(count)[:, None] * (SEGMENT // 2) + np.arange(SEGMENT)
    window = np.hanning(SEGMENT)
    parts = np.pad(x, (0, max(SEGMENT - len(x), 0)))[starts] * window
    return (np.abs(np.fft.rfft(parts)) ** 2).mean(axis=0) / (window**2).sum()


def find_spikes(value: np.ndarray, residual: np.ndarray) -> tuple[int, np.ndarray]:
    """Return the count of spikes and their mean shape in the signal, float [60], start at index 20."""
    limit = SPIKE * max(np.median(np.abs(residual)) / 0.6745, 0.3)
    above = np.flatnonzero(np.abs(residual) > limit) + 32
    starts = above[np.diff(above, prepend=-1000) > AFTER]
    inside = starts[(starts > BEFORE) & (starts < len(value) - AFTER)]
    if not len(inside):
        return len(starts), np.zeros(BEFORE + AFTER)
    return len(starts), value[inside[:, None] + np.arange(-BEFORE, AFTER)].mean(axis=0)
