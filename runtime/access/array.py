"""A recording that is indexed as numpy's arrays are, [time, channel], and decoded only where that takes it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

_APART = 1 << 12
"""Frames that are decoded for nothing at most, rather than reading twice."""
_AT_ONCE = 1 << 24
"""Samples that are read at once where not all of them are kept."""

Frames = range | np.ndarray
"""Numbers of frames that are wanted, in ascending order."""


class RecordingArray:
    """What makes a reader an array: interfaces of numpy, Dask, phylib and Kilosort.

    Attributes
    ----------
    frames, channels : int
    dtype : dtype
    sample_rate : float
        Hz; 0 if unknown.
    metadata : dict
    """

    frames: int
    channels: int
    dtype: np.dtype
    sample_rate: float
    metadata: dict[str, Any]

    def read(
        self, start: int = 0, stop: int | None = None, channels: int | slice | Sequence[int] | None = None
    ) -> np.ndarray:
        """Return the samples of frames and channels, [time, channel]."""
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, int]:
        """Frames and channels."""
        return self.frames, self.channels

    @property
    def ndim(self) -> int:
        """2: time and channel."""
        return 2

    @property
    def size(self) -> int:
        """Number of samples."""
        return self.frames * self.channels

    @property
    def sampling_frequency(self) -> float:
        """Hz, always a float; 0 if unknown."""
        return float(self.sample_rate)

    @property
    def channel_ids(self) -> np.ndarray:
        """Of the metadata, or numbers from 0 on; [channels], objects where there are both numbers and texts."""
        ids = self.metadata.get("channel_ids")
        if ids is None:
            return np.arange(self.channels)
        return np.array(ids, None if len(set(map(type, ids))) == 1 else object)

    def __len__(self) -> int:
        return self.frames

    def __getitem__(self, index: Any) -> Any:
        """Return what numpy would return of an array of all samples, or raise what it would.

        Only the frames and channels that are asked for are decoded, and what lies between frames that are close.
        """
        there = np.broadcast_to(np.False_, self.shape)[index]  # raises what is to be raised; no memory but the result
        if not there.size:  # numpy does not look at numbers then
            return np.empty(there.shape, self.dtype)
        items, axes = _by_axis(index)
        frames, items[axes[0]] = _wanted(items[axes[0]], self.frames)
        columns, items[axes[1]] = _wanted(items[axes[1]], self.channels)
        return self._gathered(frames, np.asarray(columns, np.int64))[tuple(items)]

    def _gathered(self, frames: Frames, columns: np.ndarray) -> np.ndarray:
        """Return the samples of frames and channels, [frames, channels]."""
        chosen = None if len(columns) == self.channels else columns.tolist()
        if isinstance(frames, range) and frames.step == 1:
            return self.read(frames.start, frames.stop, chosen)
        samples = np.empty((len(frames), len(columns)), self.dtype)
        for low, high in _runs(frames, max(1, _AT_ONCE // len(columns))):
            first, last = int(frames[low]), int(frames[high - 1])
            samples[low:high] = self.read(first, last + 1, chosen)[np.asarray(frames[low:high]) - first]
        return samples

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Decode everything. Raises `ValueError` where a copy is forbidden, since there is nothing to share."""
        if copy is False:
            raise ValueError("a coded recording can't be an array without a copy of its samples")
        return self.read().astype(self.dtype if dtype is None else dtype, copy=False)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {', '.join(f'{name} {value}' for name, value in self._facts().items())}>"

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        rows = "".join(
            f"<tr><th style='text-align:left'>{name}</th><td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in self._facts().items()
        )
        return f"<table>{rows}</table>"

    def _facts(self) -> dict[str, str]:
        rate = self.sample_rate
        facts = {
            "frames": f"{self.frames:,}",
            "channels": f"{self.channels:,}",
            "samples": self.dtype.name,
            "sample rate": f"{rate} Hz" if rate else "unknown",
        }
        if rate:
            facts["duration"] = f"{self.frames / rate:,.3f} s"
        if self.metadata:
            facts["metadata"] = ", ".join(sorted(self.metadata))
        return facts


def _by_axis(index: Any) -> tuple[list[Any], tuple[int, int]]:
    """Return the items of a valid index in which one takes frames and one channels, and the places of these two."""
    items: list[Any] = []
    for item in index if isinstance(index, tuple) else (index,):
        if item is not None and item is not Ellipsis and not isinstance(item, slice):
            item = np.asarray(item)
            if item.size == 0 and item.dtype.kind != "b":
                item = item.astype(np.int64)
            if item.dtype.kind == "b" and item.ndim == 2:
                items += item.nonzero()
                continue
        items.append(item)
    missing = 2 - sum(map(_takes_an_axis, items))
    at = next((i for i, item in enumerate(items) if item is Ellipsis), len(items))
    if missing:
        items[at : at + 1] = [slice(None)] * missing
    first, second = (i for i, item in enumerate(items) if _takes_an_axis(item))
    return items, (first, second)


def _takes_an_axis(item: Any) -> bool:
    """Tell whether an item takes one; None, Ellipsis and single truth values take none."""
    if item is None or item is Ellipsis:
        return False
    return isinstance(item, slice) or item.dtype.kind != "b" or item.ndim > 0


def _wanted(item: Any, length: int) -> tuple[Frames, Any]:
    """Return the numbers along an axis that an item takes, and the item that takes the same from these alone."""
    if isinstance(item, slice):
        taken = range(*item.indices(length))
        return (taken, slice(None)) if taken.step > 0 else (taken[::-1], slice(None, None, -1))
    if item.dtype.kind == "b":
        return item.nonzero()[0], np.arange(np.count_nonzero(item))
    if item.ndim == 0:
        number = int(item) % length
        return range(number, number + 1), 0
    item = item.astype(np.int64)
    numbers, places = np.unique(np.where(item < 0, item + length, item), return_inverse=True)
    return numbers, places.reshape(item.shape)


def _runs(frames: Frames, most: int) -> list[tuple[int, int]]:
    """Return parts of ascending frames that are read at once, by their places: close together, and not too many."""
    if isinstance(frames, range):
        each = 1 if frames.step > _APART else max(1, most // frames.step)
        ends = [*range(0, len(frames), each), len(frames)]
    else:
        gaps = np.flatnonzero((np.diff(frames) > _APART) | (np.diff(frames // most) > 0)) + 1
        ends = [0, *gaps.tolist(), len(frames)]
    return list(pairwise(ends))
