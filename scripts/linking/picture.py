"""The picture of a run: bits per second, latency and recall over time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .figures import Found, Latency, by_second
from .processes import Setting


def draw(path: Path, setting: Setting, bits: np.ndarray, delays: Latency, found: Found, target: float | None) -> bool:
    """Write a PNG; return whether matplotlib is installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(10, 8), layout="constrained")
    upper, middle, lower = figure.subplots(3, sharex=True)
    ends = (np.arange(len(bits)) + 1) * setting.block / setting.rate
    seconds = setting.frames / setting.rate
    whole = max(1, int(seconds))
    per_second = np.bincount((ends - 1e-9).astype(int), bits, minlength=whole)[:whole]
    upper.stairs(per_second / 1e3, np.arange(whole + 1), color="tab:blue", lw=1.5)
    if target is not None:
        upper.axhline(target / 1e3, color="black", lw=1, ls="--", label="target")
        upper.legend()
    upper.set(ylabel="kbit of each second", ylim=(0, None))
    for name, values, colour in (("packet", delays.packet, "tab:green"), ("frames", delays.decoded, "tab:orange")):
        middle.plot(ends, 1e3 * values, ".", ms=2, color=colour, label=f"to {name}")
    middle.set(ylabel="ms from a block's last frame", yscale="log")
    middle.legend(markerscale=4)
    every = np.ones(len(found.times), bool)
    for name, chosen, colour in (("all", every, "tab:purple"), ("clear", found.clear, "tab:red")):
        recall = by_second(found.times[chosen], found.again[chosen].astype(float), seconds)
        lower.plot(np.arange(len(recall)) + 0.5, recall, ".-", lw=1, color=colour, label=f"{name} spikes")
    lower.set(ylabel="recall", xlabel="s", ylim=(None, 1.005))
    lower.legend()
    for axes in (upper, middle, lower):
        axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return True
