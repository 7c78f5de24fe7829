"""What signals look like: spectra, what linear prediction leaves, the steps of the converter, faults of channels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..fit.least_squares import SIGNAL_BITS
from ..fit.own_predictor import own_predictors
from ..fit.weighted_sums import residuals
from ..predictor.channel_parameters import ORDER

_SEGMENT = 4096
"""Frames of a segment in Welch's method."""
_RAIL_RUN, _RAIL_SHARE, _RAIL_PILE, _RAIL_VALUES = 5, 1e-3, 3, 16
"""A channel is saturated where runs of so many equal samples at its extreme value are such a share of all, and that
value is so many times as frequent as its neighbour, among so many different values."""
_HUM, _HUM_PEAK, _HARMONICS, _HUM_SECONDS = 0.25, 10.0, 8, 0.2
"""A channel hums where lines of the mains have such a share of its power, and such a multiple of what is beside them;
so many harmonics are looked at, in recordings of so many seconds."""
MAINS = (50, 60)
"""Hz."""


@dataclass
class Faults:
    """What is wrong with channels, by their numbers.

    Attributes
    ----------
    dead : with one value only
    saturated : that stay at their highest or lowest value
    duplicated : and the channel that they are equal to
    humming : and their share of power that is hum of the mains, 0..1
    mains : Hz of the hum; 0 where there is none
    hum_known : whether the excerpt is long enough to tell
    """

    dead: list[int] = field(default_factory=list)
    saturated: list[int] = field(default_factory=list)
    duplicated: dict[int, int] = field(default_factory=dict)
    humming: dict[int, float] = field(default_factory=dict)
    mains: int = 0
    hum_known: bool = True

    def words(self) -> dict[str, list[int]]:
        """Return the channels by a word for their fault, where there are any."""
        lists = {
            "dead": self.dead,
            "saturated": self.saturated,
            "duplicated": list(self.duplicated),
            "humming": list(self.humming),
        }
        return {word: channels for word, channels in lists.items() if channels}


def find_faults(samples: np.ndarray, sample_rate: float) -> Faults:
    """Return what is wrong with channels [frames, channels]; hum is looked for where the sample rate (Hz) is known."""
    found, first = Faults(), {}  # type: Faults, dict[bytes, int]
    found.hum_known = bool(sample_rate) and len(samples) >= _HUM_SECONDS * sample_rate
    hums: dict[int, dict[int, float]] = {mains: {} for mains in MAINS}
    for channel in range(samples.shape[1]):
        column = np.ascontiguousarray(samples[:, channel])
        values, counts = np.unique(column, return_counts=True)
        if len(values) < 2:
            found.dead.append(channel)
            continue
        same = first.setdefault(column.tobytes(), channel)
        if same != channel:
            found.duplicated[channel] = same
        if len(values) >= _RAIL_VALUES and _is_saturated(column, values, counts):
            found.saturated.append(channel)
        if found.hum_known:
            for mains, share in _hum_shares(column, sample_rate).items():
                hums[mains][channel] = share
    if any(hums.values()):
        found.mains = max(MAINS, key=lambda mains: len(hums[mains]))
        found.humming = hums[found.mains]
    return found


def _is_saturated(column: np.ndarray, values: np.ndarray, counts: np.ndarray) -> bool:
    for rail, count, beside in ((values[0], counts[0], counts[1]), (values[-1], counts[-1], counts[-2])):
        if count < max(_RAIL_PILE * beside, _RAIL_SHARE * len(column)):
            continue
        edges = np.flatnonzero(np.diff(np.concatenate([[False], column == rail, [False]])))
        runs = edges[1::2] - edges[::2]
        if runs[runs >= _RAIL_RUN].sum() >= _RAIL_SHARE * len(column):
            return True
    return False


def _hum_shares(column: np.ndarray, sample_rate: float) -> dict[int, float]:
    """Return the share of power at the mains' frequency and its harmonics, where it is large."""
    centred = (column - column.mean()) * np.hanning(len(column))
    power = np.abs(np.fft.rfft(centred)) ** 2
    width, total, found = sample_rate / len(column), power[1:].sum(), {}
    for mains in MAINS:
        line = beside = 0.0
        for harmonic in range(1, _HARMONICS + 1):
            at = round(harmonic * mains / width)
            if at + 8 >= len(power):
                break
            line += power[at - 2 : at + 3].sum()
            beside += 5 * float(np.median(np.concatenate([power[max(at - 8, 1) : at - 2], power[at + 3 : at + 9]])))
        if line > _HUM_PEAK * beside and line - beside > _HUM * total:
            found[mains] = float((line - beside) / total)
    return found


def spectrum(samples: np.ndarray, sample_rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Return power densities by Welch's method (Hann windows, half overlapping).

    Parameters
    ----------
    samples : [frames, channels], in any unit
    sample_rate : float
        Hz; 1 for frequencies in cycles per sample.

    Returns
    -------
    float64 [bins], Hz; float64 [channels, bins], in squares of the unit per Hz, one-sided
    """
    frames = len(samples)
    size = min(_SEGMENT, 1 << max(frames.bit_length() - 1, 3))
    samples = np.concatenate([samples, np.zeros((max(size - frames, 0), samples.shape[1]), samples.dtype)])
    window, total = np.hanning(size), np.zeros((samples.shape[1], size // 2 + 1))
    starts = range(0, len(samples) - size + 1, size // 2)
    for start in starts:
        part = samples[start : start + size].T.astype(np.float64)
        part -= part.mean(axis=1, keepdims=True)
        total += np.abs(np.fft.rfft(part * window)) ** 2
    return np.fft.rfftfreq(size, 1 / sample_rate), 2 * total / (len(starts) * sample_rate * (window**2).sum())


def residual(samples: np.ndarray) -> np.ndarray:
    """Return what order-16 linear predictors leave of channels, float64 [frames, channels], in the unit of the samples.

    The first 16 frames are 0: nothing is known in front of them.
    """
    frames, channels = samples.shape
    centred = samples - samples.mean(axis=0)
    scale = ((1 << SIGNAL_BITS) - 1) / np.maximum(np.abs(centred).max(axis=0, initial=0), 1e-30)
    signals = np.zeros((channels, ORDER + frames), np.int16)
    signals[:, ORDER:] = np.rint(centred * scale).T
    coefficients, _ = own_predictors(signals, np.ones(channels))
    left = np.stack([residuals(*pair) for pair in zip(signals, coefficients.astype(np.int64), strict=True)], axis=1)
    left[:ORDER] = 0
    return left / scale


def adc_step(samples: np.ndarray) -> float:
    """Return the distance of neighbouring values of channels [frames, channels], their median; 0 if all are flat.

    Values may be unevenly apart, as those of a rounded table; gaps where a value never came are wider.
    """
    steps = []
    for column in samples.T:
        gaps = np.diff(np.unique(column))
        if len(gaps):
            steps.append(float(np.quantile(gaps, 0.1, method="lower")))
    return float(np.median(steps)) if steps else 0.0


def deviation(values: np.ndarray) -> float:
    """Return the robust deviation of values: of a Gaussian, its standard deviation."""
    return float(np.median(np.abs(values)) / 0.6745)


def gaussian_bits(sigma: float) -> float:
    """Return the entropy of Gaussian noise in steps, bits per sample; `sigma` in steps, at least a quarter."""
    return float(np.log2(max(sigma, 0.25) * np.sqrt(2 * np.pi * np.e)))
