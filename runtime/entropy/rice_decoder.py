"""From the bodies of Rice-coded packets to codes, one time step of all lanes after the other."""

from __future__ import annotations

import numpy as np

from ..core.errors import CorruptError
from ..core.scalars import constant
from .entropy_model import SCALES
from .rice import CLASS_BITS, ESCAPE, ESCAPE_BITS, PLACE_BITS, PLACES, RiceTables
from .rice_bits import field_windows
from .rice_body import RiceBody

_PLACE_OFFSET, _PLACE_SHIFT = constant(PLACES // 2 << PLACE_BITS), constant(PLACE_BITS)
_BYTE_SHIFT, _BIT_MASK = constant(3, np.int64), constant(7, np.int64)
_QUIET_ROWS = SCALES << 4
"""Distance from a cell to that of the same scale for quiet samples."""


class _Remainders:
    """A bit string from which all lanes take numbers, one lane after the other.

    width : int64 [lanes], what each lane takes; filled by the caller
    mask : uint32 [lanes], so many ones; filled by the caller
    """

    def __init__(self, lanes: int):
        self._widths, self._ends = np.zeros(lanes + 1, np.int64), np.zeros(lanes + 1, np.int64)
        self.width, self._start = self._widths[1:], self._ends[:-1]
        self.mask = np.empty(lanes, np.uint32)
        self._byte, self._bit = np.empty(lanes, np.int64), np.empty(lanes, np.int64)
        self._shift, self._field = np.empty(lanes, np.uint32), np.empty(lanes, np.uint32)
        self._windows = np.empty(0, np.uint32)

    def load(self, data: bytes | memoryview) -> None:
        """Start with new data."""
        self._windows, self._widths[0] = field_windows(data), 0

    def take(self) -> np.ndarray:
        """Return the next number of every lane, uint32 [lanes]; overwritten by the next call."""
        np.add.accumulate(self._widths, out=self._ends)  # the first width is where the step begins
        self._widths[0] = self._ends[-1]
        np.right_shift(self._start, _BYTE_SHIFT, out=self._byte)
        np.bitwise_and(self._start, _BIT_MASK, out=self._bit)
        self._shift[...] = self._bit
        field = self._windows.take(self._byte, out=self._field, mode="clip")
        field >>= self._shift
        field &= self.mask
        return field

    def used_up(self) -> bool:
        """Return whether the last byte was reached, and none behind it."""
        return (int(self._widths[0]) + 7) >> 3 == len(self._windows) - 1


class _Bins:
    """Bins of a body without runs: one for every lane in every step."""

    def __init__(self, body: RiceBody, lanes: int):
        self._bins, self._lanes, self._first = body.bins, lanes, 0
        step, lane = np.divmod(np.flatnonzero(body.bins == ESCAPE), lanes)
        steps, first = np.unique(step, return_index=True)
        self._escaped = dict(zip(steps.tolist(), np.split(lane, first[1:]), strict=False))

    def next(self) -> np.ndarray:
        """Return the next bins, uint8 [lanes]."""
        bins = self._bins[self._first : self._first + self._lanes]
        self._first += self._lanes
        if len(bins) < self._lanes:
            raise CorruptError("a Rice-coded body has too few bins")
        return bins

    def escaped(self) -> np.ndarray | None:
        """Return the numbers of lanes whose bin is that of escapes, None if there are none."""
        return self._escaped.get(self._first // self._lanes - 1) if self._escaped else None

    def used_up(self) -> bool:
        """Return whether all of them were taken."""
        return self._first == len(self._bins)


class _RunBins:
    """Bins of a body with runs: quiet samples of the first rank have none."""

    def __init__(self, bins: np.ndarray, hits: np.ndarray):
        self._bins, self._hits = bins, hits
        self._bin = self._hit = self._quiet = 0

    def next(self, quiet: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Take the next step.

        Parameters
        ----------
        quiet : bool [lanes]

        Returns
        -------
        bins : uint8 [lanes]
        in_run : bool [lanes], samples of the first rank, which have no bin
        hits : numbers of the quiet lanes that are not of the first rank
        """
        lanes = np.flatnonzero(quiet)
        end = int(np.searchsorted(self._hits, self._quiet + len(lanes)))
        hits = lanes[self._hits[self._hit : end] - self._quiet]
        self._hit, self._quiet = end, self._quiet + len(lanes)
        in_run = quiet.copy()
        in_run[hits] = False
        count = len(quiet) - len(lanes) + len(hits)
        if self._bin + count > len(self._bins):
            raise CorruptError("a Rice-coded body has too few bins")
        bins = np.zeros(len(quiet), np.uint8)
        bins[~in_run] = self._bins[self._bin : self._bin + count]
        self._bin += count
        return bins, in_run, hits

    def used_up(self) -> bool:
        """Return whether all bins and hits were taken."""
        return self._bin == len(self._bins) and self._hit == len(self._hits)


class _Kinds:
    """What lanes have for their whole life.

    linear : numbers of the linear lanes
    first_cell : int64 [lanes], where a lane's rows of `RiceTables.bin` begin, 16 for each of them
    first_row : int64 [lanes], where its classes begin in `RiceTables.quiet`
    low : int64 [lanes], low bits, None where no lane has any
    low_shift, low_mask : the same as uint32, for shifts, and as masks of so many ones
    linear_mask : int64, the masks of the linear lanes
    """

    def __init__(self, tables: RiceTables, linear: np.ndarray, shift: np.ndarray):
        self.linear = linear
        self.first_cell, self.first_row = np.zeros(len(shift), np.int64), np.zeros(len(shift), np.int64)
        self.first_cell[linear] = RiceTables.IMPLANT_ROWS << 4
        self.first_row[linear] = len(tables.quiet) // 2
        self.low = shift if shift.any() else None
        self.low_shift = shift.astype(np.uint32)
        self.low_mask = ((1 << shift) - 1).astype(np.uint32)
        self.linear_mask = (1 << shift[linear]) - 1


class RiceSource:
    """The symbol source (see `codec.decode_loop.SymbolSource`) of lanes that are coded with Rice codes.

    Parameters
    ----------
    tables : RiceTables
    linear : int64, numbers of the linear lanes
    shift : int64 [lanes], low bits
    """

    def __init__(self, tables: RiceTables, linear: np.ndarray, shift: np.ndarray):
        lanes = len(shift)
        self._tables, self._kinds = tables, _Kinds(tables, linear, shift)
        self._places, self._cells = np.arange(PLACES, dtype=np.int64) << 8, np.arange(SCALES, dtype=np.int64) << 4
        self._masks = ((1 << np.minimum(tables.width, 31)) - 1).astype(np.uint32)
        self._bins: _Bins | _RunBins = _RunBins(np.zeros(0, np.uint8), np.zeros(0, np.int64))
        self._remainders = _Remainders(lanes)
        self._place = np.empty(lanes, np.int32)
        self._index, self._cell, self._wide = (np.empty(lanes, np.int64) for _ in range(3))
        self._ranked, self._code = np.empty(lanes, np.int16), np.empty(lanes, np.int64)
        self._field = np.zeros(lanes, np.uint32)
        self._escaped: np.ndarray | None = None

    def load(self, body: RiceBody) -> None:
        """Start with a new body."""
        self._bins = _Bins(body, len(self._code)) if body.hits is None else _RunBins(body.bins, body.hits)
        self._remainders.load(body.remainders)

    def next(self, location: np.ndarray, scale: np.ndarray, active: np.ndarray | None = None) -> np.ndarray:
        """Return the next symbols int64 [lanes]; overwritten by the next call.

        Parameters
        ----------
        location : int32 [lanes], Q6 units
        scale : int32 [lanes], scale index, clipped here
        active : None, since lanes of streams do not end
        """
        tables, kinds, remainders = self._tables, self._kinds, self._remainders
        np.add(location, _PLACE_OFFSET, out=self._place)
        self._place >>= _PLACE_SHIFT
        index = self._places.take(self._place, out=self._index, mode="clip")
        cell = self._cells.take(scale, out=self._cell, mode="clip")
        in_run = None
        if isinstance(self._bins, _RunBins):
            in_run = self._take_runs(self._bins)
        else:
            self._wide[...] = self._bins.next()
            self._escaped = self._bins.escaped()
        if len(kinds.linear):
            cell += kinds.first_cell
        cell += self._wide
        tables.width.take(cell, out=remainders.width, mode="clip")
        self._masks.take(cell, out=remainders.mask, mode="clip")
        if in_run is not None or self._escaped is not None or kinds.low is not None:
            self._adjust(in_run)
        self._field = field = remainders.take()
        index += tables.base.take(cell, out=self._wide, mode="clip")
        self._wide[...] = field if kinds.low is None else field >> kinds.low_shift
        index += self._wide
        self._code[...] = tables.order.take(index, out=self._ranked, mode="clip")
        return self._code

    def _take_runs(self, run_bins: _RunBins) -> np.ndarray:
        """Take the bins of a body with runs; returns which lanes are in a run and have none."""
        row = (self._cell >> CLASS_BITS + 4 << 10) + (self._index >> 8) + self._kinds.first_row
        quiet = self._tables.quiet.take(row)
        if self._kinds.low is not None:
            quiet &= self._kinds.low == 0
        bins, in_run, hits = run_bins.next(quiet)
        self._cell[hits] += _QUIET_ROWS
        self._wide[...] = bins
        escaped = np.flatnonzero(bins == ESCAPE)
        self._escaped = escaped if len(escaped) else None
        return in_run

    def _adjust(self, in_run: np.ndarray | None) -> None:
        """Change the widths of lanes with low bits, of escapes, and of lanes in a run, which take nothing."""
        width, mask, kinds = self._remainders.width, self._remainders.mask, self._kinds
        if kinds.low is not None:
            mask <<= kinds.low_shift
            mask |= kinds.low_mask
            width += kinds.low
        if in_run is not None:
            width[in_run] = mask[in_run] = 0
        if self._escaped is not None:
            width[self._escaped], mask[self._escaped] = ESCAPE_BITS, (1 << ESCAPE_BITS) - 1

    def low_bits(self, t: int) -> np.ndarray:
        """Return the low bits int64 [linear lanes] of the symbols taken last."""
        return self._field[self._kinds.linear] & self._kinds.linear_mask

    def escapes(self, code: np.ndarray, active: np.ndarray | None) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the lanes whose samples are coded as they are, and these samples int16."""
        if self._escaped is None:
            return None
        return self._escaped, self._field[self._escaped].astype(np.uint16).view(np.int16)

    def finish(self) -> bool:
        """Return whether the body was used up, and no more than that."""
        return self._bins.used_up() and self._remainders.used_up()
