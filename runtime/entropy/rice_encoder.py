"""From codes to the body of a Rice-coded packet: docs/format.md section 10."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .entropy_model import SCALES
from .rice import CLASS_BITS, ESCAPE, ESCAPE_BITS, MAX_RUN_BITS, PLACE_BITS, PLACES, RANKS, RiceTables
from .rice_bits import pack_fields, pack_unary
from .rice_body import join_body

_ESCAPE_MASK = (1 << ESCAPE_BITS) - 1
_CLASS_PLACES = 10
_ROW = 8


class RiceEncoder:
    """Codes the packets of a stream.

    Parameters
    ----------
    tables : RiceTables
    linear : int64, numbers of the linear lanes
    shift : int64 [lanes], low bits
    """

    def __init__(self, tables: RiceTables, linear: np.ndarray, shift: np.ndarray):
        self._tables = tables
        self._linear = linear if len(linear) else None
        self._low = shift if shift.any() else None

    def encode(self, code: np.ndarray, sample: np.ndarray, location: np.ndarray, scale: np.ndarray) -> bytes:
        """Return the body of some steps.

        Parameters
        ----------
        code : integers [steps, lanes]; negative or 1024 and more where a sample has none
        sample : int16 [steps, lanes]
        location : integers [steps, lanes], Q6 units
        scale : integers [steps, lanes], scale index, clipped here
        """
        tables = self._tables
        place = np.clip((location >> PLACE_BITS) + PLACES // 2, 0, PLACES - 1).astype(np.int64)
        scale = np.clip(scale, 0, SCALES - 1).astype(np.int64)
        row = (scale >> CLASS_BITS << _CLASS_PLACES) + place
        if self._linear is not None:
            place[:, self._linear] += PLACES
            row[:, self._linear] += SCALES >> CLASS_BITS << _CLASS_PLACES
            scale[:, self._linear] += RiceTables.IMPLANT_ROWS
        rank = code - tables.first.take(place)
        escaped = rank.view(np.uint64) >= RANKS
        rank = tables.rank.take((rank & (RANKS - 1)) + (row << _ROW)).astype(np.int64)
        quiet = tables.quiet.take(row)
        if self._low is not None:
            quiet &= self._low == 0
        in_run = quiet & (rank == 0) & ~escaped
        runs = _runs(~in_run[quiet])
        if runs is None:
            return _joined(*self._coded(scale, rank, escaped, sample))
        scale[quiet] += SCALES
        bins, values, widths = (x[~in_run] for x in self._coded(scale, rank, escaped, sample))
        return _joined(bins, values, widths, runs)

    def _coded(
        self, scale: np.ndarray, rank: np.ndarray, escaped: np.ndarray, sample: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return bin, remainder and its width of each sample."""
        tables = self._tables
        bins = tables.bin.take((scale << _ROW) + rank)
        bins[escaped] = ESCAPE
        escaped = bins == ESCAPE  # also ranks beyond the last bin
        cell = (scale << 4) + bins
        widths = tables.width.take(cell)
        values = rank - (tables.base.take(cell) & (RANKS - 1))
        if self._low is not None:
            values = (values << self._low) | (sample & ((1 << self._low) - 1))
            widths = widths + self._low
        if escaped.any():
            values[escaped] = sample[escaped].astype(np.int64) & _ESCAPE_MASK
            widths[escaped] = ESCAPE_BITS
        return bins, values, widths


def _joined(bins: np.ndarray, values: np.ndarray, widths: np.ndarray, runs: _Runs | None = None) -> bytes:
    """Return a body of its parts."""
    unary, remainders = pack_unary(bins.ravel()), pack_fields(values.ravel(), widths.ravel())
    if runs is None:
        return join_body(None, unary, b"", b"", remainders)
    return join_body(runs.parameter, unary, runs.quotients, runs.rests, remainders)


@dataclass(frozen=True)
class _Runs:
    """Lengths of runs as they are coded."""

    parameter: int
    quotients: bytes
    rests: bytes


def _runs(hits: np.ndarray) -> _Runs | None:
    """Return the runs between the hits of the sequence of quiet samples, bool [n]; None where they do not pay."""
    lengths = np.diff(np.flatnonzero(hits), prepend=-1) - 1
    parameter, bits = _cost(lengths)
    if bits >= len(hits):
        return None
    rests = pack_fields(lengths & ((1 << parameter) - 1), np.full(len(lengths), parameter))
    return _Runs(parameter, pack_unary(lengths >> parameter), rests)


def _cost(lengths: np.ndarray) -> tuple[int, int]:
    """Return the best parameter for run lengths, and the bits that it takes."""
    bits = [int((lengths >> k).sum()) + (k + 1) * len(lengths) for k in range(MAX_RUN_BITS + 1)]
    best = min(range(MAX_RUN_BITS + 1), key=bits.__getitem__)
    return best, bits[best]
