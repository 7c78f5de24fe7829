"""Figures of the report, each from statistics that are already computed."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from runtime.fit.topology import Topology

from ..data.recordings import CODES
from .signals import LAGS, SHAPE, Signals

WIDE = (10, 4)


def axes_of(**labels) -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes."""
    figure = Figure(figsize=WIDE, layout="constrained")
    axes = figure.subplots()
    axes.set(**labels)
    axes.grid(alpha=0.3)
    return figure, axes


def band(axes: Axes, x: np.ndarray, rows: np.ndarray, label: str) -> None:
    """Plot the median over channels, with a band that holds 80 % of them."""
    low, middle, high = np.quantile(rows, [0.1, 0.5, 0.9], axis=0)
    (line,) = axes.plot(x, middle, label=label)
    axes.fill_between(x, low, high, alpha=0.2, color=line.get_color())


def traces(signals: Signals) -> Figure:
    """Plot the start of the first channel."""
    figure, axes = axes_of(xlabel="sample", ylabel="code", title=signals.names[0])
    axes.plot(signals.first, lw=0.5)
    return figure


def spectra(signals: Signals) -> Figure:
    """Plot power spectra of channels and residuals."""
    figure, axes = axes_of(xlabel="Hz", ylabel="dB, codes² per bin")
    for rows, label in ((signals.power, "channels"), (signals.residual_power, "residuals")):
        band(axes, signals.frequency[1:], 10 * np.log10(rows[:, 1:] + 1e-9), label)
    axes.set_xscale("log")
    axes.legend()
    return figure


def codes(signals: Signals) -> Figure:
    """Plot the histogram of codes."""
    figure, axes = axes_of(xlabel="code", ylabel="samples", xlim=(-64, 64))
    axes.bar(np.arange(CODES) - CODES // 2, signals.histogram, width=1)
    return figure


def smooth(histogram: np.ndarray, half_width: int = 32) -> np.ndarray:
    """Return the running mean of a histogram over two periods of the converter's pattern."""
    kernel = np.hanning(2 * half_width + 3)[1:-1]
    return np.convolve(histogram, kernel / kernel.sum(), mode="same")


def widths(signals: Signals) -> Figure:
    """Plot the codes' widths."""
    figure, axes = axes_of(xlabel="code", ylabel="width / mean width", xlim=(-128, 128), ylim=(0, 2.2))
    expected = smooth(signals.histogram)
    axes.step(np.arange(CODES) - CODES // 2, signals.histogram / np.maximum(expected, 1), where="mid", lw=0.8)
    for code in range(-128, 129, 32):
        axes.axvline(code - 0.5, color="k", lw=0.3)
    return figure


def autocorrelation(signals: Signals) -> Figure:
    """Plot autocorrelations."""
    figure, axes = axes_of(xlabel="lag, samples", ylabel="correlation")
    band(axes, np.arange(LAGS + 1), signals.auto, "channels")
    band(axes, np.arange(LAGS + 1), signals.residual_auto, "residuals")
    axes.legend()
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
    figure = Figure(figsize=(10, 5), layout="constrained")
    top = max(float(np.quantile(shown[shown > 0], 0.95)), 1e-3) if shown.any() else 1.0
    for axes, part, title in zip(figure.subplots(1, 2), (shown, shown[:48, :48]), ("all", "the strongest 48")):
        image = axes.imshow(part, cmap="magma_r", vmin=0, vmax=top, interpolation="nearest")
        axes.set(title=f"{title} ({len(part)} channels)", xlabel="channel", ylabel="channel")
    figure.colorbar(image, label="|correlation|")
    return figure


def strengths(topology: Topology) -> Figure:
    """Plot a histogram of all tested correlations in deviations of chance, with the threshold."""
    shared, limits = topology.shared(), topology.thresholds()
    z = [abs(r) * np.sqrt(shared[pair]) for pair, (r, _) in topology.edges.items()]
    figure, axes = axes_of(xlabel="|correlation| in deviations of chance", ylabel="pairs")
    if z:
        axes.hist(np.clip(z, 1, None), bins=np.geomspace(1, max(*z, 10) * 1.01, 80))
        pair = next(iter(limits))
        axes.axvline(limits[pair] * np.sqrt(shared[pair]), color="r", label="threshold")
        axes.legend()
    axes.set_xscale("log")
    return figure


def spikes(signals: Signals) -> Figure:
    """Plot a histogram of spike rates."""
    figure, axes = axes_of(xlabel="spikes per second", ylabel="channels")
    axes.hist(signals.spike_rate, bins=40)
    return figure


def shapes(signals: Signals) -> Figure:
    """Plot mean spikes."""
    figure, axes = axes_of(xlabel="samples from where the residual is first beyond the limit", ylabel="mean, codes")
    for name, shape in signals.shape:
        axes.plot(np.arange(-SHAPE[0], SHAPE[1]), shape, label=name[:18])
    if signals.shape:
        axes.legend(fontsize=8)
    return figure


def gaussian_bits(deviation: np.ndarray) -> np.ndarray:
    """Return the entropy of a Gaussian in steps of one code."""
    return np.log2(np.maximum(deviation, 0.25) * np.sqrt(2 * np.pi * np.e))


def bits(signals: Signals) -> Figure:
    """Plot the cost of a sample in each channel."""
    figure, axes = axes_of(xlabel="channels, sorted", ylabel="bits per sample")
    order = np.argsort(signals.local)
    kinds = (("white", signals.deviation), ("predicted", signals.residual), ("predicted, local scale", signals.local))
    for label, deviation in kinds:
        cost = gaussian_bits(deviation)
        axes.plot(cost[order], ".", ms=3, label=f"{label}: {cost.mean():.2f} on average")
    axes.legend()
    return figure
