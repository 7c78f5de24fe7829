"""The part of a recording that is looked at: its samples, units, and the channels that are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..access.array import RecordingArray
from ..container.metadata import GAIN
from . import signals

_CANDIDATES, _TRACES = 32, 6
"""Channels that are looked at more closely, and those of them that are drawn."""
_WINDOW, _LEAST, _FRAMES = 0.1, 400, 2000
"""Seconds and least frames that are drawn of traces, and frames where the sample rate is unknown."""
_LONG = 5.0
"""Seconds from which times are not given in ms."""


@dataclass
class Excerpt:
    """The beginning of a recording.

    Attributes
    ----------
    samples : [frames, channels], as decoded, in sample units
    original : the same of the original, for lossy files where it is given
    rate : float
        Hz; 0 if unknown.
    gain : float64 [channels], units for a sample unit
    unit : of samples times gain: µV, or sample units
    candidates : numbers of live channels, spread over all
    residual : float64 [frames, candidates], what linear prediction leaves of them, in sample units
    drawn : places in `candidates` of the channels whose traces are drawn
    adc_step : of the converter, in units
    """

    samples: np.ndarray
    original: np.ndarray | None
    rate: float
    gain: np.ndarray
    unit: str
    candidates: list[int]
    residual: np.ndarray
    drawn: list[int]
    adc_step: float

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return self.samples.shape[1]

    @property
    def seconds(self) -> float:
        """Length of the excerpt; 0 if the sample rate is unknown."""
        return len(self.samples) / self.rate if self.rate else 0.0

    @property
    def window(self) -> slice:
        """The frames that are drawn: around the largest residual of the first drawn channel."""
        wanted = max(round(_WINDOW * self.rate), _LEAST) if self.rate else _FRAMES
        length = min(wanted, len(self.samples))
        if not self.drawn:
            return slice(0, length)
        peak = int(np.abs(self.residual[:, self.drawn[0]]).argmax())
        start = int(np.clip(peak - length // 3, 0, len(self.samples) - length))
        return slice(start, start + length)

    @property
    def time_unit(self) -> tuple[float, str]:
        """Frames in a unit of the time of traces, and its name."""
        if not self.rate:
            return 1.0, "frames"
        part = self.window
        return (self.rate, "s") if part.stop - part.start > _LONG * self.rate else (self.rate / 1000, "ms")

    @property
    def noise(self) -> float:
        """Robust deviation of what linear prediction leaves of the median channel, in units; 0 without live ones."""
        if not self.candidates:
            return 0.0
        gain = np.abs(self.gain[self.candidates])
        return float(np.median([signals.deviation(row) for row in (self.residual * gain).T]))

    @property
    def rounding(self) -> float:
        """Deviation of what rounding to the steps of the converter adds, in units."""
        return float(self.adc_step / np.sqrt(12))


def of_samples(
    samples: np.ndarray, original: np.ndarray | None, recording: RecordingArray, faults: signals.Faults
) -> Excerpt:
    """Return an excerpt with what is computed of it.

    Parameters
    ----------
    samples, original : [frames, channels]; None without an original
    recording : RecordingArray
        Gives sample rate and gains.
    faults : signals.Faults
        Dead and duplicated channels are not drawn.
    """
    idle = {*faults.dead, *faults.duplicated}
    live = [channel for channel in range(samples.shape[1]) if channel not in idle]
    candidates = [live[i] for i in np.linspace(0, len(live) - 1, min(len(live), _CANDIDATES)).astype(int).tolist()]
    source = samples if original is None else original
    residual = np.zeros((len(samples), 0))
    if candidates:
        residual = signals.residual(source[:, candidates].astype(np.float64))
    peaks = [np.abs(row).max() / max(signals.deviation(row), 1e-9) for row in residual.T]
    drawn = sorted(np.argsort(peaks)[::-1][:_TRACES].tolist())
    known = recording.metadata.get(GAIN)
    gain = np.ones(samples.shape[1]) if known is None else np.array(known, float)
    unit = "sample units" if known is None else "µV"
    step = signals.adc_step(source[:, candidates] * gain[candidates])
    return Excerpt(samples, original, recording.sample_rate, gain, unit, candidates, residual, drawn, step)
