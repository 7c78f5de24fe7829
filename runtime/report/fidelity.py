"""Compare decoded channels with the original in what their users look at.

Spikes are downward crossings of -4.5 robust deviations of the original's band of 300-3000 Hz, with that one threshold
for both signals. One that barely passes the threshold may be lost by any change of the signal; a clear spike is one
that goes at least 5 % beyond it. Filters are Butterworth of order 3, run forwards and backwards: no phase, the squared
magnitude applied in the frequency domain.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

SPIKE_BAND = (300.0, 3000.0)  # Hz
POWER_BAND = (300.0, 1000.0)  # Hz, of the spike-band power that decoders of movements use
LFP_BAND = (0.0, 200.0)  # Hz
ORDER = 3
THRESHOLD = 4.5  # robust deviations
CLEAR = 1.05  # thresholds: how deep a clear spike is at least
DEAD_TIME = 0.001  # s after a crossing in which there is no other one
TOLERANCE = 0.0005  # s between crossings that count as the same
POWER_BIN, COUNT_BIN = 0.05, 0.02  # s
WAVEFORM = (0.0005, 0.0015)  # s before and after a crossing
LEAST_SORTED = 40  # clear spikes that are clustered


@dataclass
class Fidelity:
    """Figures of one channel, which `summary` pools over channels.

    Attributes
    ----------
    largest : float
        Largest absolute difference.
    counts : dict of (part, whole)
        Pooled by their sums. Recall and precision of spikes, and of clear ones; agreement of two clusters; squared
        error of the waveforms' first two principal components; difference of the spike counts in bins; bias of the
        spike-band power.
    values : dict of float arrays
        Pooled by their mean. SNR in dB (empty without an error), shifts of common spikes in seconds, correlation of
        their waveforms, of the spike-band power and of the field potential, difference of the spike counts in bins.
    """

    largest: float
    counts: dict[str, tuple[float, float]] = field(default_factory=dict)
    values: dict[str, np.ndarray] = field(default_factory=dict)


class Channel:
    """A channel of the original, with what decoded forms are compared with.

    Parameters
    ----------
    signal : [time], in any unit
    sample_rate : Hz
    """

    def __init__(self, signal: np.ndarray, sample_rate: float) -> None:
        self.signal, self.sample_rate = signal.astype(float), sample_rate
        self.band = band_passed(self.signal, sample_rate, SPIKE_BAND)
        self.noise = float(np.median(np.abs(self.band)) / 0.6745)
        self.times = crossings(self.band, -THRESHOLD * self.noise, sample_rate)
        self.clear = self._is_clear(self.band, self.times)
        self._power, self._lfp = self._power_of(self.signal), band_passed(self.signal, sample_rate, LFP_BAND)

    def again(self, band: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the spikes of a decoded band, and which of the original's and of these are the same, by index."""
        times = crossings(band, -THRESHOLD * self.noise, self.sample_rate)
        return times, *match(self.times, times, round(TOLERANCE * self.sample_rate))

    def compare(self, decoded: np.ndarray) -> Fidelity:
        """Return the figures of a decoded form."""
        decoded = decoded.astype(float)
        error, rate = decoded - self.signal, self.sample_rate
        band = band_passed(decoded, rate, SPIKE_BAND)
        times, own, other = self.again(band)
        clear, power = self._is_clear(band, times), self._power_of(decoded)
        noise = (error**2).mean()
        result = Fidelity(float(np.abs(error).max()))
        result.counts = {
            "recall": (len(own), len(self.times)),
            "precision": (len(own), len(times)),
            "clear_recall": (self.clear[own].sum(), self.clear.sum()),
            "clear_precision": (clear[other].sum(), clear.sum()),
            "power_bias": (power.mean() - self._power.mean(), self._power.mean()),
        }
        result.values = {
            "snr": np.array([10 * np.log10(self.signal.var() / noise)] if noise else []),
            "shift": np.abs(times[other] - self.times[own]) / rate,
            "power_correlation": np.array([correlation(self._power, power)]),
            "lfp": np.array([correlation(self._lfp, band_passed(decoded, rate, LFP_BAND))]),
        }
        self._compare_waveforms(band, result)
        self._compare_counts(times, result)
        return result

    def _compare_waveforms(self, band: np.ndarray, result: Fidelity) -> None:
        """Correlate waveforms of all spikes; compare features and clusters of clear ones."""
        pairs = zip(*(cut_out(x, self.times, self.sample_rate) for x in (self.band, band)), strict=True)
        result.values["waveform"] = np.array([correlation(a, b) for a, b in pairs])
        before, after = (cut_out(x, self.times[self.clear], self.sample_rate) for x in (self.band, band))
        if len(before) < LEAST_SORTED:
            return
        centre = before.mean(axis=0)
        axes = np.linalg.svd(before - centre, full_matrices=False)[2][:2].T
        first, second = (before - centre) @ axes, (after - centre) @ axes
        result.counts["feature_error"] = ((first - second) ** 2).sum(), (first**2).sum()
        result.counts["clusters"] = (clusters(first) == clusters(second)).sum(), len(first)

    def _compare_counts(self, times: np.ndarray, result: Fidelity) -> None:
        """Compare the numbers of spikes in bins."""
        width = round(COUNT_BIN * self.sample_rate)
        bins = np.arange(0, len(self.signal) + width, width)
        before, after = (np.histogram(x, bins)[0] for x in (self.times, times))
        result.values["rate_error"] = np.abs(before - after)
        result.counts["rate_share"] = np.abs(before - after).sum(), before.sum()

    def _is_clear(self, band: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return which crossings go deep within the dead time."""
        reach = round(DEAD_TIME * self.sample_rate) + 1
        padded = np.append(band, np.full(reach, band[-1]))
        depth = np.lib.stride_tricks.sliding_window_view(padded, reach)[times].min(axis=1)
        return depth <= -CLEAR * THRESHOLD * self.noise

    def _power_of(self, signal: np.ndarray) -> np.ndarray:
        """Return the mean magnitude of the spike band in every bin."""
        size = max(1, round(POWER_BIN * self.sample_rate))
        band = np.abs(band_passed(signal, self.sample_rate, POWER_BAND))
        return band[: len(band) // size * size].reshape(-1, size).mean(axis=1)


def summary(results: list[Fidelity]) -> dict[str, float]:
    """Return the figures of all channels by name, and `spikes`, the number of spikes of the original."""
    figures = {"largest": max(r.largest for r in results), "spikes": sum(r.counts["recall"][1] for r in results)}
    perfect = dict.fromkeys(("recall", "precision", "clear_recall", "clear_precision", "clusters"), 1.0)
    for name in {name: None for r in results for name in r.counts} | perfect:
        part, whole = np.sum([r.counts.get(name, (0, 0)) for r in results], axis=0)
        figures[name] = float(part / whole) if whole else perfect.get(name, 0.0)
    figures["feature_error"] = figures.get("feature_error", 0.0) ** 0.5
    for name in results[0].values:
        values = np.concatenate([r.values[name] for r in results])
        empty = {"snr": np.nan, "shift": 0.0}.get(name, 1.0)
        figures[name] = float(values.mean()) if len(values) else empty
    return figures


def band_passed(signal: np.ndarray, sample_rate: float, band: tuple[float, float]) -> np.ndarray:
    """Return a signal [time] through a band, zero phase; a low-pass where the band begins with 0."""
    low, high = band
    size = 1 << int(2 * len(signal) - 1).bit_length()
    frequency = np.fft.rfftfreq(size, 1 / sample_rate)
    with np.errstate(divide="ignore", invalid="ignore"):
        detuned = (frequency**2 - low * high) / (frequency * (high - low))
    detuned[0] = np.inf if low else 0
    gain = 1 / (1 + detuned ** (2 * ORDER))
    return np.fft.irfft(np.fft.rfft(signal - signal.mean(), size) * gain, size)[: len(signal)]


def crossings(band: np.ndarray, level: float, sample_rate: float) -> np.ndarray:
    """Return the samples at which a band falls below a level, with the dead time kept."""
    found = np.flatnonzero((band[1:] < level) & (band[:-1] >= level)) + 1
    dead, kept, last = round(DEAD_TIME * sample_rate), [], -np.inf
    for t in found.tolist():
        if t - last > dead:
            kept.append(t)
            last = t
    return np.array(kept, int)


def match(first: np.ndarray, second: np.ndarray, tolerance: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs (as two index arrays) of events within the tolerance, each used once, in order of time."""
    pairs, j = [], 0
    for i, t in enumerate(first.tolist()):
        while j < len(second) and second[j] < t - tolerance:
            j += 1
        if j < len(second) and second[j] <= t + tolerance:
            pairs.append((i, j))
            j += 1
    own, other = np.array(pairs, int).reshape(-1, 2).T
    return own, other


def cut_out(band: np.ndarray, times: np.ndarray, sample_rate: float) -> np.ndarray:
    """Return the waveforms [spikes, samples] around crossings."""
    before, after = (round(t * sample_rate) for t in WAVEFORM)
    return band[np.clip(times[:, None] + np.arange(-before, after + 1), 0, len(band) - 1)]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Pearson's correlation; 1 for equal signals, 0 if one of two unequal ones is flat."""
    if np.array_equal(a, b):
        return 1.0
    scale = a.std() * b.std()
    return float(((a - a.mean()) * (b - b.mean())).mean() / scale) if scale else 0.0


def clusters(points: np.ndarray, count: int = 2) -> np.ndarray:
    """Return labels of k-means, started at the ends of the first axis, in order of it."""
    centres = points[np.argsort(points[:, 0])[np.linspace(0, len(points) - 1, count).astype(int)]]
    for _ in range(30):
        label = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        centres = np.array(
            [points[label == k].mean(axis=0) if (label == k).any() else centres[k] for k in range(count)]
        )
    return np.argsort(np.argsort(centres[:, 0]))[label]
