"""Statistics of channels for the report: numpy only."""

import numpy as np

from runtime.fit.least_squares import residual_of, to_signal
from runtime.fit.own_predictor import linear_predictor

from ..data.recordings import CODES, UNIFORM_RECONSTRUCTION, Recordings

SEGMENT, LAGS, DEFAULT_RATE = 1024, 64, 19531
SPIKE = 5.0  # robust deviations of a residual that make a spike
SHAPE = (20, 40)  # samples of a spike before and after its start


class Signals:
    """Compute per-channel statistics of recordings, in codes.

    Attributes
    ----------
    deviation, residual, local : float [channels]
        Deviation of the channel and of its residual, and geometric mean of the residual's deviation over 64 samples.
    power, residual_power : float [channels, SEGMENT // 2 + 1]
    auto, residual_auto : float [channels, LAGS + 1]
        Autocorrelations.
    histogram : int [1024]
    spike_rate : float [channels]
        Per second.
    shape : list of (name, float [60])
        Mean spike of the channels with most of them.
    """

    def __init__(self, recordings: Recordings, seconds: float):
        self.names, self.sample_rate = recordings.names, recordings.sample_rate
        rate = self.sample_rate or DEFAULT_RATE
        self.frames = max(int(seconds * rate), 4 * SEGMENT)
        self.samples, self.histogram = len(recordings.codes), np.bincount(recordings.codes, minlength=CODES)
        self.first = recordings[0][: int(0.2 * rate)].astype(int) - CODES // 2
        rows, spikes = [], []
        for i in range(len(recordings)):
            value, residual = self.channel(recordings[i][: self.frames])
            local = local_deviation(residual)
            numbers = (value.std(), residual.std(), np.exp2(np.log2(local).mean()))
            both = [f(x) for f in (spectrum, autocorrelation) for x in (value, residual)]
            rows.append((numbers, *both))
            spikes.append(find_spikes(value, residual))
        numbers, *both = zip(*rows)
        self.deviation, self.residual, self.local = np.array(numbers).T
        self.power, self.residual_power, self.auto, self.residual_auto = map(np.array, both)
        self.frequency = np.fft.rfftfreq(SEGMENT, 1 / rate)
        self.spike_rate = np.array([n * rate / min(len(c), self.frames) for (n, _), c in zip(spikes, recordings)])
        best = np.argsort(-self.spike_rate)[:6]
        self.shape = [(self.names[i], spikes[i][1]) for i in best if spikes[i][0]]

    @staticmethod
    def channel(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the signal without its mean, and residual of the linear predictor; float64, in codes."""
        value = UNIFORM_RECONSTRUCTION[codes]
        value = value - np.int32(round(value.mean()))
        signal, excess = to_signal(value)
        residual = residual_of(signal, linear_predictor(value)[0]) * (1 << excess)
        return value / 64.0, residual[32:] / 64.0


def local_deviation(residual: np.ndarray) -> np.ndarray:
    """Return the deviation of a residual over every 64 samples, not below that of rounding."""
    blocks = residual[: len(residual) // 64 * 64].reshape(-1, 64)
    return np.maximum(blocks.std(axis=1), np.sqrt(1 / 12))


def spectrum(x: np.ndarray) -> np.ndarray:
    """Return the power density by Welch's method (Hann windows, half overlapping), per bin."""
    count = max((len(x) - SEGMENT) // (SEGMENT // 2) + 1, 1)
    starts = np.arange(count)[:, None] * (SEGMENT // 2) + np.arange(SEGMENT)
    window = np.hanning(SEGMENT)
    parts = np.pad(x, (0, max(SEGMENT - len(x), 0)))[starts] * window
    return (np.abs(np.fft.rfft(parts)) ** 2).mean(axis=0) / (window**2).sum()


def autocorrelation(x: np.ndarray) -> np.ndarray:
    """Return the autocorrelation at lags 0..LAGS."""
    size = 1 << (2 * len(x) - 1).bit_length()
    power = np.abs(np.fft.rfft(x - x.mean(), size)) ** 2
    sums = np.fft.irfft(power)[: LAGS + 1]
    return sums / max(sums[0], 1e-12)


def find_spikes(value: np.ndarray, residual: np.ndarray) -> tuple[int, np.ndarray]:
    """Return the count of spikes and their mean shape in the signal, float [60], start at index 20."""
    limit = SPIKE * max(np.median(np.abs(residual)) / 0.6745, 0.3)
    above = np.flatnonzero(np.abs(residual) > limit) + 32
    starts = above[np.diff(above, prepend=-1000) > SHAPE[1]]
    inside = starts[(starts > SHAPE[0]) & (starts < len(value) - SHAPE[1])]
    if not len(inside):
        return len(starts), np.zeros(sum(SHAPE))
    return len(starts), value[inside[:, None] + np.arange(-SHAPE[0], SHAPE[1])].mean(axis=0)
