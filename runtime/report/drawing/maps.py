"""Figures of channels as a whole: bits on the probe, bits over time, and who is predicted from whom."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..costs import Costs
from ..layout import Layout
from ..signals import Faults
from . import style

_MOST_NAMES = 40
"""Channels that are named where they are drawn."""
_MOST_ROWS = 2048
"""Rows of a picture; more channels share one."""
_MOST_ARROWS = 128
"""Channels up to which lines have heads."""
_MAP_WIDTH, _INCH = 6.0, 72.0
"""Inches that a map is wide, and points of an inch."""


def channel_map(costs: Costs, layout: Layout, faults: Faults, names: list[str]) -> Figure:
    """Draw the bits of each channel where it is, with marks for faults, and how they are distributed."""
    values, what, known = costs.by_channel, "bits per sample", layout.placed
    drawn = style.figure(_height(layout))
    left, right = drawn.subplots(1, 2, width_ratios=_widths(layout))
    filled = 0.45 if len(values) <= _MOST_NAMES else 0.5
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * filled * layout.cell
    cells = PolyCollection(list(layout.places[known][:, None] + corners), array=values[known], cmap=style.COLOURS)
    left.add_collection(cells)
    cells.set_clim(*_range(values))
    drawn.colorbar(cells, ax=left, label=what, pad=0.01, aspect=30)
    _set_axes(left, layout)
    _mark(left, layout, faults)
    if len(values) <= _MOST_NAMES:
        for channel in np.flatnonzero(known).tolist():
            shade = style.INK if cells.norm(values[channel]) > 0.6 else "white"
            left.annotate(names[channel], layout.places[channel], ha="center", va="center", fontsize=7, color=shade)
    right.plot(np.sort(values), np.arange(1, len(values) + 1), color=style.BLUE, drawstyle="steps-pre")
    right.axvline(values.mean(), color=style.ORANGE, lw=1, ls="--", label=f"mean {values.mean():.2f}")
    right.set(xlabel=what, ylabel="channels with at most that", ylim=(0, None))
    right.legend(loc="upper left")
    return drawn


def _range(values: np.ndarray) -> tuple[float, float]:
    """Return the range of colours: of nearly all channels that have bits."""
    live = values[values > 0.01 * values.max()]
    least, most = np.quantile(live if live.size else values, [0.005, 0.995])
    return float(least), float(most)


def _height(layout: Layout, least: float = 2.3) -> float:
    """Return the height of a figure in inches."""
    width, height = layout.extent
    return float(np.clip(0.9 + _MAP_WIDTH * height / width, least, 5.4))


def _widths(layout: Layout) -> list[float]:
    """Return the widths of the map and of what is beside it."""
    width, height = layout.extent
    share = min(_MAP_WIDTH, max((_height(layout) - 0.7) * width / height, 3.0))
    return [share, style.WIDTH - 1.6 - share]


def _set_axes(axes: Axes, layout: Layout, around: float = 0.0) -> None:
    """Set the limits: all channels, and a share of the extent around them."""
    low, high = (f(layout.places, axis=0) for f in (np.nanmin, np.nanmax))
    margin = 0.55 * layout.cell + around * layout.extent.min()
    axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
    axes.set_ylim(low[1] - margin[1], high[1] + margin[1])
    if layout.on_probe:
        axes.set(xlabel=layout.labels[0], ylabel=layout.labels[1])
    else:
        axes.set_frame_on(False)
        axes.set(xticks=[], yticks=[], xlabel=layout.labels[0])
    if not layout.thin:
        axes.set_aspect("equal", adjustable="box", anchor="W")


def _mark(axes: Axes, layout: Layout, faults: Faults) -> None:
    shapes = {"dead": ("x", style.RED), "saturated": ("^", style.RED), "duplicated": ("D", style.ORANGE)}
    side = float(np.clip(_MAP_WIDTH * _INCH * layout.cell[0] / layout.extent[0] * 0.6, 4, 12))
    found = {word: [one for one in numbers if layout.placed[one]] for word, numbers in faults.words().items()}
    drawn = [word for word in shapes if found.get(word)]
    for word in drawn:
        marker, colour = shapes[word]
        style_of = {"c": colour} if marker == "x" else {"facecolors": "none", "edgecolors": colour}
        axes.scatter(*layout.places[found[word]].T, s=side**2, marker=marker, linewidths=1.3, label=word, **style_of)
    if drawn:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.1)


def bits_over_time(costs: Costs, rate: float) -> Figure:
    """Draw the bits of all channels over time, and of each one below."""
    unit = rate or 1.0
    edges, several = costs.edges / unit, costs.bits.shape[1] > 1
    drawn = style.figure(4.2 if several else 2.3)
    axes = drawn.subplots(2 if several else 1, 1, sharex=True, squeeze=False, height_ratios=[1, 1.4][: 1 + several])[
        :, 0
    ]
    if several:
        low, high = np.quantile(costs.bits, [0.1, 0.9], axis=1)
        axes[0].fill_between(
            edges,
            np.append(low, low[-1:]),
            np.append(high, high[-1:]),
            step="post",
            color="#d6e4f5",
            label="80 % of the channels",
        )
    axes[0].stairs(costs.by_time, edges, color=style.BLUE, lw=1.4, baseline=None, label="all channels")
    axes[0].set(ylabel="bits per sample", xlim=(edges[0], edges[-1]))
    low_end, high_end = axes[0].get_ylim()
    if high_end - low_end < high_end / 4:
        middle = (low_end + high_end) / 2
        axes[0].set_ylim(0.875 * middle, 1.125 * middle)
    if several:
        axes[0].legend(loc="lower right", ncols=2)
        step = -(-costs.bits.shape[1] // _MOST_ROWS)
        first = np.arange(0, costs.bits.shape[1], step)
        rows = np.add.reduceat(costs.bits, first, axis=1) / np.diff(first, append=costs.bits.shape[1])
        channels = np.append(first, costs.bits.shape[1]) - 0.5
        least, most = _range(rows)
        image = axes[1].pcolormesh(edges, channels, rows.T, cmap=style.COLOURS, vmin=least, vmax=most)
        axes[1].set(ylabel="channel", ylim=(channels[-1], channels[0]))
        axes[1].yaxis.set_major_locator(MaxNLocator(integer=True))
        drawn.colorbar(image, ax=axes[1], label="bits per sample", pad=0.01, aspect=18)
    axes[-1].set_xlabel("s" if rate else "frames")
    return drawn


def references(costs: Costs, layout: Layout) -> Figure:
    """Draw an arrow from each reference channel to the channel that is predicted from it, and how deep the order is."""
    drawn, count = style.figure(_height(layout, 3.2)), len(layout.places)
    left, right = drawn.subplots(1, 2, width_ratios=_widths(layout))
    pairs = np.array(list(costs.references), int).reshape(-1, 2)
    often = np.array(list(costs.references.values()), float) / max(len(costs.chunks), 1)
    known = layout.placed[pairs].all(axis=1)
    pairs, often = pairs[known], often[known]
    colours = matplotlib.colormaps["plasma"].resampled(max(int(costs.levels.max()), 1) + 2)
    shades = colours(costs.levels[pairs[:, 1]], alpha=np.clip(0.2 + 0.7 * often, 0, 0.9))
    lines = _arcs(layout.places[pairs], layout)
    width = float(np.clip(14 / np.sqrt(max(len(pairs), 1)), 0.4, 1.6))
    left.add_collection(LineCollection(list(lines), colors=list(shades), linewidths=width))
    _set_axes(left, layout, 0.5 if layout.thin else 0.04)
    if count <= _MOST_ARROWS:
        _heads(left, lines, shades)
    side = float(np.clip(_MAP_WIDTH * _INCH * layout.cell[0] / layout.extent[0] * 0.3, 1.5, 6))
    left.scatter(*layout.places[layout.placed].T, s=side**2, color=style.INK, zorder=3, linewidths=0)
    counts = np.bincount(costs.levels)
    right.barh(np.arange(len(counts)), counts, color=colours(np.arange(len(counts))))
    right.set(xlabel="channels", ylabel="order level")
    for axis, most in ((right.xaxis, 4), (right.yaxis, 10)):
        axis.set_major_locator(MaxNLocator(most, integer=True))
    return drawn


def _arcs(ends: np.ndarray, layout: Layout, points: int = 9) -> np.ndarray:
    """Return curves [lines, points, 2] between pairs of places, bent so that both directions can be told apart."""
    scale = layout.extent * (1, 4) if layout.thin else layout.extent.max()
    start, way = ends[:, 0] / scale, (ends[:, 1] - ends[:, 0]) / scale
    length = np.linalg.norm(way, axis=1, keepdims=True)
    bend = np.stack([-way[:, 1], way[:, 0]], axis=1) / np.maximum(length, 1e-9) * np.minimum(0.18 * length, 0.06)
    t = np.linspace(0, 1, points)[None, :, None]
    return (start[:, None] + way[:, None] * t + bend[:, None] * 4 * t * (1 - t)) * scale


def _heads(axes: Axes, lines: np.ndarray, colours: np.ndarray) -> None:
    for line, colour in zip(lines, colours, strict=True):
        arrow = {"arrowstyle": "-|>", "color": colour, "lw": 0, "mutation_scale": 7, "shrinkB": 3}
        axes.annotate("", xy=line[-1], xytext=line[-2], arrowprops=arrow)
