"""The bits of channel parameters: docs/format.md section 4."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core import bits
from ..core.errors import CorruptError
from .channel_parameters import (
    CONSTANT,
    COPY,
    IMPLANT,
    IMPLANT_MAGNITUDE_BITS,
    LINEAR,
    MAX_MAGNITUDE_BITS,
    ORDER,
    REFERENCE_TAPS,
    REFERENCES,
    SideInformation,
)

_GROUP = 4
_CODE_BITS, _COUNT_BITS, _CORRELATION_BITS, _WIDTH_BITS = 10, 3, 6, 5
_FIELD_BITS = (16, 8, 4, 5)
"""Of mean, initial scale, shift and magnitude bits of a linear channel."""
_FIXED_WIDTHS = np.zeros((4, 8), np.int64)
"""By kind: of these four, and of the widths of the four groups of coefficients."""
_FIXED_WIDTHS[[CONSTANT, COPY], 0] = _FIELD_BITS[0]
_FIXED_WIDTHS[IMPLANT] = _CODE_BITS, _FIELD_BITS[1], 0, 0, 4, 4, 4, 4
_FIXED_WIDTHS[LINEAR] = *_FIELD_BITS, 4, 4, 4, 4


def _group_widths(coefficients: np.ndarray) -> np.ndarray:
    """Bits that each coefficient of a group takes [..., groups], of coefficients [..., groups, 4]."""
    magnitude = np.where(coefficients < 0, ~coefficients, coefficients).max(axis=-1)
    return np.where((coefficients == 0).all(axis=-1), 0, bits.bit_length(magnitude) + 1)


def pack(side: SideInformation) -> bytes:
    """Serialise to whole bytes. References and adaptive predictors are written if any channel has some."""
    groups = _group_widths(side.coefficients.reshape(-1, ORDER // _GROUP, _GROUP))
    shared, absent = _shared(side)
    fixed, own = _FIXED_WIDTHS[side.kind], ~absent[:, None]
    fields, head = np.stack([side.mean, side.initial_scale, side.shift, side.magnitude_bits], axis=1), []
    if _several(side):
        for number, width in enumerate(_FIELD_BITS):
            some = side.has_lanes & (fixed[:, number] > 0)
            least = int(fields[some, number].min()) if some.any() else 0
            fields[some, number] -= least
            fixed[some, number] = int(fields[some, number].max(initial=0)).bit_length()
            head += [(least, width), (fixed[some, number].max(initial=0), _WIDTH_BITS)]
    columns = [fields, shared, groups, side.coefficients]
    flags = np.full(len(side.kind), int(_several(side)))
    column_widths = [fixed[:, :4], flags, fixed[:, 4:] * own, np.repeat(groups, _GROUP, axis=1) * own]
    if side.has_references:
        more = _reference_fields(side)
        columns += [value for value, _ in more]
        column_widths += [width for _, width in more]
    if side.adaptive.any():
        columns.append(side.adaptive)
        column_widths.append(np.ones(len(side.kind), np.int64))
    values, widths = np.column_stack(columns), np.column_stack(column_widths)
    widths[~side.has_lanes, 1:] = 0
    kinds = bits.pack(side.kind, np.full(len(side.kind), 2))
    ranges = bits.pack(*np.array(head, np.int64).reshape(-1, 2).T)
    return bits.to_bytes(np.concatenate([kinds, ranges, bits.pack(values.ravel(), widths.ravel())]))


def _several(side: SideInformation) -> bool:
    return len(side.coded) > 1


def _shared(side: SideInformation) -> tuple[np.ndarray, np.ndarray]:
    """Return which channels share coefficients, the most frequent ones, and which of them do not come first.

    bool [channels] each.
    """
    coded = side.coded
    shared, later = np.zeros(len(side.kind), bool), np.zeros(len(side.kind), bool)
    if _several(side):
        _, places, counts = np.unique(side.coefficients[coded], axis=0, return_inverse=True, return_counts=True)
        some = coded[places.ravel() == counts.argmax()]
        if len(some) > 1:
            shared[some], later[some[1:]] = True, True
    return shared, later


def _reference_fields(side: SideInformation) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return columns of values and widths: number of references, and number, correlation, taps of each."""
    channels, there = len(side.kind), side.references >= 0
    fields = [(there.sum(axis=1), np.full(channels, _COUNT_BITS))]
    for number in range(REFERENCES):
        group = _group_widths(side.reference_taps[:, number])
        columns = [
            (side.references[:, number], _number_bits(channels)),
            (side.correlation[:, number], _CORRELATION_BITS),
            (group, 4),
        ]
        fields += [(values, np.where(there[:, number], width, 0)) for values, width in columns]
        fields.append(
            (side.reference_taps[:, number], np.repeat((group * there[:, number])[:, None], REFERENCE_TAPS, axis=1))
        )
    return fields


def _number_bits(channels: int) -> int:
    return max(1, (channels - 1).bit_length())


