"""What a decoder of intentions would see: spikes in a recording and in its decoded form, compared. numpy only.

All signals are arrays [time, channel] in codes. The band-pass here is the usual second-order Butterworth, run forwards and
backwards, by FFT over the whole recording: not the encoder's filter. Noise is the robust deviation of the original, and
thresholds are multiples of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TOLERANCE = 0.0005
"""Seconds by which crossings of the same spike may lie apart."""
DEAD = 0.001
WAVE = (0.0005, 0.0015)
"""Seconds of a waveform before and after its crossing."""
BIN = 0.02


def spectrum_gain(frames: int, rate: float, low: float | None, high: float, order: int = 2) -> np.ndarray:
    """Gain of a Butterworth band-pass (low-pass without `low`) that is run twice, at the frequencies of `rfft`."""
    axis = np.tan(np.pi * np.minimum(np.fft.rfftfreq(frames) * 0.999999, 0.4999999))
    top = np.tan(np.pi * high / rate)
    if low is None:
        return 1 / (1 + (axis / top) ** (2 * order))
    bottom = np.tan(np.pi * low / rate)
    axis = np.maximum(axis, 1e-12)
    return 1 / (1 + ((axis * axis - top * bottom) / (axis * (top - bottom))) ** (2 * order))


def filtered(signal: np.ndarray, rate: float, low: float | None, high: float, order: int = 2) -> np.ndarray:
    """float32 [time, channel], the ends mirrored."""
    out = np.empty(signal.shape, np.float32)
    for channel in range(signal.shape[1]):
        x = signal[:, channel].astype(float)
        both = np.concatenate([x, x[::-1]])
        gain = spectrum_gain(len(both), rate, low, high, order)
        out[:, channel] = np.fft.irfft(np.fft.rfft(both) * gain, len(both))[: len(x)]
    return out


def crossings(band: np.ndarray, threshold: np.ndarray, rate: float) -> list[np.ndarray]:
    """Frames at which each channel goes below -threshold, with a dead time."""
    found = []
    for channel in range(band.shape[1]):
        under = band[:, channel] < -threshold[channel]
        kept, last = [], -1e9
        for t in (np.flatnonzero(under[1:] & ~under[:-1]) + 1).tolist():
            if t - last >= DEAD * rate:
                kept.append(t)
                last = t
        found.append(np.array(kept, int))
    return found


def nearest(times: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The nearest of `others` to each time; far away where there is none."""
    if not len(others):
        return np.full(len(times), -(10**9))
    after = np.searchsorted(others, times)
    right, left = others[np.minimum(after, len(others) - 1)], others[np.maximum(after - 1, 0)]
    return np.where(np.abs(right - times) < np.abs(left - times), right, left)


def found_share(some: list[np.ndarray], others: list[np.ndarray], live: np.ndarray, rate: float) -> float:
    """Share of some crossings on live channels that have one of the others beside them."""
    hits = [np.abs(nearest(some[i], others[i]) - some[i]) <= TOLERANCE * rate for i in np.flatnonzero(live)]
    hits = np.concatenate(hits) if hits else np.zeros(0)
    return float(hits.mean()) if len(hits) else float("nan")


