"""What a decoder must know of every channel of a stream, as fixed records that are parsed in one go."""

from __future__ import annotations

import struct

import numpy as np

from ..core.bits import bit_length
from ..core.compressed_bytes import pack_blob, parse_blob
from ..core.errors import CorruptError
from ..core.implant_table import codes_of
from ..predictor.channel_parameters import CONSTANT, GRID, LATTICE, LATTICE_REACH, ORDER, SideInformation
from ..predictor.features import tick_values
from ..predictor.lanes import Lanes, join

_RECORD = np.dtype([("kind", "u1"), ("spread", "u1"), ("shift", "u1"), ("reach", "u1"), ("mean", "<i2")])
_RECORD = np.dtype([*_RECORD.descr, ("coefficients", "<i2", (ORDER,))])
_MAX_REACH = 22
_HEAD = struct.Struct("<BI")

GENERAL_SPREAD = 130
GENERAL_COEFFICIENTS = (789, 34, 17, 20, 24, 16, 16, 14, 9, 11, 9, 8, 10, 5, 9, 15)
"""Medians over recordings of the implant, for channels of which nothing is known yet."""


def pack(side: SideInformation) -> bytes:
    """The records of the channels, compressed where it pays, with their coding and length in front."""
    records = np.zeros(len(side.kind), _RECORD)
    for name in _RECORD.names:
        records[name] = getattr(side, name)
    coding, body = pack_blob(records.tobytes())
    return _HEAD.pack(coding, len(body)) + body


def unpack(data: bytes, offset: int, channels: int) -> tuple[SideInformation, int]:
    """Parse at `offset`; the side information and the offset behind it. Raises `CorruptError`."""
    end = side_end(data, offset)
    coding, _ = _HEAD.unpack_from(data, offset)
    raw = parse_blob(coding, data[offset + _HEAD.size : end], channels * _RECORD.itemsize)
    if len(raw) != channels * _RECORD.itemsize:
        raise CorruptError("the side information of a stream has the wrong size")
    records = np.frombuffer(raw, _RECORD)
    side = SideInformation.empty(channels)
    for name in _RECORD.names:
        setattr(side, name, records[name].astype(np.int64))
    lattice = side.kind == LATTICE
    if (
        (~lattice & (side.kind != GRID)).any()
        or (side.reach > _MAX_REACH).any()
        or (side.shift > 15).any()
        or (lattice & ((side.reach != LATTICE_REACH) | (side.shift > 0) | (side.mean < 0) | (side.mean > 1023))).any()
        or not side.fits().all()
    ):
        raise CorruptError("the side information of a stream is impossible")
    return side, end


def side_end(data: bytes, offset: int) -> int:
    """The offset behind the side information at `offset`. Raises `CorruptError`."""
    if len(data) < offset + _HEAD.size:
        raise CorruptError("a key packet is too short")
    end = offset + _HEAD.size + _HEAD.unpack_from(data, offset)[1]
    if end > len(data):
        raise CorruptError("a key packet ends within its side information")
    return end


def lanes_of(side: SideInformation, middle: np.ndarray) -> Lanes:
    """A lane for each channel, without an end."""
    return join([(side, 1 << 62, 1)], middle)


def general(samples: np.ndarray) -> SideInformation:
    """Side information for channels of which only these samples int16 [frames, channels] are known."""
    channels = samples.shape[1]
    side = SideInformation.empty(channels)
    codes = codes_of(np.ascontiguousarray(samples))
    lattice = (codes >= 0).all(axis=0)
    side.kind[:] = np.where(lattice, LATTICE, GRID)
    side.mean[:] = np.where(lattice, codes[0], samples[0])
    side.spread[:] = GENERAL_SPREAD
    side.shift[:] = np.where(lattice, 0, _GENERAL_SHIFT)
    side.reach[:] = np.where(lattice, LATTICE_REACH, _MAX_REACH - _GENERAL_SHIFT)
    side.coefficients[:] = GENERAL_COEFFICIENTS
    return side


_GENERAL_SHIFT = 5
"""With it, the general coefficients fit any 16-bit signal."""


def without_constants(side: SideInformation) -> SideInformation:
    """A stream can't know that a channel stays constant: such channels become ordinary ones around their value."""
    constant = side.kind == CONSTANT
    codes = codes_of(side.mean.astype(np.int16))
    lattice = constant & (codes >= 0)
    grid = constant & ~lattice
    side.kind[lattice], side.mean[lattice], side.reach[lattice] = LATTICE, codes[lattice], LATTICE_REACH
    side.kind[grid], side.reach[grid] = GRID, _MAX_REACH
    side.coefficients[constant] = 0
    return side


def widen(side: SideInformation) -> SideInformation:
    """Grid channels may leave the range that a fit saw: give them all of it, or more low bits where that does not fit."""
    ends = np.array([-32768, 32767], np.int16)
    for channel in np.flatnonzero(side.kind == GRID):
        total = int(np.abs(side.coefficients[channel]).sum())
        for shift in range(int(side.shift[channel]), 16):
            mean = tick_values(side.mean[channel].astype(np.int16), shift)
            reach = int(np.abs(tick_values(ends, shift) - mean).max()).bit_length()
            if (total << reach) + 512 < 1 << 31:
                side.shift[channel], side.reach[channel] = shift, reach
                break
        else:
            side.coefficients[channel], side.reach[channel] = 0, _MAX_REACH - int(side.shift[channel])
    return side


def for_bound(side: SideInformation, max_error: int) -> SideInformation:
    """Side information of the original samples, for what is coded under a bound: of grid channels the number of a bin."""
    step = 2 * max_error + 1
    grid = side.kind == GRID
    if max_error == 0 or not grid.any():
        return side
    octaves = bit_length(np.array([step]))[0] - 1
    side.mean[grid] //= step
    less = np.minimum(side.shift[grid], octaves)
    side.shift[grid] -= less
    side.spread[grid] = np.maximum(side.spread[grid] - 16 * (octaves - less), 0)
    return widen(side)
