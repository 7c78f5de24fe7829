"""What a decoder must know of every channel of a stream, as fixed records that are parsed in one go."""

from __future__ import annotations

import struct

import numpy as np

from ..core.bits import bit_length
from ..core.compressed_bytes import pack_blob, parse_blob
from ..core.errors import CorruptError
from ..core.implant_table import codes_of
from ..predictor.channel_parameters import CONSTANT, IMPLANT, IMPLANT_MAGNITUDE_BITS, LINEAR, ORDER, SideInformation
from ..core.q6 import q6_values
from ..predictor.lanes import Lanes, join

_RECORD = np.dtype(
    [("kind", "u1"), ("initial_scale", "u1"), ("shift", "u1"), ("magnitude_bits", "u1"), ("mean", "<i2")]
)
_RECORD = np.dtype([*_RECORD.descr, ("coefficients", "<i2", (ORDER,))])
_MAX_MAGNITUDE_BITS = 22
_HEAD = struct.Struct("<BI")

GENERAL_INITIAL_SCALE = 130
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
    implant = side.kind == IMPLANT
    if (
        (~implant & (side.kind != LINEAR)).any()
        or (side.magnitude_bits > _MAX_MAGNITUDE_BITS).any()
        or (side.shift > 15).any()
        or (
            implant
            & (
                (side.magnitude_bits != IMPLANT_MAGNITUDE_BITS)
                | (side.shift > 0)
                | (side.mean < 0)
                | (side.mean > 1023)
            )
        ).any()
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


def lanes_of(side: SideInformation, reconstruction: np.ndarray) -> Lanes:
    """A lane for each channel, without an end."""
    return join([(side, 1 << 62, 1)], reconstruction)


def general(samples: np.ndarray) -> SideInformation:
    """Side information for channels of which only these samples int16 [frames, channels] are known."""
    channels = samples.shape[1]
    side = SideInformation.empty(channels)
    codes = codes_of(np.ascontiguousarray(samples))
    implant = (codes >= 0).all(axis=0)
    side.kind[:] = np.where(implant, IMPLANT, LINEAR)
    side.mean[:] = np.where(implant, codes[0], samples[0])
    side.initial_scale[:] = GENERAL_INITIAL_SCALE
    side.shift[:] = np.where(implant, 0, _GENERAL_SHIFT)
    side.magnitude_bits[:] = np.where(implant, IMPLANT_MAGNITUDE_BITS, _MAX_MAGNITUDE_BITS - _GENERAL_SHIFT)
    side.coefficients[:] = GENERAL_COEFFICIENTS
    return side


_GENERAL_SHIFT = 5
"""With it, the general coefficients fit any 16-bit signal."""


def without_constants(side: SideInformation) -> SideInformation:
    """A stream can't know that a channel stays constant: such channels become ordinary ones around their value."""
    constant = side.kind == CONSTANT
    codes = codes_of(side.mean.astype(np.int16))
    implant = constant & (codes >= 0)
    linear = constant & ~implant
    side.kind[implant], side.mean[implant], side.magnitude_bits[implant] = (
        IMPLANT,
        codes[implant],
        IMPLANT_MAGNITUDE_BITS,
    )
    side.kind[linear], side.magnitude_bits[linear] = LINEAR, _MAX_MAGNITUDE_BITS
    side.coefficients[constant] = 0
    return side


def widen(side: SideInformation) -> SideInformation:
    """Linear channels may leave the range that a fit saw: give them all of it, or more low bits where that does not fit."""
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
            side.coefficients[channel], side.magnitude_bits[channel] = 0, _MAX_MAGNITUDE_BITS - int(side.shift[channel])
    return side


def for_bound(side: SideInformation, max_error: int) -> SideInformation:
    """Side information of the original samples, for what is coded under a bound: of linear channels the number of a bin."""
    step = 2 * max_error + 1
    linear = side.kind == LINEAR
    if max_error == 0 or not linear.any():
        return side
    octaves = bit_length(np.array([step]))[0] - 1
    side.mean[linear] //= step
    less = np.minimum(side.shift[linear], octaves)
    side.shift[linear] -= less
    side.initial_scale[linear] = np.maximum(side.initial_scale[linear] - 16 * (octaves - less), 0)
    return widen(side)
