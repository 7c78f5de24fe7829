"""Symbols of Rice-coded lanes for the decode loop."""

from __future__ import annotations

import numpy as np

from .rice import RiceTables
from .rice_decoder import PLACE_OFFSET, RiceSource


class RiceSymbols:
    """The symbol source (see `codec.decode_loop.SymbolSource`) of lanes that are coded with Rice codes.

    Parameters
    ----------
    linear : int64, numbers of the linear lanes
    shift : int64 [lanes], low bits
    """

    def __init__(self, source: RiceSource, tables: RiceTables, linear: np.ndarray, shift: np.ndarray):
        self._source, self._order, self._linear = source, tables.order.astype(np.int64), linear
        self._mask = (1 << shift[linear]) - 1
        self._place, self._index, self._code = (np.empty(len(shift), kind) for kind in (np.int32, np.int64, np.int64))
        self._escaped: np.ndarray | None = None
        self._field = np.zeros(len(shift), np.uint32)

    def next(self, location: np.ndarray, scale: np.ndarray, active: np.ndarray | None = None) -> np.ndarray:
        """Return the next symbols int64 [lanes]."""
        np.add(location, PLACE_OFFSET, out=self._place)
        self._escaped, self._field = self._source.next(self._place, scale, self._index, active)
        return self._order.take(self._index, out=self._code, mode="clip")

    def low_bits(self, t: int) -> np.ndarray:
        """Return the low bits int64 [linear lanes] of the symbols taken last."""
        return self._field[self._linear] & self._mask

    def escapes(self, code: np.ndarray, active: np.ndarray | None) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the lanes whose samples are coded as they are, and these samples int16."""
        if self._escaped is None:
            return None
        return self._escaped, self._field[self._escaped].astype(np.uint16).view(np.int16)
