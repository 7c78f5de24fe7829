"""Lanes: the rows that are coded side by side, with what is fixed for each (docs/format.md section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from .entropy_model import GRID_OFFSET, EntropyModel
from .features import tick_values
from .lattice import codes_of
from .side_information import GRID, ORDER, SideInformation


@dataclass(frozen=True)
class Lanes:
    """Parameters of all lanes of a batch of chunks, chunk by chunk; arrays are [lanes] unless said.

    coefficients  int32 [16, lanes], for the oldest sample first
    mean          int32, ticks
    spread        int64
    offset        int64, where the lane's levels start in the entropy model
    grid          int32, -1 for grid lanes, 0 for others
    shift         int32, low bits
    length        int64, samples
    owner         int64, number of the chunk in the batch
    """

    coefficients: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    offset: np.ndarray
    grid: np.ndarray
    shift: np.ndarray
    length: np.ndarray
    owner: np.ndarray

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, part: slice) -> Lanes:
        """Some of the lanes."""
        return Lanes(*(getattr(self, field.name)[..., part] for field in fields(self)))


def segment_count(frames: int, leads: int) -> int:
    """Segments for a chunk. A lane costs some 36 bits; a step of few lanes costs as much time as one of many.

    At least 8 lanes if segments stay above 1024 frames; of several leads, up to 4096 lanes if they stay above 8192.
    """
    few = min(-(-8 // leads), frames // 1024)
    many = min(-(-4096 // leads), frames // (8192 if leads > 1 else 12288))
    steps = -(-frames // max(few, many, 1))
    return -(-frames // steps)


def join(parts: list[tuple[SideInformation, int, int]], middle: np.ndarray) -> Lanes:
    """Lanes of chunks given as (side information, frames, segments)."""
    columns = [_chunk_columns(owner, *part, middle) for owner, part in enumerate(parts)]
    return Lanes(*(np.concatenate(column, axis=-1) for column in zip(*columns, strict=True)))


def _chunk_columns(owner: int, side: SideInformation, frames: int, segments: int, middle: np.ndarray) -> tuple:
    leads = side.coded
    steps = -(-frames // segments)
    grid = side.kind[leads] == GRID
    shift = np.where(grid, side.shift[leads], 0)
    mean = np.where(grid, tick_values(side.mean[leads], shift), middle[np.where(grid, 0, side.mean[leads])])
    length = np.minimum(steps, frames - np.arange(segments) * steps)
    tile = lambda values, kind: np.tile(values, segments).astype(kind)  # noqa: E731
    return (
        np.tile(side.coefficients[leads, ::-1].T, segments).astype(np.int32).reshape(ORDER, -1),
        tile(mean, np.int32),
        tile(side.spread[leads], np.int64),
        tile(np.where(grid, GRID_OFFSET, 0), np.int64),
        tile(np.where(grid, -1, 0), np.int32),
        tile(shift, np.int32),
        np.repeat(length, len(leads)),
        np.full(segments * len(leads), owner),
    )


def from_lanes(values: np.ndarray, segments: int, frames: int) -> np.ndarray:
    """[steps, segments * leads] to [frames, leads]."""
    steps = len(values)
    return values.reshape(steps, segments, -1).transpose(1, 0, 2).reshape(steps * segments, -1)[:frames]


def lane_values(samples: np.ndarray, lanes: Lanes, entropy: EntropyModel) -> tuple[np.ndarray, np.ndarray]:
    """Ticks without their mean (int32), and coded values or grid values + 512 (int32), of int16 [steps, lanes]."""
    values = codes_of(samples).astype(np.int32)
    ticks = entropy.middle.take(values, mode="clip")
    if entropy.bins is not None:
        values = entropy.bins.take(values, mode="clip")
    if lanes.grid.any():
        grid = np.flatnonzero(lanes.grid)
        shift = lanes.shift[grid]
        values[:, grid] = (samples[:, grid] >> shift) + 512
        ticks[:, grid] = tick_values(samples[:, grid], shift)
    ticks -= lanes.mean
    return ticks, values
