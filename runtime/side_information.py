"""What the decoder must know of every lead before it starts: docs/format.md section 4."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import bits
from .errors import CorruptError

ORDER = 16
"""Taps of the linear predictor."""
COEFFICIENT_BITS = 10
"""Coefficients are in units of 2^-10."""

CONSTANT, LATTICE, GRID = 0, 1, 2
LATTICE_REACH = 15

_GROUP = 4


@dataclass
class SideInformation:
    """Per lead of one chunk; all arrays have one entry (or row) per lead.

    kind          CONSTANT, LATTICE or GRID
    mean          constant: the sample; lattice: a code 0..1023; grid: a sample
    spread        0..255, log of the initial running means
    shift         grid: number of low bits, 0..15
    reach         abs(tick value) < 2^reach
    coefficients  [leads, 16], newest sample first, units of 2^-10
    """

    kind: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    shift: np.ndarray
    reach: np.ndarray
    coefficients: np.ndarray

    @classmethod
    def empty(cls, leads: int) -> SideInformation:
        """All leads constant zero."""
        one = lambda: np.zeros(leads, np.int64)  # noqa: E731
        return cls(one(), one(), one(), one(), one(), np.zeros((leads, ORDER), np.int64))

    @property
    def coded(self) -> np.ndarray:
        """Numbers of the leads that have lanes."""
        return np.flatnonzero(self.kind != CONSTANT)


def fits(coefficients: np.ndarray, reach: np.ndarray | int) -> np.ndarray | bool:
    """Whether sums over `coefficients` [..., 16] stay in int32 for tick values below 2^reach."""
    return (np.abs(coefficients).sum(axis=-1) << (reach + 1)) + 512 < 1 << 31


def _fixed_widths(kind: np.ndarray) -> np.ndarray:
    """Widths [leads, 8] of mean, spread, shift, reach and the four group widths."""
    by_kind = np.array([[16, 0, 0, 0, 0, 0, 0, 0], [10, 8, 0, 0, 4, 4, 4, 4], [16, 8, 4, 5, 4, 4, 4, 4]])
    return by_kind[kind]


def pack(side: SideInformation) -> bytes:
    """Serialise; whole bytes."""
    coefficients = side.coefficients.reshape(-1, ORDER // _GROUP, _GROUP)
    magnitude = np.where(coefficients < 0, ~coefficients, coefficients).max(axis=2)
    groups = np.where((coefficients == 0).all(axis=2), 0, bits.bit_length(magnitude) + 1)
    fixed = np.column_stack([side.mean, side.spread, side.shift, side.reach, groups])
    widths = np.column_stack([_fixed_widths(side.kind), np.repeat(groups, _GROUP, axis=1)])
    widths[side.kind == CONSTANT, 1:] = 0
    values = np.column_stack([fixed, side.coefficients])
    kinds = bits.pack(side.kind, np.full(len(side.kind), 2))
    return bits.to_bytes(np.concatenate([kinds, bits.pack(values.ravel(), widths.ravel())]))


def unpack(data: bytes, offset: int, leads: int) -> tuple[SideInformation, int]:
    """Parse at `offset`; the side information and the offset behind it. Raises `CorruptError`."""
    reader = bits.BitReader(data, offset)
    kind = reader.read(np.full(leads, 2))
    if (kind > GRID).any():
        raise CorruptError("a lead is of an unknown kind")
    side = SideInformation.empty(leads)
    side.kind = kind
    for lead in range(leads):
        _unpack_lead(reader, side, lead)
    if not np.all(fits(side.coefficients, side.reach)):
        raise CorruptError("the coefficients of a linear predictor are out of range")
    return side, reader.align()


def _unpack_lead(reader: bits.BitReader, side: SideInformation, lead: int) -> None:
    kind = int(side.kind[lead])
    fixed = reader.read(_fixed_widths(kind))
    side.mean[lead], side.spread[lead], side.shift[lead], side.reach[lead] = fixed[:4]
    if kind == LATTICE:
        side.reach[lead] = LATTICE_REACH
    else:
        side.mean[lead] -= (side.mean[lead] >> 15) << 16
    if kind == CONSTANT:
        return
    side.coefficients[lead] = reader.read(np.repeat(fixed[4:], _GROUP), signed=True)
    if side.reach[lead] > 5 + 16:
        raise CorruptError("a lead's range is impossible")
