"""Where channels are drawn: on their probe, or on a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..container.metadata import PROBE

_THIN = 6.0
_LONG = 3.0
"""Probes that are so many times longer than wide are drawn lying."""


@dataclass(frozen=True)
class Layout:
    """Places of channels.

    Attributes
    ----------
    places : float64 [channels, 2], x to the right and y upwards; NaN for channels that are on no contact
    labels : of the two axes
    on_probe : whether the recording has a probe; else `places` are a grid
    """

    places: np.ndarray
    labels: tuple[str, str]
    on_probe: bool

    @property
    def placed(self) -> np.ndarray:
        """Which channels have a place, bool [channels]."""
        return ~np.isnan(self.places).any(axis=1)

    @property
    def extent(self) -> np.ndarray:
        """Width and height of all places with a cell around them, float64 [2]."""
        return np.ptp(self.places[self.placed], axis=0) + self.cell

    @property
    def thin(self) -> bool:
        """Whether the places are so much wider than high that axes of one scale would show nothing."""
        width, height = self.extent
        return bool(height < width / _THIN)

    @property
    def cell(self) -> np.ndarray:
        """Width and height that a channel can take without touching others, float64 [2]."""
        known = self.places[self.placed]
        return np.array([_pitch(known[:, axis], known[:, 1 - axis]) for axis in (0, 1)])


def _pitch(along: np.ndarray, across: np.ndarray) -> float:
    """Return the usual distance of neighbours along an axis: in a row, or where rows are shorter, of all rows."""
    order = np.lexsort((along, across))
    gaps = np.diff(along[order])[np.diff(across[order]) == 0]
    gaps = gaps[gaps > 0]
    if len(gaps) < len(along) // 4:
        gaps = np.diff(np.unique(along))
    return float(np.quantile(gaps, 0.1)) if len(gaps) else 1.0


def of_recording(metadata: dict[str, Any], channels: int) -> Layout:
    """Return where the channels of a recording are, by the probe in its metadata."""
    places = np.full((channels, 2), np.nan)
    probe = metadata.get(PROBE)
    shift = 0.0
    for one in () if probe is None else probe.get("probes", [probe]):
        contacts = np.array([at[:2] for at in one["contact_positions"]], float).reshape(-1, 2)
        wiring = one.get("device_channel_indices")
        wiring = np.arange(len(contacts)) if wiring is None else np.array(wiring, int)
        wired = (wiring >= 0) & (wiring < channels)
        if not wired.any():
            continue
        contacts[:, 0] += shift - contacts[:, 0].min()
        shift = contacts[:, 0].max() + max(50.0, 0.2 * float(np.ptp(contacts[:, 0])))
        places[wiring[wired]] = contacts[wired]
    if np.isnan(places).all():
        return grid(channels)
    labels = ("x, µm", "y, µm")
    width, height = np.nanmax(places, axis=0) - np.nanmin(places, axis=0)
    if height > _LONG * max(width, 1.0):
        places, labels = places[:, ::-1].copy(), (labels[1], labels[0])
    return Layout(places, labels, True)


def grid(channels: int) -> Layout:
    """Return a grid, row by row from the top left, wider than high."""
    columns = channels if channels <= 16 else 1 << int(np.ceil(np.log2(np.sqrt(2 * channels))))
    number = np.arange(channels)
    places = np.stack([number % columns, -(number // columns)], axis=1).astype(float)
    return Layout(places, (f"channels, {columns} in a row", ""), False)
