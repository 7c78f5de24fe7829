"""From codes to the body of a Rice-coded chunk or packet: docs/format.md section 10."""

from __future__ import annotations

import numpy as np

from .rice import ESCAPE, ESCAPE_BITS, PLACE_BITS, PLACES, RANKS, RiceTables
from .rice_bits import FieldPacker, UnaryPacker, pack_varint
from .tables import SCALES

RUNS = 0x80
"""Flag in the first byte of a body: it has runs, whose parameter is in the low bits."""
MAX_RUN_BITS = 24

_ESCAPE_MASK = (1 << ESCAPE_BITS) - 1
_CLASS_PLACES = 10
_ROW = 8


class RiceEncoder:
    """Codes blocks of time steps, in order.

    Parameters
    ----------
    tables : RiceTables
    grid : int64 [linear channels], numbers of the lanes that are linear lanes
    shift : int64 [lanes], low bits
    """

    def __init__(self, tables: RiceTables, linear: np.ndarray, shift: np.ndarray):
        self._tables = tables
        self._linear = linear if len(linear) else None
        self._low = shift if shift.any() else None
        self._unary, self._fields = UnaryPacker(), FieldPacker()
        self._runs: bool | None = None
        self._hits: list[np.ndarray] = []
        self._quiet = 0

    def add(self, code, sample, location, scale, active=None) -> None:
        """Append steps.

        Parameters
        ----------
        code : int [steps, lanes]; negative or 1024 and more where a sample has none
        sample : int16 [steps, lanes]
        location : int64 [steps, lanes], Q6 units
        scale : int64 [steps, lanes], clipped here
        active : bool [steps, lanes], None for all
        """
        tables = self._tables
        place = location >> PLACE_BITS
        place += PLACES // 2
        np.maximum(place, 0, out=place)
        np.minimum(place, PLACES - 1, out=place)
        scale = np.minimum(np.maximum(scale, 0), SCALES - 1)
        row = scale >> 4
        row <<= _CLASS_PLACES
        row += place
        if self._linear is not None:
            place[:, self._linear] += PLACES
            row[:, self._linear] += SCALES >> 4 << _CLASS_PLACES
            scale[:, self._linear] += RiceTables.IMPLANT_ROWS
        rank = code - tables.first.take(place)
        escaped = rank.view(np.uint64) >= RANKS
        rank &= RANKS - 1
        rank += row << _ROW
        rank = tables.rank.take(rank).astype(np.int64)
        first = self._first_of_runs(row, rank, escaped, scale, active)
        coded = self._bins(scale, rank, escaped, sample)
        keep = None
        if first is not None:
            keep = ~first if active is None else active & ~first
        elif active is not None:
            keep = active
        bins, values, widths = (x.ravel() if keep is None else x[keep] for x in coded)
        self._unary.add(bins)
        self._fields.add(values, widths)

    def _bins(self, scale, rank, escaped, sample) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bin, remainder and its width of each sample."""
        tables = self._tables
        cell = scale << _ROW
        cell += rank
        bins = tables.bin.take(cell)
        bins[escaped] = ESCAPE
        escaped = bins == ESCAPE  # also ranks beyond the last bin
        cell = scale << 4
        cell += bins
        widths = tables.width.take(cell)
        values = rank - (tables.base.take(cell) & (RANKS - 1))
        if self._low is not None:
            values = (values << self._low) | (sample & ((1 << self._low) - 1))
            widths = widths + self._low
        if escaped.any():
            values[escaped] = sample[escaped].astype(np.int64) & _ESCAPE_MASK
            widths[escaped] = ESCAPE_BITS
        return bins, values, widths

    def _first_of_runs(self, row, rank, escaped, scale, active) -> np.ndarray | None:
        """Samples that runs take care of; those that end a run get the scale of their own rows. None without runs."""
        if self._runs is False:
            return None
        quiet = self._tables.quiet.take(row)
        if active is not None:
            quiet &= active
        if self._low is not None:
            quiet &= self._low == 0
        first = quiet & (rank == 0) & ~escaped
        if self._runs is None and quiet.any():
            self._runs = _cost(_run_lengths(np.flatnonzero(~first[quiet])))[1] < int(quiet.sum())
        if not self._runs:
            return None
        self._hits.append(np.flatnonzero(~first[quiet]) + self._quiet)
        self._quiet += int(quiet.sum())
        scale[quiet] += SCALES
        return first

    def bytes(self) -> bytes:
        """The body."""
        unary = self._unary.bytes()
        if not self._runs:
            return b"".join([b"\0", pack_varint(len(unary)), unary, self._fields.bytes()])
        lengths = _run_lengths(np.concatenate(self._hits))
        parameter, _ = _cost(lengths)
        runs, rests = UnaryPacker(), FieldPacker()
        runs.add(lengths >> parameter)
        rests.add(lengths & ((1 << parameter) - 1), np.full(len(lengths), parameter))
        coded = runs.bytes()
        head = bytes([RUNS | parameter]) + pack_varint(len(unary)) + pack_varint(len(coded))
        return b"".join([head, unary, coded, rests.bytes(), self._fields.bytes()])


def _run_lengths(hits: np.ndarray) -> np.ndarray:
    """Samples of first rank in front of each of those at `hits` in the sequence of quiet samples."""
    lengths = np.diff(hits, prepend=-1)
    lengths -= 1
    return lengths


def _cost(lengths: np.ndarray) -> tuple[int, int]:
    """The best parameter for run lengths, and the bits that it takes."""
    bits = [int((lengths >> k).sum()) + (k + 1) * len(lengths) for k in range(MAX_RUN_BITS + 1)]
    best = min(range(MAX_RUN_BITS + 1), key=bits.__getitem__)
    return best, bits[best]
