"""How close a decoded recording is to the original, in what its users look at. numpy only.

Spikes are crossings of -4.5 robust standard deviations of the original's 300-3000 Hz band, downwards, with that one
threshold for both signals. One that barely passes the threshold may be lost by any change of the signal; a clear spike
is one that goes at least 5 % beyond it. Filters are Butterworth of order 3 forwards and backwards: no phase, the
squared magnitude applied in the frequency domain.
"""

from dataclasses import dataclass

import numpy as np

SPIKE_BAND = (300.0, 3000.0)  # Hz
POWER_BAND = (300.0, 1000.0)  # Hz, of the spike-band power that decoders of movements use
ORDER = 3
SIGMAS = 4.5
CLEAR = 1.05  # thresholds: how deep a clear spike is at least
DEAD_TIME = 0.001  # s after a crossing in which there is no other one
TOLERANCE = 0.0005  # s between crossings that count as the same
POWER_BIN = 0.05  # s
WAVEFORM = (0.0005, 0.0015)  # s before and after a crossing


@dataclass
class Fidelity:
    """Comparison of one channel.

    snr : dB, of the whole signal (mean removed) to the error; nan if there is no error
    largest : largest absolute difference
    spikes, found, right : crossings in the original, in the decoded signal, and common to both
    clear, clear_right : clear ones of the original, and those of them that are crossings of the decoded signal too
    clear_found, clear_found_right : the same for clear ones of the decoded signal
    shifts : float [right], seconds between common crossings
    waveforms : float [spikes], correlation of each spike's band-passed waveform in both signals
    power_correlation, power_bias : of the spike-band power in bins, relative bias
    """

    snr: float
    largest: float
    spikes: int
    found: int
    right: int
    clear: int
    clear_right: int
    clear_found: int
    clear_found_right: int
    shifts: np.ndarray
    waveforms: np.ndarray
    power_correlation: float
    power_bias: float


def band_passed(signal, rate, band):
    """A signal [time] through the band, zero phase."""
    low, high = band
    size = 1 << int(2 * len(signal) - 1).bit_length()
    frequency = np.fft.rfftfreq(size, 1 / rate)
    with np.errstate(divide="ignore"):
        detuned = (frequency**2 - low * high) / (frequency * (high - low))
    gain = 1 / (1 + detuned ** (2 * ORDER))
    return np.fft.irfft(np.fft.rfft(signal - signal.mean(), size) * gain, size)[: len(signal)]


def threshold(band):
    """Where a spike begins: a negative level."""
    return -SIGMAS * np.median(np.abs(band)) / 0.6745


def crossings(band, level, rate):
    """Samples at which the band-passed signal falls below a level, with the dead time kept."""
    found = np.flatnonzero((band[1:] < level) & (band[:-1] >= level)) + 1
    dead, kept, last = round(DEAD_TIME * rate), [], -np.inf
    for t in found.tolist():
        if t - last > dead:
            kept.append(t)
            last = t
    return np.array(kept, int)


def depths(band, times, level, rate):
    """How deep the signal goes within the dead time after each crossing, in thresholds."""
    reach = round(DEAD_TIME * rate) + 1
    padded = np.append(band, np.full(reach, band[-1]))
    return np.lib.stride_tricks.sliding_window_view(padded, reach)[times].min(axis=1) / level


def match(first, second, tolerance):
    """Pairs (as two index arrays) of events that are within the tolerance, each used once, in order of time."""
    pairs, j = [], 0
    for i, t in enumerate(first.tolist()):
        while j < len(second) and second[j] < t - tolerance:
            j += 1
        if j < len(second) and second[j] <= t + tolerance:
            pairs.append((i, j))
            j += 1
    return tuple(np.array(pairs, int).reshape(-1, 2).T)


def compare(original, decoded, rate):
    """Fidelity of one channel, given as arrays [time] in any unit."""
    original, decoded = original.astype(float), decoded.astype(float)
    error = decoded - original
    bands = [band_passed(signal, rate, SPIKE_BAND) for signal in (original, decoded)]
    level = threshold(bands[0])
    before, after = (crossings(band, level, rate) for band in bands)
    own, other = match(before, after, round(TOLERANCE * rate))
    deep, deep_after = (depths(band, times, level, rate) >= CLEAR for band, times in zip(bands, (before, after)))
    powers = [power(signal, rate) for signal in (original, decoded)]
    noise = (error**2).mean()
    return Fidelity(
        snr=10 * np.log10(original.var() / noise) if noise else np.nan,
        largest=np.abs(error).max(),
        spikes=len(before),
        found=len(after),
        right=len(own),
        clear=deep.sum(),
        clear_right=deep[own].sum(),
        clear_found=deep_after.sum(),
        clear_found_right=deep_after[other].sum(),
        shifts=(after[other] - before[own]) / rate,
        waveforms=waveform_correlation(*bands, before, rate),
        power_correlation=correlation(*powers),
        power_bias=powers[1].mean() / powers[0].mean() - 1 if powers[0].mean() else 0.0,
    )


def power(signal, rate):
    """Spike-band power: mean magnitude of the band in every bin."""
    size = max(1, round(POWER_BIN * rate))
    band = np.abs(band_passed(signal, rate, POWER_BAND))
    return band[: len(band) // size * size].reshape(-1, size).mean(axis=1)


def waveform_correlation(first, second, times, rate):
    """Correlation of two signals around each of the times."""
    before, after = (round(t * rate) for t in WAVEFORM)
    times = times[(times >= before) & (times + after < len(first))]
    window = times[:, None] + np.arange(-before, after + 1)
    return np.array([correlation(a, b) for a, b in zip(first[window], second[window])])


def correlation(a, b):
    """Pearson's; 1 for equal signals, 0 if one of two unequal ones is flat."""
    if np.array_equal(a, b):
        return 1.0
    initial_scale = a.std() * b.std()
    return float(((a - a.mean()) * (b - b.mean())).mean() / initial_scale) if initial_scale else 0.0


def summary(results):
    """Means (SNR: of channels with an error) and totals over channels, by name; rates of spikes over all of them."""
    total = lambda name: sum(getattr(r, name) for r in results)  # noqa: E731
    share = lambda part, whole: float(total(part) / total(whole)) if total(whole) else 1.0  # noqa: E731
    noisy = [r.snr for r in results if not np.isnan(r.snr)]
    shifts = np.concatenate([r.shifts for r in results])
    waveforms = np.concatenate([r.waveforms for r in results])
    return {
        "snr": float(np.mean(noisy)) if noisy else np.nan,
        "largest": float(max(r.largest for r in results)),
        "spikes": total("spikes"),
        "recall": share("right", "spikes"),
        "precision": share("right", "found"),
        "clear_recall": share("clear_right", "clear"),
        "clear_precision": share("clear_found_right", "clear_found"),
        "shift": float(np.abs(shifts).mean()) if len(shifts) else 0.0,
        "waveform": float(waveforms.mean()) if len(waveforms) else 1.0,
        "power_correlation": float(np.mean([r.power_correlation for r in results])),
        "power_bias": float(np.mean([r.power_bias for r in results])),
    }
