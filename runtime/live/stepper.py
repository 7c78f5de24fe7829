"""From Rice-coded bodies back to samples, one time step of all lanes after the other.

A step makes some fifty numpy calls on buffers made once: at the sampling rate of an implant there are 50 microseconds
for each. Columns of histories are used up one by one and moved back when there are no more.
"""

from __future__ import annotations

import numpy as np

from .. import features
from ..entropy_model import CODES
from ..lanes import Lanes
from ..model import Model
from ..rice import RiceTables
from ..rice_source import PLACE_OFFSET, RiceBody, RiceSource
from ..side_information import COEFFICIENT_BITS, ORDER
from .levels import LEVEL_SHIFT, level_table

_COLUMNS = 64
"""Steps for which histories have room before they are moved back."""


class Stepper:
    """Decodes lanes whose owners are in order.

    Parameters
    ----------
    model : Model
    lanes : Lanes
    """

    def __init__(self, model: Model, lanes: Lanes):
        self._lanes, self._entropy = lanes, model.entropy
        count, kinds = len(lanes), len(features.RATES)
        self._grid = np.flatnonzero(lanes.grid)
        self._shift = lanes.shift[self._grid]
        tables = self._tables = RiceTables.of(model.entropy, bool(len(self._grid)))
        self._source = RiceSource(tables, self._grid, lanes.shift.astype(np.int64), lanes.owner)
        self._longest, self._shortest = int(lanes.length.max()), int(lanes.length.min())
        self._coefficients = np.ascontiguousarray(lanes.coefficients)
        self._products = np.full((ORDER + 1, count), features.ROUND, np.int32)
        self._reference = np.empty(count, np.int32)
        self._location = np.empty(count, np.int64)
        self._placed_mean = lanes.mean.astype(np.int64) + PLACE_OFFSET
        self._mean = lanes.mean
        self._contexts = np.zeros((2, count), np.int32)
        self._small = np.empty((2 + kinds, count), np.uint8)
        self._clip = np.arange(256, dtype=np.uint8)
        self._clipped = np.empty((2, count), np.int64)
        self._wide = np.empty((kinds, count), np.float64)
        self._pattern = self._wide.view(np.int64)
        self._levels = level_table()
        self._scratch = np.empty((kinds, count), np.int32)
        self._magnitude = np.empty(count, np.int32)
        self._rates = features.RATES[:, None]
        self._ticks = np.zeros((ORDER + _COLUMNS, count), np.int32)
        self._history = np.full((count, features.WINDOW + _COLUMNS), 128, np.uint8)
        self._windows = [features.windows(self._history, 1, column)[0] for column in range(_COLUMNS)]
        self._inputs = np.zeros((count, features.FEATURES), np.uint8)
        self._window = np.ndarray(count, "V16", self._inputs.data, 0, self._inputs.strides[:1])
        self._rest = self._inputs[:, features.WINDOW :]
        self._output = np.zeros((count, 2), np.int32)
        self._network = model.bind(self._inputs, self._output)
        self._index = np.empty((_COLUMNS, count), np.int64)
        self._order_ticks = tables.ticks(model.entropy)
        self._tick = np.empty(count, np.int32)
        self.reset()

    def reset(self) -> None:
        """As at the start of a lane."""
        self._ticks[:ORDER] = 0
        self._history[:, : features.WINDOW] = 128
        self._means = features.initial_means(self._lanes.spread)
        self._contexts[0] = 0
        self._column = 0

    def run(self, bodies: list[RiceBody], steps: int) -> tuple[np.ndarray, bool]:
        """The samples int16 [steps, lanes] of the bodies of all owners, and whether these ended where they should."""
        samples = np.empty((steps, len(self._lanes)), np.int16)
        self._source.load(bodies)
        first, start = 0, self._column
        self._patches: list[tuple[int, np.ndarray, np.ndarray]] = []
        for t in range(steps):
            if self._column == _COLUMNS:
                self._flush(samples[first:t], start)
                self._ticks[:ORDER] = self._ticks[-ORDER:]
                self._history[:, : features.WINDOW] = self._history[:, -features.WINDOW :]
                self._column, start, first = 0, 0, t
            self._step(t, self._lanes.length > t if t >= self._shortest else None)
            self._column += 1
        self._flush(samples[first:], start)
        for t, lanes, values in self._patches:
            samples[t, lanes] = values
        return samples, self._source.finish()

    def _flush(self, samples: np.ndarray, start: int) -> None:
        """Samples of the columns since `start`, but for grid lanes and escapes."""
        codes = self._tables.order.take(self._index[start : start + len(samples)], mode="clip")
        self._entropy.samples.take(codes, out=samples, mode="clip")

    def _step(self, t: int, active: np.ndarray | None) -> None:
        column, ticks, reference = self._column, self._ticks, self._reference
        np.multiply(ticks[column : column + ORDER], self._coefficients, out=self._products[:ORDER])
        np.add.reduce(self._products, axis=0, out=reference)
        reference >>= COEFFICIENT_BITS
        self._fill_inputs(column)
        self._network()
        location = np.left_shift(self._output[:, 0], 2, out=self._location)
        location += reference
        location += self._placed_mean
        centre = None
        if len(self._grid):
            centre = (reference[self._grid] + self._lanes.mean[self._grid] + 32) >> 6
            location[self._grid] -= centre << 6
        index = self._index[column]
        escaped, field = self._source.next(location, self._output[:, 1], index, active)
        tick = self._order_ticks.take(index, out=self._tick, mode="clip")
        if centre is not None:
            code = self._tables.order.take(index[self._grid], mode="clip")
            self._grid_ticks(t, code, field, centre, tick)
        if escaped is not None:
            self._escaped_ticks(t, escaped, field, tick)
        self._learn(column, tick)

    def _fill_inputs(self, column: int) -> None:
        """Residual of the last step, newest tick, running means: to the network's inputs, by way of the history."""
        contexts, clipped, small = self._contexts, self._clipped, self._small
        np.subtract(self._ticks[column + ORDER - 1], self._reference, out=contexts[1])
        np.right_shift(contexts, 5, out=clipped)
        clipped += 128
        self._clip.take(clipped, out=small[:2], mode="clip")
        self._wide[...] = self._means
        self._pattern >>= LEVEL_SHIFT
        self._levels.take(self._pattern, out=small[2:], mode="clip")
        self._history[:, column + features.WINDOW - 1] = small[0]
        self._window[...] = self._windows[column]
        self._rest[...] = small[1:].T

    def _grid_ticks(self, t: int, code: np.ndarray, field: np.ndarray, centre: np.ndarray, tick: np.ndarray) -> None:
        """Samples and ticks of the grid lanes, which are relative to `centre`."""
        grid, shift = self._grid, self._shift
        low = field[grid].astype(np.int64) & ((1 << shift) - 1)
        sample = (((code - CODES // 2 + centre) << shift) | low).astype(np.int16)
        self._patches.append((t, grid, sample))
        tick[grid] = features.tick_values(sample, shift)

    def _escaped_ticks(self, t: int, escaped: np.ndarray, field: np.ndarray, tick: np.ndarray) -> None:
        sample = field[escaped].astype(np.uint16).view(np.int16)
        self._patches.append((t, escaped, sample))
        code = (sample >> 6) + CODES // 2
        on_grid = features.tick_values(sample, self._lanes.shift[escaped])
        tick[escaped] = np.where(self._lanes.grid[escaped] != 0, on_grid, self._entropy.middle[code])

    def _learn(self, column: int, tick: np.ndarray) -> None:
        """Move ticks, residual and running means on by the decoded step."""
        newest, residual, magnitude = self._ticks[column + ORDER], self._contexts[0], self._magnitude
        np.subtract(tick, self._mean, out=newest)
        np.subtract(newest, self._reference, out=residual)
        np.abs(residual, out=magnitude)
        np.minimum(magnitude, features.MAX_MAGNITUDE, out=magnitude)
        magnitude <<= features.MEAN_BITS
        np.subtract(magnitude, self._means, out=self._scratch)
        self._scratch >>= self._rates
        self._means += self._scratch
