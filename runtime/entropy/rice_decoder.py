"""From the bodies of Rice-coded chunks or packets to codes, one time step of all lanes after the other."""

from __future__ import annotations

import numpy as np

from ..core.errors import CorruptError
from ..core.scalars import constant
from .rice import ESCAPE, ESCAPE_BITS, PLACE_BITS, PLACES, RiceTables
from .rice_bits import field_windows, unary_numbers, unpack_varint
from .rice_encoder import MAX_RUN_BITS, RUNS
from .tables import SCALES

PLACE_OFFSET = PLACES // 2 << PLACE_BITS
"""What `RiceSource.next` wants to have added to locations."""

_PLACE_SHIFT, _BYTE_SHIFT, _BIT_MASK = constant(PLACE_BITS), constant(3, np.int64), constant(7, np.int64)


class RiceBody:
    """A body in its parts.

    bins : uint8 [n], of all samples that are not in runs
    hits : bool [n]: samples of the sequence of quiet ones that are not of the first rank; None without runs
    fields : bytes, the remainders
    escapes : whether any bin is that of escapes
    """

    def __init__(self, data: bytes | memoryview):
        data = memoryview(data)
        if not len(data) or data[0] & ~RUNS > MAX_RUN_BITS:
            raise CorruptError("a Rice-coded body has an impossible head")
        self.bins, self.hits = None, None
        unary_bytes, offset = unpack_varint(data, 1)
        run_bytes = 0
        if data[0] & RUNS:
            run_bytes, offset = unpack_varint(data, offset)
        self.bins = _numbers(data, offset, unary_bytes, "bins")
        most = int(self.bins.max()) if len(self.bins) else 0
        self.escapes = most == ESCAPE
        if most > ESCAPE:
            raise CorruptError("a Rice-coded body has an impossible bin")
        self.bins = self.bins.astype(np.uint8)
        offset += unary_bytes
        if data[0] & RUNS:
            offset = self._parse_runs(data, offset, run_bytes, data[0] & ~RUNS)
        self.fields = data[offset:]

    def _parse_runs(self, data: memoryview, offset: int, size: int, parameter: int) -> int:
        lengths = _numbers(data, offset, size, "runs") << parameter
        offset += size
        if parameter:
            end = offset + (len(lengths) * parameter + 7) // 8
            windows = field_windows(data[offset:end])
            start = np.arange(len(lengths)) * parameter
            rest = windows.take(start >> 3, mode="clip") >> (start & 7).astype(np.uint32)
            lengths += rest & ((1 << parameter) - 1)
            offset = end
        self.hits = np.cumsum(lengths + 1) - 1
        return offset


def _numbers(data: memoryview, offset: int, size: int, what: str) -> np.ndarray:
    if offset + size > len(data):
        raise CorruptError(f"a Rice-coded body ends within its {what}")
    numbers, padding = unary_numbers(data[offset : offset + size])
    if padding > 7:
        raise CorruptError(f"a Rice-coded body has superfluous {what}")
    return numbers


class _Cursor:
    """Positions in one bit string (or list) for each owner, laid out one behind the other."""

    def __init__(self, starts: np.ndarray, owner: np.ndarray):
        self.at = starts
        self._single = len(starts) == 1
        self._owner = owner
        self._first = np.searchsorted(owner, np.arange(len(starts)))
        self._ends = np.empty(len(owner), np.int64)

    def advance(self, counts: np.ndarray) -> np.ndarray:
        """Where each lane begins that takes so many; overwritten by the next call."""
        ends = np.add.accumulate(counts, dtype=np.int64, out=self._ends)
        if self._single:
            total = int(ends[-1])
            ends -= counts
            ends += self.at
            self.at += total
            return ends
        totals = np.add.reduceat(counts, self._first, dtype=np.int64)
        behind = ends.take(self._first) - counts.take(self._first)
        ends -= counts
        ends += (self.at - behind).take(self._owner)
        self.at += totals
        return ends

    def move_to(self, place: int) -> None:
        """Go on from `place`, if there is one owner."""
        self.at = np.array([place])


