"""The decoder's side of the entropy model: from slots to codes (docs/format.md sections 6 and 7).

A guess by table, which is right for most lanes, then the few that it misses. Everything is checked against the
cumulative frequencies themselves, so the guess decides about speed only.
"""

from __future__ import annotations

import numpy as np

from .entropy_model import CODES, GRID_OFFSET, MULTIPLIER_BITS, PRECISION, TABLE, EntropyModel

_BUCKET_BITS = 9
_BUCKETS = 1 << (PRECISION - _BUCKET_BITS)
_PLACE_BITS = 2
_PLACES = CODES * 64 >> _PLACE_BITS
_STRIDE = 32
_STRIDES = np.arange(_STRIDE)[:, None]


class GuessTables:
    """Inverse tables of an entropy model, shared by all searches."""

    def __init__(self, entropy: EntropyModel):
        rows = entropy.table.reshape(-1, TABLE)
        self.row = (entropy.row // TABLE) * _BUCKETS
        self.middles = np.concatenate([_bucket_middles(row) for row in rows])
        self.width = ((1 << 26) // entropy.multiplier).astype(np.int32)
        lattice, grid = entropy.levels[:GRID_OFFSET], entropy.levels[GRID_OFFSET:]
        self.code_at = np.concatenate([_codes_at(lattice), _codes_at(grid)])


class SymbolSearch:
    """Finds the codes of a set of lanes, again and again.

    Parameters
    ----------
    entropy : EntropyModel
    tables : GuessTables
    offset : int64 [lanes]
        0 for lattice lanes, `GRID_OFFSET` for grid lanes.
    """

    def __init__(self, entropy: EntropyModel, tables: GuessTables, offset: np.ndarray):
        self._entropy, self._tables, self._offset = entropy, tables, offset
        self._place = (offset != 0) * _PLACES
        self._lattice = not offset.any()
        lanes = len(offset)
        self._row, self._multiplier, self._bucket = (np.empty(lanes, np.int64) for _ in range(3))
        self._tick, self._width, self._outside = (np.empty(lanes, np.int32) for _ in range(3))
        self._level = np.empty((2, lanes), np.int64)
        self._ends = np.empty((2, lanes), np.int64)
        self._interval = np.empty((2, lanes), np.int32)

    def find(self, slot: np.ndarray, location: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, ...]:
        """Codes whose intervals hold the slots.

        Parameters
        ----------
        slot : int32 [lanes]
        location : int64 [lanes], ticks
        scale : int64 [lanes], clipped here

        Returns
        -------
        code : int64; start, frequency : int32; inside : int32, slot - start. All are overwritten by the next call.
        """
        entropy = self._entropy
        entropy.row.take(scale, out=self._row, mode="clip")
        entropy.multiplier.take(scale, out=self._multiplier, mode="clip")
        code = self._guess(slot, location, scale)
        start, frequency = self._intervals(code, location)
        inside = np.subtract(slot, start, out=self._outside)
        for search in (_step, _scan):
            wrong = np.flatnonzero(inside.view(np.uint32) >= frequency.view(np.uint32))
            if not len(wrong):
                break
            part = [x.take(wrong) for x in (location, scale, self._offset)]
            found = search(entropy, slot.take(wrong), code.take(wrong), inside.take(wrong), *part)
            code[wrong] = found
            start[wrong], frequency[wrong] = first, _ = entropy.intervals(found, *part)
            inside[wrong] = slot.take(wrong) - first
        return code, start, frequency, inside

    def _guess(self, slot: np.ndarray, location: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """The code at the middle of the slot's bucket, taken back to ticks: int64 [lanes]."""
        tables, tick = self._tables, self._tick
        bucket = tables.row.take(scale, out=self._bucket, mode="clip")
        bucket += slot >> _BUCKET_BITS
        tables.middles.take(bucket, out=tick, mode="clip")
        tick *= tables.width.take(scale, out=self._width, mode="clip")
        tick >>= 10
        np.add(tick, location, out=tick, casting="unsafe")
        tick >>= _PLACE_BITS
        tick += _PLACES // 2
        if self._lattice:
            return tables.code_at[:_PLACES].take(tick, mode="clip").astype(np.int64)
        np.maximum(tick, 0, out=tick)
        np.minimum(tick, _PLACES - 1, out=tick)
        return tables.code_at.take(tick + self._place).astype(np.int64)

    def _intervals(self, code: np.ndarray, location: np.ndarray) -> np.ndarray:
        """`EntropyModel.intervals` in place."""
        entropy, level = self._entropy, self._level
        np.add(code, self._offset, out=self._ends[0])
        np.add(self._ends[0], 1, out=self._ends[1])
        entropy.levels.take(self._ends, out=level, mode="clip")
        level -= location
        level *= self._multiplier
        level >>= MULTIPLIER_BITS
        np.maximum(level, -TABLE // 2, out=level)
        np.minimum(level, TABLE // 2 - 1, out=level)
        level += self._row
        entropy.table.take(level, out=self._interval, mode="clip")
        start, frequency = self._interval
        frequency -= start
        frequency += 1
        np.add(start, code, out=start, casting="unsafe")
        return self._interval


def _step(entropy, slot, code, inside, *part) -> np.ndarray:
    """The next code towards the slot."""
    return np.clip(code + np.where(inside < 0, -1, 1), 0, CODES - 1)


def _scan(entropy, slot, code, inside, *part) -> np.ndarray:
    """The right code, among every 32nd and then among 32."""
    found = np.zeros_like(code)
    for stride in (_STRIDE, 1):
        starts, _ = entropy.intervals(found + _STRIDES * stride, *part)
        found += stride * ((starts <= slot).sum(axis=0) - 1)
    return found


def _bucket_middles(row: np.ndarray) -> np.ndarray:
    """int32 [buckets]: the table argument z in the middle of each bucket of slots, for a code near 512."""
    middles = (np.arange(_BUCKETS) << _BUCKET_BITS) + (1 << (_BUCKET_BITS - 1)) - CODES // 2
    return np.searchsorted(row, middles, side="right").astype(np.int32) - TABLE // 2


def _codes_at(levels: np.ndarray) -> np.ndarray:
    """int16 [places]: the code at each 1/16 code of location, from -512 codes."""
    ticks = ((np.arange(_PLACES, dtype=np.int64) - _PLACES // 2) << _PLACE_BITS) + (1 << (_PLACE_BITS - 1))
    return np.clip(np.searchsorted(levels, ticks, side="right") - 1, 0, CODES - 1).astype(np.int16)
