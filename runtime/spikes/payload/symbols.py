"""Numbers of a plan in one lane of the entropy coder, with distributions that learn as they go (format 12.1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.compiled import compiled_or_plain
from ...core.errors import CorruptError
from ...entropy import rans
from . import lanes, symbol_loops
from .symbol_loops import CLASSES, MOST_INTERVALS

_LARGE = CLASSES - 1
"""Size of residuals from which on more is written of them."""
_NUMBER = 2e-5
"""Seconds that plain Python takes for a number."""


def prepare() -> None:
    """Load compiled loops at once, for a long job in short pieces."""
    _loop(symbol_loops.write, math.inf)
    _loop(symbol_loops.read, math.inf)


class SymbolWriter:
    """Collects numbers."""

    def __init__(self) -> None:
        self._numbers: list[np.ndarray] = []
        self._kinds: list[np.ndarray] = []
        self._distributions = 0

    def put_bits(self, value: int, width: int) -> None:
        """Write a number 0..2^width - 1 whose values are equally likely."""
        self._add(np.array([value]), np.array([-width]))

    def put(self, *numbers: np.ndarray) -> None:
        """Write numbers from 0 on, below 2^32 - 1, that share a distribution.

        Several arrays of one length, each with a distribution, take turns.
        """
        kinds = self._distributions + np.arange(len(numbers))
        self._distributions += len(numbers)
        self._add(np.stack(numbers, axis=1).ravel(), np.tile(kinds, len(numbers[0])))

    def put_sparse(self, values: np.ndarray) -> None:
        """Write signed numbers, most of which are 0."""
        which = np.flatnonzero(values)
        self.put(np.array([len(which)]))
        self.put(np.diff(which, prepend=-1) - 1, 2 * np.abs(values[which]) - 1 - (values[which] > 0))

    def put_near(self, values: np.ndarray, width: int) -> None:
        """Write numbers 0..2^width - 1, most of which are near each other."""
        usual = int(np.bincount(values).argmax()) if len(values) else 0
        self.put_bits(usual, width)
        self.put_sparse(values - usual)

    def put_residuals(self, values: np.ndarray) -> None:
        """Write signed numbers [rows, n], most of them small; the first one of each row has another distribution."""
        sizes = np.abs(values)
        self._add(np.minimum(sizes, _LARGE).ravel(), _kinds_of_residuals(*values.shape) + self._distributions)
        self._distributions += 2
        self._add((values[sizes > 0] < 0).astype(np.int64), np.full((sizes > 0).sum(), -1))
        self.put(sizes[sizes >= _LARGE] - _LARGE)

    def to_bytes(self) -> bytes:
        """Return the coder's state and words."""
        numbers, kinds = np.concatenate(self._numbers), np.concatenate(self._kinds)
        counts = np.ones((self._distributions, CLASSES), np.int64)
        intervals = np.zeros((MOST_INTERVALS * len(numbers), 2), np.uint32)
        found = intervals[: _loop(symbol_loops.write, len(numbers))(numbers, kinds, counts, intervals)]
        states, words = lanes.encode(found[:, :1], found[:, 1:])
        return rans.pack_states(states) + words.astype("<u4").tobytes()

    def _add(self, numbers: np.ndarray, kinds: np.ndarray) -> None:
        self._numbers.append(numbers.astype(np.int64))
        self._kinds.append(kinds.astype(np.int64))


class SymbolReader:
    """Reads what a `SymbolWriter` wrote. Its methods raise `CorruptError` where the bytes end first."""

    def __init__(self, data: bytes):
        states, at = rans.unpack_states(data, 0, 1)
        if (len(data) - at) % 4:
            raise CorruptError(rans.RAN_OUT)
        self._position = np.array([int(states[0]), 0], np.int64)
        self._words = np.frombuffer(data, "<u4", offset=at).astype(np.int64)

    def take_bits(self, width: int) -> int:
        """Read a number that was written with `put_bits`."""
        return int(self._take(np.array([-width]))[0])

    def take(self, count: int, turns: int = 1) -> np.ndarray:
        """Read int64 [count * turns] that were written with `put`, of arrays that take so many turns."""
        return self._take(np.tile(np.arange(turns), count))

    def take_sparse(self, count: int) -> np.ndarray:
        """Read int64 [count] that were written with `put_sparse`."""
        values: np.ndarray = np.zeros(count, np.int64)
        some = int(self.take(1)[0])
        if some <= count:
            skips, sizes = self.take(some, 2).reshape(-1, 2).T
            places = np.cumsum(skips + 1) - 1
        if some > count or (some and places[-1] >= count):
            raise CorruptError("a chunk has a number for something that is not there")
        if some:
            values[places] = np.where(sizes & 1, -(sizes + 1 >> 1), (sizes >> 1) + 1)
        return values

    def take_near(self, count: int, width: int) -> np.ndarray:
        """Read int64 [count] that were written with `put_near`."""
        values = self.take_bits(width) + self.take_sparse(count)
        if (values < 0).any() or (values >> width).any():
            raise CorruptError("a parameter of a channel is out of range")
        return values

    def take_residuals(self, rows: int, count: int) -> np.ndarray:
        """Read int64 [rows, count] that were written with `put_residuals`."""
        sizes = self._take(_kinds_of_residuals(rows, count)).reshape(rows, count)
        negative = self._take(np.full((sizes > 0).sum(), -1)).astype(bool)
        large = sizes == _LARGE
        signs = np.ones_like(sizes)
        signs[sizes > 0] = np.where(negative, -1, 1)
        sizes[large] += self.take(int(large.sum()))
        return signs * sizes

    def finish(self) -> None:
        """Refuse what is left over. Raises `CorruptError`."""
        if self._position[1] != len(self._words) or self._position[0] != rans.LOW:
            raise CorruptError(rans.RAN_OUT)

    def _take(self, kinds: np.ndarray) -> np.ndarray:
        numbers = np.zeros(len(kinds), np.int64)
        if not _loop(symbol_loops.read, len(kinds))(kinds, self._words, self._position, numbers):
            raise CorruptError(rans.RAN_OUT)
        return numbers


def _kinds_of_residuals(rows: int, count: int) -> np.ndarray:
    """Return the kinds of the sizes of [rows, count] residuals."""
    kinds: np.ndarray = np.full((rows, count), symbol_loops.SMALL + 1)
    kinds[:, :1] = symbol_loops.SMALL
    return kinds.ravel()


def _loop(function: Callable[..., Any], numbers: float) -> Callable[..., Any]:
    return compiled_or_plain(function, numbers * _NUMBER, symbol_loops.interval, symbol_loops.advance)