class RiceSource:
    """Codes of lanes from the bodies of their owners; lanes are in order of owner.

    Parameters
    ----------
    tables : RiceTables
    grid : int64 [linear channels], numbers of the lanes that are linear lanes
    shift : int64 [lanes], low bits
    owner : int64 [lanes], not decreasing, from 0 on
    """

    def __init__(self, tables: RiceTables, linear: np.ndarray, shift: np.ndarray, owner: np.ndarray):
        self._tables, self._owner = tables, owner
        self._linear = linear if len(linear) else None
        self.low = shift if shift.any() else None
        lanes = len(owner)
        self._places = np.arange(PLACES, dtype=np.int64) << 8
        self._cells = np.arange(SCALES, dtype=np.int64) << 4
        self._cell, self._byte, self._base, self._wide = (np.empty(lanes, np.int64) for _ in range(4))
        self._place = np.empty(lanes, np.int32)
        self._widths, self._ends = np.zeros(lanes + 1, np.int64), np.zeros(lanes + 1, np.int64)
        self._width, self._start = self._widths[1:], self._ends[:-1]
        self._shift = np.empty(lanes, np.uint32)
        self._bit, self._field = np.empty(lanes, np.uint32), np.empty(lanes, np.uint32)
        self._masks = ((1 << np.minimum(tables.width, 31)) - 1).astype(np.uint32)
        self._classes = self._classes_of_linear(lanes)

    def _classes_of_linear(self, lanes: int) -> np.ndarray | int:
        rows = np.zeros(lanes, np.int64)
        if self._linear is None:
            return 0
        rows[self._linear] = len(self._tables.quiet) // 2
        return rows

    def load(self, bodies: list[RiceBody]) -> None:
        """Start with new bodies, one for each owner."""
        self._bodies, self._row = bodies, 0
        self._plain = len(bodies) == 1 and bodies[0].hits is None
        if self._plain:
            (body,) = bodies
            self._bins, self._windows, self._runs = body.bins, field_windows(body.fields), False
            self._widths[0], self._cursors = 0, False
            escapes = np.flatnonzero(body.bins == ESCAPE).tolist() if body.escapes else []
            self._escapes = [*escapes, 1 << 62][::-1]
            return
        self._start_cursors(bodies)

    def _start_cursors(self, bodies: list[RiceBody]) -> None:
        """Positions for several owners, runs, or lanes that end at different times."""
        self._cursors = True
        sizes = np.array([len(body.fields) for body in bodies], np.int64)
        counts = np.array([len(body.bins) for body in bodies], np.int64)
        self._windows = field_windows(b"".join(body.fields for body in bodies))
        self._field_starts, self._field_bytes = 8 * (np.cumsum(sizes) - sizes), sizes
        self._fields = _Cursor(self._field_starts.copy(), self._owner)
        self._bins = np.concatenate([body.bins for body in bodies])
        self._bin_ends = np.cumsum(counts)
        self._bin_cursor = _Cursor(self._bin_ends - counts, self._owner)
        self._runs = any(body.hits is not None for body in bodies)
        if self._runs:
            self._start_runs()

    def _start_runs(self) -> None:
        hits = [body.hits if body.hits is not None else np.zeros(0, np.int64) for body in self._bodies]
        self._with_runs = np.array([body.hits is not None for body in self._bodies]).take(self._owner)
        limit = 1 << 40
        self._hits = np.concatenate([np.minimum(h, limit - 1) + i * limit for i, h in enumerate(hits)] + [[1 << 62]])
        self._hit_starts = np.arange(len(hits)) * limit
        self._quiet_cursor = _Cursor(self._hit_starts.copy(), self._owner)

    def next(self, location: np.ndarray, scale: np.ndarray, index: np.ndarray, active: np.ndarray | None = None):
        """Fill `index` int64 [lanes] with the places of the next codes in `tables.order`.

        Parameters
        ----------
        location : int32 [lanes], Q6 units, plus `PLACE_OFFSET`
        scale : int32 [lanes], clipped here
        index : where the result goes
        active : bool [lanes], None for all

        Returns
        -------
        escaped : None, or the numbers of lanes whose `fields` are their samples
        fields : uint32 [lanes], remainders with low bits
        """
        tables = self._tables
        np.right_shift(location, _PLACE_SHIFT, out=self._place)
        self._places.take(self._place, out=index, mode="clip")
        cell = self._cells.take(scale, out=self._cell, mode="clip")
        if self._linear is not None:
            cell[self._linear] += RiceTables.IMPLANT_ROWS << 4
        coded = None
        if active is None and not self._cursors:
            first = self._row
            self._row += len(cell)
            bins = self._bins[first : self._row]
            if len(bins) < len(cell):
                raise CorruptError("a Rice-coded body has too few bins")
            self._wide[...] = bins
            cell += self._wide
            escaped = self._next_escapes()
        else:
            coded, escaped = self._select(index, scale, active)
        width = tables.width.take(cell, out=self._width, mode="clip")
        self._masks.take(cell, out=self._bit, mode="clip")
        if coded is not None or self.low is not None:
            self._adjust(width, coded, escaped)
        if self._cursors:
            start = self._fields.advance(width)
        else:
            np.add.accumulate(self._widths, out=self._ends)
            start, self._widths[0] = self._start, self._ends[-1]
        np.right_shift(start, _BYTE_SHIFT, out=self._byte)
        field = self._windows.take(self._byte, out=self._field, mode="clip")
        np.bitwise_and(start, _BIT_MASK, out=self._wide)
        self._shift[...] = self._wide
        field >>= self._shift
        field &= self._bit
        index += tables.base.take(cell, out=self._base, mode="clip")
        self._wide[...] = field if self.low is None else field >> self.low.astype(np.uint32)
        index += self._wide
        return escaped, field

    def _next_escapes(self) -> np.ndarray | None:
        """Escaped lanes of a step whose bins are all there."""
        if self._escapes[-1] >= self._row:
            return None
        found = []
        while self._escapes[-1] < self._row:
            found.append(self._escapes.pop() - self._row + len(self._cell))
        return np.array(found)

    def _select(self, index, scale, active) -> tuple[np.ndarray, np.ndarray | None]:
        """Which lanes have a bin in this step; adds it to their cells."""
        coded = np.ones(len(self._cell), bool) if active is None else active.copy()
        if not self._cursors:
            done, bit = self._row, int(self._widths[0])
            self._start_cursors(self._bodies)
            self._bin_cursor.move_to(done)
            self._fields.move_to(bit)
        if self._runs:
            row = ((np.clip(scale, 0, SCALES - 1) >> 4).astype(np.int64) << 10) + (index >> 8) + self._classes
            quiet = self._tables.quiet.take(row) & coded & self._with_runs
            if self.low is not None:
                quiet &= self.low == 0
            place = self._quiet_cursor.advance(quiet)
            hit = self._hits.take(np.searchsorted(self._hits, place)) == place
            coded &= ~quiet | hit
            self._cell[quiet & hit] += SCALES << 4
        place = self._bin_cursor.advance(coded)
        bins = self._bins.take(place, mode="clip") if len(self._bins) else np.zeros(len(place), np.uint8)
        bins[~coded] = 0
        self._cell += bins
        escaped = np.flatnonzero(bins == ESCAPE)
        return coded, escaped if len(escaped) else None

    def _adjust(self, width, coded, escaped) -> None:
        """Widths with low bits, and of nothing where there is no bin: of those only base and class matter."""
        if self.low is not None:
            self._bit <<= self.low.astype(np.uint32)
            self._bit |= (1 << self.low).astype(np.uint32) - np.uint32(1)
            width += self.low
        if coded is not None:
            width[~coded] = 0
            self._bit[~coded] = 0
            self._cell[~coded] &= ~np.int64(15)
        if escaped is not None:
            width[escaped], self._bit[escaped] = ESCAPE_BITS, (1 << ESCAPE_BITS) - 1

    def finish(self) -> bool:
        """Whether all bodies were taken to their ends, and by nobody further."""
        if not self._cursors:
            return self._row == len(self._bins) and (int(self._widths[0]) + 7) >> 3 == len(self._windows) - 1
        bits = self._fields.at - self._field_starts
        good = np.array_equal((bits + 7) >> 3, self._field_bytes) and np.array_equal(
            self._bin_cursor.at, self._bin_ends
        )
        if self._runs:
            taken = self._quiet_cursor.at - self._hit_starts
            last = [-1 if body.hits is None or not len(body.hits) else int(body.hits[-1]) for body in self._bodies]
            good &= bool((np.array(last) < taken).all())
        return good