def unpack(
    data: bytes,
    offset: int,
    channels: int,
    has_references: bool = False,
    fine: bool = False,
    has_adaptive: bool = False,
) -> tuple[SideInformation, int]:
    """Parse at `offset`; the side information and the offset behind it. With `fine`, shifts are signed.

    Raises `CorruptError`.
    """
    reader = bits.BitReader(data, offset)
    kind = reader.read(np.full(channels, 2))
    side = SideInformation.empty(channels)
    side.kind = kind
    common = _Common.read(reader, fine) if _several(side) else None
    has_lanes = side.has_lanes
    for channel in range(channels):
        _unpack_channel(reader, side, channel, common)
        if has_references and has_lanes[channel]:
            _unpack_references(reader, side, channel, has_lanes)
        if has_adaptive and has_lanes[channel]:
            side.adaptive[channel] = reader.take(1)
    if fine:
        side.shift -= (side.shift >> 3) << 4
        if side.fineness and len(np.unique(side.shift[kind == LINEAR])) > 1:
            raise CorruptError("linear channels of a chunk do not agree about their Q6 units")
    side.order_levels()
    if not side.fits().all():
        raise CorruptError("the coefficients of a linear predictor are out of range")
    return side, reader.align()


def _unpack_references(reader: bits.BitReader, side: SideInformation, channel: int, has_lanes: np.ndarray) -> None:
    (count,) = reader.read(np.array([_COUNT_BITS]))
    if count > REFERENCES:
        raise CorruptError("a channel has too many references")
    for number in range(count):
        reference, metric, width = reader.read(np.array([_number_bits(len(side.kind)), _CORRELATION_BITS, 4])).tolist()
        if (
            reference >= len(side.kind)
            or reference == channel
            or not has_lanes[reference]
            or reference in side.references[channel]
        ):
            raise CorruptError("a channel refers to one that it can't refer to")
        side.references[channel, number] = reference
        side.correlation[channel, number] = metric - (metric >> _CORRELATION_BITS - 1 << _CORRELATION_BITS)
        side.reference_taps[channel, number] = reader.read(np.full(REFERENCE_TAPS, width), signed=True)


@dataclass(frozen=True)
class _Common:
    """What channels with lanes have in common, if there are several.

    sharing : channels that share coefficients, as far as they were read
    least, width : int64 [4], of the first four fields
    shifts : shifts are below that
    """

    sharing: list[int]
    least: np.ndarray
    width: np.ndarray
    shifts: int

    @classmethod
    def read(cls, reader: bits.BitReader, fine: bool) -> _Common:
        found = []
        for width, signed in zip(_FIELD_BITS, (True, False, fine, False), strict=True):
            found.append((int(reader.read_equal(1, width, signed)[0]), reader.take(_WIDTH_BITS)))
        least, widths = np.array(found).T
        return cls([], least, widths, 8 if fine else 16)

    def fields(self, reader: bits.BitReader, there: np.ndarray) -> np.ndarray:
        """Read the first four fields of a channel, as they are without ranges, where they are there."""
        values = reader.read(self.width * there) + self.least * there
        if (values < (-(1 << 15), 0, -8, 0)).any() or (values >= (1 << 15, 1 << 8, self.shifts, 1 << 5)).any():
            raise CorruptError("a channel's parameters are out of range")
        return values & ((1 << np.array(_FIELD_BITS)) - 1)


def _unpack_channel(reader: bits.BitReader, side: SideInformation, channel: int, common: _Common | None) -> None:
    kind = int(side.kind[channel])
    widths = _FIXED_WIDTHS[kind]
    if common is None or kind in (CONSTANT, COPY):
        fixed = reader.read(widths[:4])
    else:
        fixed = common.fields(reader, widths[:4] > 0)
    side.mean[channel], side.initial_scale[channel], side.shift[channel], side.magnitude_bits[channel] = fixed
    if kind == IMPLANT:
        side.magnitude_bits[channel] = IMPLANT_MAGNITUDE_BITS
        if side.mean[channel] >= 1 << _CODE_BITS:
            raise CorruptError("a channel's parameters are out of range")
    elif kind != COPY:
        side.mean[channel] -= (side.mean[channel] >> 15) << 16
    else:
        source = side.mean[channel] = int(fixed[0])
        if source >= channel or side.kind[source] == COPY:
            raise CorruptError("a channel is a copy of one that can't have any")
    if kind in (CONSTANT, COPY):
        return
    first = channel
    if common is not None and reader.take(1):
        common.sharing.append(channel)
        first = common.sharing[0]
    if first != channel:
        side.coefficients[channel] = side.coefficients[first]
    else:
        side.coefficients[channel] = reader.read(np.repeat(reader.read(widths[4:]), _GROUP), signed=True)
    if side.magnitude_bits[channel] > MAX_MAGNITUDE_BITS:
        raise CorruptError("a channel's range is impossible")
