"""Parameters of the channels of a stream: general or calibrated ones, with room for what the signal may still do."""

from __future__ import annotations

import struct
from dataclasses import fields

import numpy as np

from ..core.bits import bit_length
from ..core.compressed_bytes import pack_blob, parse_blob
from ..core.errors import CorruptError
from ..core.implant_table import codes_of
from ..core.q6 import q6_values
from ..predictor import parameter_bits
from ..predictor.channel_parameters import (
    CONSTANT,
    IMPLANT,
    IMPLANT_MAGNITUDE_BITS,
    LINEAR,
    MAX_MAGNITUDE_BITS,
    SideInformation,
)
from ..predictor.lanes import Lanes, join

GENERAL_INITIAL_SCALE = 130
GENERAL_COEFFICIENTS = (789, 34, 17, 20, 24, 16, 16, 14, 9, 11, 9, 8, 10, 5, 9, 15)
"""Medians over recordings of the implant, for channels of which nothing is known."""
_GENERAL_SHIFT = 5
"""With it, the general coefficients fit any 16-bit signal."""


_HEAD = struct.Struct("<BI")
_MOST_BYTES = 44
"""Of a channel's parameters."""


def pack(side: SideInformation) -> bytes:
    """Return the parameters as they are in key packets: coding, length, and the bits of docs/format.md section 4."""
    coding, body = pack_blob(parameter_bits.pack(side))
    return _HEAD.pack(coding, len(body)) + body


def unpack(data: bytes, offset: int, channels: int) -> tuple[SideInformation, int]:
    """Undo `pack` at `offset`.

    Returns
    -------
    SideInformation, and the offset behind it

    Raises
    ------
    CorruptError
    """
    start = offset + _HEAD.size
    if len(data) < start:
        raise CorruptError("a stream's parameters end too early")
    coding, size = _HEAD.unpack_from(data, offset)
    if len(data) < start + size:
        raise CorruptError("a stream's parameters end too early")
    body = parse_blob(coding, data[start : start + size], _MOST_BYTES * channels)
    side, end = parameter_bits.unpack(body, 0, channels)
    if end != len(body) or not side.has_lanes.all():
        raise CorruptError("a stream's parameters are impossible")
    return side, start + size


def lanes_of(side: SideInformation, reconstruction: np.ndarray) -> Lanes:
    """Return a lane without an end for each channel."""
    return join([(side, 1 << 62, 1 << 62)], reconstruction)


def general(samples: np.ndarray) -> SideInformation:
    """Return parameters for channels of which only one or more frames, int16 [frames, channels], are known."""
    side, codes = SideInformation.empty(samples.shape[1]), codes_of(np.ascontiguousarray(samples))
    implant = (codes >= 0).all(axis=0)
    side.kind[:] = np.where(implant, IMPLANT, LINEAR)
    side.mean[:] = np.where(implant, codes[0], samples[0])
    side.initial_scale[:] = GENERAL_INITIAL_SCALE
    side.shift[:] = np.where(implant, 0, _GENERAL_SHIFT)
    side.magnitude_bits[:] = np.where(implant, IMPLANT_MAGNITUDE_BITS, MAX_MAGNITUDE_BITS - _GENERAL_SHIFT)
    side.coefficients[:] = GENERAL_COEFFICIENTS
    return side


def without_limits(side: SideInformation) -> SideInformation:
    """Return parameters of a fit for channels that may leave the range that the fit saw; general ones for constants."""
    side = _copy(side)
    constant = np.flatnonzero(side.kind == CONSTANT)
    known = general(side.mean[None, constant].astype(np.int16))
    for field in fields(side):
        getattr(side, field.name)[constant] = getattr(known, field.name)
    _widen(side)
    return side


def under_bound(side: SideInformation, max_error: int) -> SideInformation:
    """Return parameters for what is coded under a bound of the error: of linear channels the number of a bin."""
    side, linear = _copy(side), side.kind == LINEAR
    if max_error == 0 or not linear.any():
        return side
    bin_width = 2 * max_error + 1
    octaves = bit_length(np.array([bin_width]))[0] - 1
    side.mean[linear] //= bin_width
    less = np.minimum(side.shift[linear], octaves)
    side.shift[linear] -= less
    side.initial_scale[linear] = np.maximum(side.initial_scale[linear] - 16 * (octaves - less), 0)
    _widen(side)
    return side


def _copy(side: SideInformation) -> SideInformation:
    return SideInformation(*(getattr(side, field.name).copy() for field in fields(side)))


def _widen(side: SideInformation) -> None:
    """Give linear channels all of the range of 16 bits, or more low bits where that does not fit."""
    ends = np.array([-32768, 32767], np.int16)
    for channel in np.flatnonzero(side.kind == LINEAR):
        total = int(np.abs(side.coefficients[channel]).sum())
        for shift in range(int(side.shift[channel]), 16):
            mean = q6_values(side.mean[channel].astype(np.int16), shift)
            magnitude_bits = int(np.abs(q6_values(ends, shift) - mean).max()).bit_length()
            if (total << magnitude_bits) + 512 < 1 << 31:
                side.shift[channel], side.magnitude_bits[channel] = shift, magnitude_bits
                break
        else:
            side.coefficients[channel] = 0
            side.magnitude_bits[channel] = MAX_MAGNITUDE_BITS - int(side.shift[channel])
