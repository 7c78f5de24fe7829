"""Figures of the report, each from statistics that are already computed."""

import numpy as np
from matplotlib.figure import Figure

from runtime.fit.topology import Topology

from ..data.recordings import CODES
from .signals import AFTER, BEFORE, Signals


def pair_of_axes(*labels: tuple[str, str]) -> tuple:
    """Return a figure with one pair of axes for each pair of labels, and these."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots(1, len(labels), squeeze=False)[0]
    for one, (x, y) in zip(axes, labels):
        one.set(xlabel=x, ylabel=y)
    return figure, *axes


def spectra(signals: Signals) -> Figure:
    """Plot power spectra of channels and residuals: median, and a band that holds 80 % of the channels."""
    figure, axes = pair_of_axes(("Hz", "dB, codes² per bin"))
    for rows, label in ((signals.power, "channels"), (signals.residual_power, "residuals")):
        low, middle, high = np.quantile(10 * np.log10(rows[:, 1:] + 1e-9), [0.1, 0.5, 0.9], axis=0)
        (line,) = axes.plot(signals.frequency[1:], middle, label=label)
        axes.fill_between(signals.frequency[1:], low, high, alpha=0.2, color=line.get_color())
    axes.set_xscale("log")
    axes.legend()
    return figure


def codes(signals: Signals) -> Figure:
    """Plot the histogram of codes, and their widths: counts over a running mean of them."""
    figure, left, right = pair_of_axes(("code", "samples"), ("code", "width / mean width"))
    code, kernel = np.arange(CODES) - CODES // 2, np.hanning(67)[1:-1]
    left.bar(code, signals.histogram, width=1)
    expected = np.convolve(signals.histogram, kernel / kernel.sum(), mode="same")
    right.step(code, signals.histogram / np.maximum(expected, 1), where="mid", lw=0.8)
    left.set_xlim(-64, 64)
    right.set(xlim=(-128, 128), ylim=(0, 2.2))
    return figure


def partners_together(matrix: np.ndarray) -> list[int]:
    """Return an order of channels in which each is followed by its strongest partner, if that has no place yet."""
    left, order = set(range(len(matrix))), []
    strength = np.abs(matrix - np.eye(len(matrix)))
    for channel in np.argsort(-strength.max(axis=1), kind="stable").tolist():
        while channel in left:
            order.append(channel)
            left.remove(channel)
            channel = int(strength[channel].argmax()) if strength[channel].any() else -1
    return order


def pairs(topology: Topology) -> Figure:
    """Plot the matrix of significant correlations, whole and its first 48 channels, without channels that have none."""
    matrix = topology.matrix()
    order = partners_together(matrix)
    connected = [i for i in order if np.count_nonzero(matrix[i]) > 1] or order
    shown = np.abs(matrix[np.ix_(connected, connected)])
    np.fill_diagonal(shown, 0)
    figure, *both = pair_of_axes(("channel", "channel"), ("channel", "channel"))
    top = max(float(np.quantile(shown[shown > 0], 0.95)), 1e-3) if shown.any() else 1.0
    for axes, part in zip(both, (shown, shown[:48, :48])):
        image = axes.imshow(part, cmap="magma_r", vmin=0, vmax=top, interpolation="nearest")
        axes.set_title(f"{len(part)} channels")
    figure.colorbar(image, label="|correlation|")
    return figure


def spikes(signals: Signals) -> Figure:
    """Plot a histogram of spike rates, and the mean spikes of channels with many."""
    figure, left, right = pair_of_axes(("spikes per second", "channels"), ("samples", "mean, codes"))
    left.hist(signals.spike_rate, bins=40)
    for name, shape in signals.spikes:
        right.plot(np.arange(-BEFORE, AFTER), shape, label=name[:18])
    if signals.spikes:
        right.legend(fontsize=8)
    return figure


def gaussian_bits(deviation: np.ndarray) -> np.ndarray:
    """Return the entropy of a Gaussian in steps of one code."""
    return np.log2(np.maximum(deviation, 0.25) * np.sqrt(2 * np.pi * np.e))


def bits(signals: Signals) -> Figure:
    """Plot the cost of a sample in each channel."""
    figure, axes = pair_of_axes(("channels, sorted", "bits per sample"))
    order = np.argsort(signals.residual)
    for label, deviation in (("white", signals.deviation), ("predicted", signals.residual)):
        cost = gaussian_bits(deviation)
        axes.plot(cost[order], ".", ms=3, label=f"{label}: {cost.mean():.2f} on average")
    axes.legend()
    return figure
