"""Figures of the page: codes and pairs of channels."""

import numpy as np
from matplotlib.figure import Figure

from runtime.fit.topology import Topology

from ..data.recordings import CODES


def pair_of_axes(*labels: tuple[str, str]) -> tuple:
    """Return a figure with one pair of axes for each pair of labels, and these."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots(1, len(labels), squeeze=False)[0]
    for one, (x, y) in zip(axes, labels):
        one.set(xlabel=x, ylabel=y)
    return figure, *axes


def codes(values: np.ndarray) -> Figure:
    """Plot the histogram of codes 0..1023 of all channels, and their widths: counts over a running mean of them."""
    figure, left, right = pair_of_axes(("code", "samples"), ("code", "width / mean width"))
    histogram = np.bincount(values, minlength=CODES)
    code, kernel = np.arange(CODES) - CODES // 2, np.hanning(67)[1:-1]
    left.bar(code, histogram, width=1)
    expected = np.convolve(histogram, kernel / kernel.sum(), mode="same")
    right.step(code, histogram / np.maximum(expected, 1), where="mid", lw=0.8)
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
