"""The picture of scripts/sorting: waveforms of known units, original against decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

BEFORE, AFTER = 0.001, 0.0025
"""Seconds around a spike."""
SINGLE, UNITS = 12, 4
ORIGINAL, DECODED = "#1f4e79", "#d1495b"


def draw(path: Path, codes: np.ndarray, decoded: np.ndarray, rate: int, units: list[tuple[str, np.ndarray]]) -> None:
    """Write single and mean waveforms of some units on the channel where they are largest.

    Parameters
    ----------
    path : of a PNG
    codes, decoded : int16 [time, channel]
    rate : Hz
    units : names, and frames of their spikes
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * len(units), 7.6), layout="constrained")
    axes = figure.subplots(3, len(units), sharex=True, squeeze=False)
    before, after = round(BEFORE * rate), round(AFTER * rate)
    time = 1000 * np.arange(-before, after) / rate
    for column, (name, times) in zip(axes.T, units):
        times = times[(times > before) & (times < len(codes) - after)]
        place = times[:, None] + np.arange(-before, after)
        mean = codes[place].mean(axis=0)
        channel = int((mean.max(axis=0) - mean.min(axis=0)).argmax())
        for ax, source, colour in ((column[0], codes, ORIGINAL), (column[1], decoded, DECODED)):
            ax.plot(time, source[place[:SINGLE], channel].T, color=colour, lw=0.8, alpha=0.6)
        column[2].plot(time, mean[:, channel], color=ORIGINAL, lw=2, label="original")
        column[2].plot(time, decoded[place, channel].mean(axis=0), color=DECODED, lw=1.2, ls="--", label="decoded")
        column[0].set_title(name, fontsize=9)
        column[2].set_xlabel("ms")
        low, high = codes[place[:SINGLE], channel].min(), codes[place[:SINGLE], channel].max()
        for ax in column:
            ax.set_ylim(low - 5, high + 5)
            ax.grid(alpha=0.3)
    for ax, label in zip(axes[:, 0], (f"{SINGLE} spikes, original", f"{SINGLE} spikes, decoded", "mean of all")):
        ax.set_ylabel(f"{label}, codes")
    axes[2, 0].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