@dataclass
class Original:
    """A recording with all that is compared with."""

    codes: np.ndarray
    rate: float

    def __post_init__(self) -> None:
        self.band = filtered(self.codes, self.rate, 300, 3000)
        self.noise = np.median(np.abs(self.band), axis=0) / 0.6745
        self.live = (self.noise >= 2) & (self.codes.std(axis=0) < 200)
        self.all, self.clear = (crossings(self.band, k * self.noise, self.rate) for k in (4.5, 5.5))
        self.slow = filtered(self.codes, self.rate, None, 200, 4)

    def compare(self, decoded: np.ndarray) -> dict[str, float]:
        """All figures for a decoded form."""
        band = filtered(decoded, self.rate, 300, 3000)
        every, clear = (crossings(band, k * self.noise, self.rate) for k in (4.5, 5.5))
        figures = {
            "recall": found_share(self.all, every, self.live, self.rate),
            "precision": found_share(every, self.all, self.live, self.rate),
            "clear_recall": found_share(self.clear, every, self.live, self.rate),
            "clear_precision": found_share(clear, self.all, self.live, self.rate),
        }
        channels = np.flatnonzero(self.live)
        moved = [nearest(self.all[i], every[i]) - self.all[i] for i in channels]
        moved = np.concatenate([m[np.abs(m) <= TOLERANCE * self.rate] for m in moved])
        figures["jitter_us"] = float(np.abs(moved).mean() / self.rate * 1e6) if len(moved) else float("nan")
        figures |= self._waveforms(band, channels) | self._rates(every, channels)
        slow = filtered(decoded, self.rate, None, 200, 4)
        figures["slow"] = float(np.mean([correlation(self.slow[:, i], slow[:, i]) for i in channels]))
        figures["slow_least"] = float(np.min([correlation(self.slow[:, i], slow[:, i]) for i in channels]))
        return figures

    def _waveforms(self, band: np.ndarray, channels: np.ndarray) -> dict[str, float]:
        """Correlation of waveforms, error of their first two principal components, agreement of clusters."""
        correlations, wrong, total, same, sorted_ = [], 0.0, 0.0, 0, 0
        for channel in channels:
            before, after = (cut_out(x[:, channel], self.clear[channel], self.rate) for x in (self.band, band))
            correlations += [correlation(a, b) for a, b in zip(before, after, strict=True)]
            if len(before) < 40:
                continue
            centre = before.mean(axis=0)
            axes = np.linalg.svd(before - centre, full_matrices=False)[2][:2].T
            first, second = (before - centre) @ axes, (after - centre) @ axes
            wrong, total = wrong + ((first - second) ** 2).sum(), total + (first**2).sum()
            same += int((clusters(first) == clusters(second)).sum())
            sorted_ += len(first)
        return {
            "waveform": float(np.mean(correlations)) if correlations else float("nan"),
            "feature_error": float(np.sqrt(wrong / total)) if total else float("nan"),
            "clusters": same / sorted_ if sorted_ else float("nan"),
        }

    def _rates(self, every: list[np.ndarray], channels: np.ndarray) -> dict[str, float]:
        """Mean error of the spike count in bins of 20 ms, and relative to the mean count."""
        width = round(BIN * self.rate)
        bins = np.arange(0, len(self.codes) + width, width)
        counts = [[np.histogram(x[i], bins)[0] for i in channels] for x in (self.all, every)]
        before, after = (np.array(c) for c in counts)
        return {
            "rate_error": float(np.abs(before - after).mean()),
            "rate_share": float(np.abs(before - after).sum() / max(before.sum(), 1)),
        }


def cut_out(band: np.ndarray, times: np.ndarray, rate: float) -> np.ndarray:
    """Waveforms [spikes, samples] around crossings."""
    before, after = round(WAVE[0] * rate), round(WAVE[1] * rate)
    index = np.clip(times[:, None] + np.arange(-before, after), 0, len(band) - 1)
    return band[index].astype(float)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's; 0 where one of them is flat."""
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / scale) if scale > 0 else 0.0


def clusters(points: np.ndarray, count: int = 2) -> np.ndarray:
    """Labels of k-means, started at the ends of the first axis; labels are in order of it."""
    middles = points[np.argsort(points[:, 0])[np.linspace(0, len(points) - 1, count).astype(int)]]
    for _ in range(30):
        label = ((points[:, None] - middles) ** 2).sum(axis=2).argmin(axis=1)
        middles = np.array(
            [points[label == k].mean(axis=0) if (label == k).any() else middles[k] for k in range(count)]
        )
    order = np.argsort(np.argsort(middles[:, 0]))
    return order[label]
