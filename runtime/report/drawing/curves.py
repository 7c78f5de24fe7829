"""Figures of signals: traces with what is left of them, spectra, spikes before and after."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...predictor.channel_parameters import ORDER
from .. import fidelity, signals
from ..excerpt import Excerpt
from . import style

_IMAGE_CHANNELS = 17
"""From so many channels on there is a picture of all of them."""
_SHAPES = 6
"""Channels whose spikes are drawn."""


def traces(signal: Excerpt, names: list[str]) -> Figure:
    """Draw some channels above what is left of them, and all channels as pictures where there are many."""
    part = signal.window
    channels = [signal.candidates[place] for place in signal.drawn]
    gain = signal.gain[channels]
    above = signal.samples[part][:, channels] * gain
    below, before = signal.residual[part][:, signal.drawn] * gain, None
    if signal.original is not None:
        before = signal.original[part][:, channels] * gain
        below = above - before
    picture = signal.channels >= _IMAGE_CHANNELS
    drawn = style.figure(7.2 if picture else 4.6 if len(channels) > 1 else 3.8)
    rows = drawn.subplots(2, 2 if picture else 1, sharex=True, squeeze=False, height_ratios=[1.5, 1])
    x = _time(signal, part)
    left = "decoded less original" if before is not None else "residual of linear prediction"
    labels = [names[channel] for channel in channels]
    for axes, values, behind in zip(rows[:, 0], (above, below), (before, None), strict=True):
        _stack(axes, x, values, labels, behind)
        _bar(axes, _space(values), signal.unit)
    rows[0, 0].set_title("decoded, before the original in grey" if before is not None else "signal")
    rows[1, 0].set_title(left)
    if picture:
        _pictures(drawn, rows[:, 1], signal, part, left)
    for axes in rows[1]:
        axes.set_xlabel(signal.time_unit[1])
    return drawn


def _time(signal: Excerpt, part: slice) -> np.ndarray:
    return np.arange(part.start, part.stop) / signal.time_unit[0]


def _space(rows: np.ndarray) -> float:
    """Return the distance between the zero lines of traces."""
    if not rows.size:
        return 1.0
    sizes = np.ptp(rows, axis=0)
    return float(min(sizes.max(), 2 * np.median(sizes))) or 1.0


def _stack(axes: Axes, x: np.ndarray, rows: np.ndarray, labels: list[str], behind: np.ndarray | None) -> None:
    shift, middle = -_space(rows) * np.arange(rows.shape[1]), rows.mean(axis=0)
    if behind is not None:
        axes.plot(x, behind - middle + shift, lw=0.7, color=style.FAINT)
    axes.plot(x, rows - middle + shift, lw=0.7, color=style.BLUE)
    axes.set_yticks(shift, labels)
    axes.margins(x=0)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _bar(axes: Axes, space: float, unit: str) -> None:
    """Draw a scale of a round length at the right."""
    length = 10.0 ** np.floor(np.log10(space)) if space > 0 else 1.0
    length *= 5 if space / length >= 5 else 2 if space / length >= 2 else 1
    low, high = axes.get_ylim()
    at = low + 0.04 * (high - low)
    axes.plot(
        [1.012, 1.012],
        [at, at + length],
        color=style.INK,
        lw=2.2,
        clip_on=False,
        transform=axes.get_yaxis_transform(),
        solid_capstyle="butt",
    )
    axes.set_ylim(low, high)
    axes.text(
        1.022, at, f"{length:g} {unit}", rotation=90, va="bottom", fontsize=7.5, transform=axes.get_yaxis_transform()
    )


def _pictures(drawn: Figure, axes: np.ndarray, signal: Excerpt, part: slice, left: str) -> None:
    """Draw all channels, and below what is left of them."""
    whole = signal.samples[part].astype(float)
    if signal.original is not None:
        rest = whole - signal.original[part]
    else:
        before = signal.samples[max(part.start - ORDER, 0) : part.stop].astype(float)
        rest = signals.residual(before)[-len(whole) :]
    whole, rest = (whole - whole.mean(axis=0)) * signal.gain, rest * signal.gain
    x = _time(signal, part)
    for one, values, title in zip(axes, (whole, rest), ("all channels", f"all channels: {left}"), strict=True):
        limit = float(np.quantile(np.abs(values), 0.995)) or float(np.abs(values).max()) or 1.0
        extent = (float(x[0]), float(x[-1]), values.shape[1] - 0.5, -0.5)
        image = one.imshow(
            values.T, aspect="auto", extent=extent, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="antialiased"
        )
        one.set_title(title)
        one.set_ylabel("channel")
        drawn.colorbar(image, ax=one, label=signal.unit, pad=0.01, aspect=25)


def spectra(signal: Excerpt) -> Figure:
    """Draw the spectrum of all channels, with the floors of noise and of the converter."""
    unit, rate = signal.unit, signal.rate or 1.0
    drawn = style.figure(3.4)
    axes = drawn.subplots()
    several = signal.channels > 1
    sources = [("original" if signal.original is not None else "signal", signal.samples, style.BLUE)]
    if signal.original is not None:
        sources = [("original", signal.original, style.BLUE), ("decoded", signal.samples, style.ORANGE)]
    for name, samples, colour in sources:
        frequency, power = signals.spectrum(samples * signal.gain, rate)
        live = power[power[:, 1:].sum(axis=1) > 0]
        if not len(live):
            continue
        low, middle, high = np.sqrt(np.quantile(live, [0.1, 0.5, 0.9], axis=0))[:, 1:]
        axes.plot(
            frequency[1:], np.maximum(middle, 1e-12), color=colour, label=name + (", median channel" if several else "")
        )
        if several:
            axes.fill_between(frequency[1:], np.maximum(low, 1e-12), high, color=colour, alpha=0.15, lw=0)
    for name, level, line in (
        ("what linear prediction leaves", signal.noise, "--"),
        (f"rounding to the converter's step ({signal.adc_step:.3g} {unit})", signal.rounding, ":"),
    ):
        if level:
            axes.axhline(
                level / np.sqrt(rate / 2), color=style.RED if line == ":" else style.GREEN, ls=line, label=name
            )
    axes.set(xscale="log", yscale="log", ylabel=f"{unit} / √Hz" if signal.rate else f"{unit}, density")
    axes.set_xlabel("Hz" if signal.rate else "cycles per sample")
    axes.legend(fontsize=8)
    axes.grid(True, which="major", color="#e4e7eb", lw=0.6)
    return drawn


def spikes(signal: Excerpt, names: list[str]) -> Figure | None:
    """Draw the mean spike of channels with the most, original and decoded; None where there are none."""
    assert signal.original is not None
    found = []
    for channel in signal.candidates:
        known = fidelity.Channel(signal.original[:, channel] * signal.gain[channel], signal.rate)
        found.append((len(known.times), channel, known))
    best = sorted((one for one in found if one[0] >= 3), key=lambda one: -one[0])[:_SHAPES]
    if not best:
        return None
    columns = min(len(best), 3)
    drawn = style.figure(2.5 * -(-len(best) // columns))
    rows = drawn.subplots(-(-len(best) // columns), columns, squeeze=False, sharex=True)
    for axes, (count, channel, known) in zip(rows.flat, best, strict=False):
        decoded = fidelity.band_passed(
            signal.samples[:, channel] * signal.gain[channel], signal.rate, fidelity.SPIKE_BAND
        )
        for name, band, colour in (("original", known.band, style.BLUE), ("decoded", decoded, style.ORANGE)):
            shapes = fidelity.cut_out(band, known.times, signal.rate)
            x = (np.arange(shapes.shape[1]) / signal.rate - fidelity.WAVEFORM[0]) * 1000
            axes.plot(x, shapes.mean(axis=0), color=colour, lw=1.8 if name == "original" else 1.2, label=name)
            if name == "original":
                axes.fill_between(x, *np.quantile(shapes, [0.1, 0.9], axis=0), color=colour, alpha=0.15, lw=0)
        axes.axhline(-fidelity.THRESHOLD * known.noise, color=style.FAINT, ls=":", lw=1)
        axes.set_title(f"channel {names[channel]}: {count} spikes")
        axes.set_ylabel(signal.unit)
    for axes in rows.flat[len(best) :]:
        axes.set_visible(False)
    for axes in rows[-1]:
        axes.set_xlabel("ms")
    rows.flat[0].legend(fontsize=8, loc="lower right")
    return drawn
