"""Symbols from rANS: lane states and the search for the symbol, one time step after the other."""

from __future__ import annotations

import numpy as np

from . import rans
from .entropy_model import PRECISION, EntropyModel
from .symbol_search import GuessTables, SymbolSearch


class RansSource:
    """The symbols of some lanes of a decoder.

    Parameters
    ----------
    coder : rans.Decoder
    entropy, guesses : tables of the model
    offset : int64 [lanes], where each lane's levels start in the tables
    part : slice of the decoder's lanes that these are
    """

    def __init__(
        self,
        coder: rans.Decoder,
        entropy: EntropyModel,
        guesses: GuessTables,
        offset: np.ndarray,
        part: slice = slice(None),
    ):
        self._states = coder.part(part)
        self._search = SymbolSearch(entropy, guesses, offset)

    def next(self, location: np.ndarray, scale: np.ndarray, active: np.ndarray | None = None) -> np.ndarray:
        """Return the next symbol of each lane, int64 [lanes]; overwritten by the next call.

        Parameters
        ----------
        location : int32 [lanes], Q6 units
        scale : integers [lanes], scale index, clipped here
        active : bool [lanes], None for all
            Other lanes have ended; their symbols mean nothing.
        """
        slot = self._states.slots()
        code, _, frequency, inside = self._search.find(slot, location, scale.astype(np.int64, copy=False))
        if active is not None:
            idle = ~active
            inside[idle], frequency[idle] = slot[idle], 1 << PRECISION
        self._states.advance(inside, frequency)
        return code

    def raw(self, lanes: np.ndarray) -> np.ndarray:
        """Return samples int16 [n] that follow the symbols of some lanes, int64 [n], and are coded as they are."""
        return self._states.raw(lanes).view(np.int16)
