"""The decoder's side of the entropy model: from slots to codes (docs/format.md sections 6 and 7).

A guess by table, which is right for most lanes, then the few that it misses. Everything is checked against the
cumulative frequencies themselves, so the guess decides about speed only.
"""

from __future__ import annotations

import numpy as np

from ..core.scalars import constant
from .entropy_model import CODES, LINEAR_OFFSET, PRECISION, TABLE, EntropyModel

_BUCKET_BITS = 9
_BUCKETS = 1 << (PRECISION - _BUCKET_BITS)
_PLACE_BITS = 2
_PLACES = CODES * 64 >> _PLACE_BITS
_BUCKET_SHIFT, _PLACE_SHIFT, _WIDTH_SHIFT = constant(_BUCKET_BITS), constant(_PLACE_BITS), constant(10)
_ZERO_PLACE = constant(_PLACES // 2)
_STRIDE = 32
_STRIDES = np.arange(_STRIDE)[:, None]


class GuessTables:
    """Inverse tables of an entropy model, shared by all searches.

    by_scale : int32 [6, 128]
        That of the entropy model, then a Q6 unit in units of the table's argument, and where the shape's buckets are in
        `middles`.
    middles : int32 [shapes * buckets]
    code_at : int64 [2 * places]: of implant channels, then of linear channels
    """

    def __init__(self, entropy: EntropyModel):
        width = (1 << 26) // entropy.by_scale[0].astype(np.int64)
        row = entropy.shape.astype(np.int64) * _BUCKETS
        self.by_scale = np.stack([*entropy.by_scale, width, row]).astype(np.int32)
        self.middles = np.concatenate([_bucket_middles(row) for row in entropy.rows])
        implant, linear = entropy.levels[:LINEAR_OFFSET], entropy.levels[LINEAR_OFFSET:]
        self.code_at = np.concatenate([_codes_at(implant), _codes_at(linear)])


class SymbolSearch:
    """Finds the codes of a set of lanes, again and again.

    Parameters
    ----------
    entropy : EntropyModel
    tables : GuessTables
    offset : int64 [lanes]
        0 for implant lanes, `LINEAR_OFFSET` for linear lanes.
    """

    def __init__(self, entropy: EntropyModel, tables: GuessTables, offset: np.ndarray):
        self._entropy, self._tables, self._offset = entropy, tables, offset
        self._place = ((offset != 0) * _PLACES).astype(np.int32) if offset.any() else None
        self._code_at = tables.code_at[:_PLACES] if self._place is None else tables.code_at
        lanes = len(offset)
        self._by_scale = np.empty((len(tables.by_scale), lanes), np.int32)
        self._parts, self._width, self._row = list(self._by_scale[:4]), self._by_scale[4], self._by_scale[5]
        self._q6, self._inside = np.empty(lanes, np.int32), np.empty(lanes, np.int32)
        self._code = np.empty(lanes, np.int64)
        self._level, self._interval = np.empty((2, lanes), np.int32), np.empty((2, lanes), np.int32)
        self._frequency, self._unsigned = self._interval[1].view(np.uint32), self._inside.view(np.uint32)

    def find(self, slot: np.ndarray, location: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, ...]:
        """Codes whose intervals hold the slots.

        Parameters
        ----------
        slot : int32 [lanes]
        location : int32 [lanes], Q6 units
        scale : int64 [lanes], clipped here

        Returns
        -------
        code : int64; start, frequency : int32; inside : int32, slot - start. All are overwritten by the next call.
        """
        self._tables.by_scale.take(scale, axis=1, out=self._by_scale, mode="clip")
        code, entropy = self._guess(slot, location), self._entropy
        ends = code if self._place is None else code + self._offset
        entropy.ends.take(ends, axis=1, out=self._level, mode="clip")
        start, frequency = entropy.look_up(self._level, code, location, self._parts, out=self._interval)
        inside = np.subtract(slot, start, out=self._inside)
        for search in (_step, _scan):
            (wrong,) = (self._unsigned >= self._frequency).nonzero()
            if not len(wrong):
                break
            part = [x.take(wrong) for x in (location, scale, self._offset)]
            found = search(entropy, slot.take(wrong), code.take(wrong), inside.take(wrong), *part)
            code[wrong] = found
            start[wrong], frequency[wrong] = first, _ = entropy.intervals(found, *part)
            inside[wrong] = slot.take(wrong) - first
        return code, start, frequency, inside

    def _guess(self, slot: np.ndarray, location: np.ndarray) -> np.ndarray:
        """The code at the middle of the slot's bucket, taken back to Q6 units: int64 [lanes]."""
        q6 = self._q6
        np.right_shift(slot, _BUCKET_SHIFT, out=q6)
        q6 += self._row
        self._tables.middles.take(q6, out=q6, mode="clip")
        q6 *= self._width
        q6 >>= _WIDTH_SHIFT
        q6 += location
        q6 >>= _PLACE_SHIFT
        q6 += _ZERO_PLACE
        if self._place is not None:
            np.clip(q6, 0, _PLACES - 1, out=q6)
            q6 += self._place
        return self._code_at.take(q6, out=self._code, mode="clip")


def _step(
    entropy: EntropyModel, slot: np.ndarray, code: np.ndarray, inside: np.ndarray, *part: np.ndarray
) -> np.ndarray:
    """The next code towards the slot."""
    return np.clip(code + np.where(inside < 0, -1, 1), 0, CODES - 1)


def _scan(
    entropy: EntropyModel, slot: np.ndarray, code: np.ndarray, inside: np.ndarray, *part: np.ndarray
) -> np.ndarray:
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
    """int64 [places]: the code at each 1/16 code of location, from -512 codes."""
    q6 = ((np.arange(_PLACES, dtype=np.int64) - _PLACES // 2) << _PLACE_BITS) + (1 << (_PLACE_BITS - 1))
    return np.clip(np.searchsorted(levels, q6, side="right") - 1, 0, CODES - 1)
