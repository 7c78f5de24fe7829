"""What the decoder must know of every channel before it starts: docs/format.md section 4."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..core import bits
from ..core.errors import CorruptError

ORDER = 16
"""Taps of the linear predictor."""
COEFFICIENT_BITS = 10
"""Coefficients are in units of 2^-10."""

REFERENCES = 4
"""The most reference channels of a channel."""
REFERENCE_TAPS = 4
"""Samples of each of them that the linear predictor uses."""
CORRELATION_UNIT = 32
"""Correlations are signed and in units of 1/32, in 6 bits."""

CONSTANT, IMPLANT, LINEAR, COPY = 0, 1, 2, 3
IMPLANT_MAGNITUDE_BITS, MAX_MAGNITUDE_BITS = 16, 22

_GROUP = 4
_COUNT_BITS, _CORRELATION_BITS = 3, 6


@dataclass
class SideInformation:
    """Per channel of one chunk; all arrays have one entry (or row) per channel.

    kind            CONSTANT, IMPLANT, LINEAR or COPY
    mean            constant, linear: a sample; implant: a code 0..1023; copy: number of the channel that is the same
    initial_scale   0..255, logarithm of the initial running means
    shift           linear: number of low bits, 0..15; near-lossless -8..7, and the same for all channels if below 0
    magnitude_bits  abs(Q6 value less that of the mean) < 2^magnitude_bits
    coefficients    [channels, 16], newest sample first, units of 2^-10
    references      [channels, 4], numbers of reference channels, without circles; -1 behind the last one
    correlation     [channels, 4], correlation with each, -32..31 in units of 1/32
    reference_taps  [channels, 4, 4], coefficients for the newest samples of each, newest first, units of 2^-10
    adaptive        1 for channels with an adaptive predictor, 0 for others
    """

    kind: np.ndarray
    mean: np.ndarray
    initial_scale: np.ndarray
    shift: np.ndarray
    magnitude_bits: np.ndarray
    coefficients: np.ndarray
    references: np.ndarray
    correlation: np.ndarray
    reference_taps: np.ndarray
    adaptive: np.ndarray

    @classmethod
    def empty(cls, channels: int) -> SideInformation:
        """Return parameters of channels that are all constant zero."""
        pairs, taps = (REFERENCES,), (REFERENCES, REFERENCE_TAPS)
        shapes: list[tuple[int, ...]] = [*[()] * 5, (ORDER,), pairs, pairs, taps, ()]
        side = cls(*(np.zeros((channels, *shape), np.int64) for shape in shapes))
        side.references -= 1
        return side

    @property
    def coded(self) -> np.ndarray:
        """Numbers of the channels that have lanes."""
        return np.flatnonzero(self.has_lanes)

    @property
    def has_lanes(self) -> np.ndarray:
        """Which channels have lanes, bool [channels]."""
        return (self.kind == IMPLANT) | (self.kind == LINEAR)

    @property
    def fineness(self) -> int:
        """Octaves by which Q6 units of linear channels are finer than 1/64 sample."""
        return max(0, -int(self.shift.min()))

    @property
    def has_references(self) -> bool:
        """Whether any channel has references."""
        return bool((self.references >= 0).any())

    def order_levels(self) -> np.ndarray:
        """Return order levels, int64 [channels]: one more than the largest of a channel's references, 0 without any.

        Raises `CorruptError` if references form a circle.
        """
        level = [0] * len(self.kind)
        if not self.has_references:
            return np.array(level, np.int64)
        waiting = (self.references >= 0).sum(axis=1).tolist()
        users: list[list[int]] = [[] for _ in level]
        for channel, number in np.argwhere(self.references >= 0).tolist():
            users[self.references[channel, number]].append(channel)
        settled = [channel for channel, count in enumerate(waiting) if not count]
        for channel in settled:  # which grows meanwhile
            for user in users[channel]:
                level[user] = max(level[user], level[channel] + 1)
                waiting[user] -= 1
                if not waiting[user]:
                    settled.append(user)
        if len(settled) < len(level):
            raise CorruptError("channels refer to each other in a circle")
        return np.array(level, np.int64)

    def only(self, channels: np.ndarray) -> tuple[SideInformation, np.ndarray]:
        """Return the same with nothing but some channels and those that they depend on, and which these are.

        Parameters
        ----------
        channels : int64 [n]

        Returns
        -------
        SideInformation
            Other channels are constant.
        bool [channels]
        """
        needed = np.zeros(len(self.kind) + 1, bool)  # the last is for references that there are not
        wanted = channels
        while len(wanted):
            needed[wanted] = True
            copied = self.mean[wanted[self.kind[wanted] == COPY]]
            wanted = np.unique(np.concatenate([copied, self.references[wanted].ravel()]))
            wanted = wanted[(wanted >= 0) & ~needed[wanted]]
        needed = needed[:-1]
        side = replace(self, kind=np.where(needed, self.kind, CONSTANT))
        side.mean = np.where(needed, self.mean, 0)
        return side, needed

    def fits(self) -> np.ndarray:
        """For each channel whether its linear prediction stays within int32, all channels being within their reach."""
        own = np.abs(self.coefficients).sum(axis=1) << self.magnitude_bits
        others = np.abs(self.reference_taps).sum(axis=2) << self.magnitude_bits[self.references]
        return own + np.where(self.references >= 0, others, 0).sum(axis=1) + 512 < 1 << 31


def _fixed_widths(kind: np.ndarray | int) -> np.ndarray:
    """Widths [channels, 8] of mean, spread, shift, reach and the four group widths."""
    by_kind = np.array([[16, 0, 0, 0, 0, 0, 0, 0], [10, 8, 0, 0, 4, 4, 4, 4], [16, 8, 4, 5, 4, 4, 4, 4]])
    by_kind = by_kind[[CONSTANT, IMPLANT, LINEAR, CONSTANT]]
    return by_kind[kind]


def _group_widths(coefficients: np.ndarray) -> np.ndarray:
    """Bits that each coefficient of a group takes [..., groups], of coefficients [..., groups, 4]."""
    magnitude = np.where(coefficients < 0, ~coefficients, coefficients).max(axis=-1)
    return np.where((coefficients == 0).all(axis=-1), 0, bits.bit_length(magnitude) + 1)


def pack(side: SideInformation) -> bytes:
    """Serialise to whole bytes. References and adaptive predictors are written if any channel has some."""
    groups = _group_widths(side.coefficients.reshape(-1, ORDER // _GROUP, _GROUP))
    shared, absent = _shared(side)
    fixed, own = _fixed_widths(side.kind), ~absent[:, None]
    columns = [side.mean, side.initial_scale, side.shift, side.magnitude_bits, shared, groups, side.coefficients]
    flags = np.full(len(side.kind), _shared_bits(side))
    column_widths = [fixed[:, :4], flags, fixed[:, 4:] * own, np.repeat(groups, _GROUP, axis=1) * own]
    if side.has_references:
        more = _reference_fields(side)
        columns += [value for value, _ in more]
        column_widths += [width for _, width in more]
    if side.adaptive.any():
        columns.append(side.adaptive)
        column_widths.append(side.has_lanes.astype(np.int64))
    values, widths = np.column_stack(columns), np.column_stack(column_widths)
    widths[~side.has_lanes, 1:] = 0
    kinds = bits.pack(side.kind, np.full(len(side.kind), 2))
    return bits.to_bytes(np.concatenate([kinds, bits.pack(values.ravel(), widths.ravel())]))


def _shared_bits(side: SideInformation) -> int:
    return int(len(side.coded) > 1)


def _shared(side: SideInformation) -> tuple[np.ndarray, np.ndarray]:
    """Return which channels share coefficients, the most frequent ones, and which of them do not come first.

    bool [channels] each.
    """
    coded = side.coded
    shared, later = np.zeros(len(side.kind), bool), np.zeros(len(side.kind), bool)
    if len(coded) > 1:
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
    sharing: list[int] | None = [] if _shared_bits(side) else None
    for channel in range(channels):
        _unpack_channel(reader, side, channel, sharing)
        if has_references and side.has_lanes[channel]:
            _unpack_references(reader, side, channel)
        if has_adaptive and side.has_lanes[channel]:
            side.adaptive[channel] = reader.read(np.array([1]))[0]
    if fine:
        side.shift -= (side.shift >> 3) << 4
        if side.fineness and len(np.unique(side.shift[kind == LINEAR])) > 1:
            raise CorruptError("linear channels of a chunk do not agree about their Q6 units")
    side.order_levels()
    if not side.fits().all():
        raise CorruptError("the coefficients of a linear predictor are out of range")
    return side, reader.align()


def _unpack_references(reader: bits.BitReader, side: SideInformation, channel: int) -> None:
    (count,) = reader.read(np.array([_COUNT_BITS]))
    if count > REFERENCES:
        raise CorruptError("a channel has too many references")
    for number in range(count):
        reference, metric, width = reader.read(np.array([_number_bits(len(side.kind)), _CORRELATION_BITS, 4])).tolist()
        if (
            reference >= len(side.kind)
            or reference == channel
            or not side.has_lanes[reference]
            or reference in side.references[channel]
        ):
            raise CorruptError("a channel refers to one that it can't refer to")
        side.references[channel, number] = reference
        side.correlation[channel, number] = metric - (metric >> _CORRELATION_BITS - 1 << _CORRELATION_BITS)
        side.reference_taps[channel, number] = reader.read(np.full(REFERENCE_TAPS, width), signed=True)


def _unpack_channel(reader: bits.BitReader, side: SideInformation, channel: int, sharing: list[int] | None) -> None:
    kind = int(side.kind[channel])
    widths = _fixed_widths(kind)
    fixed = reader.read(widths[:4])
    side.mean[channel], side.initial_scale[channel], side.shift[channel], side.magnitude_bits[channel] = fixed
    if kind == IMPLANT:
        side.magnitude_bits[channel] = IMPLANT_MAGNITUDE_BITS
    elif kind != COPY:
        side.mean[channel] -= (side.mean[channel] >> 15) << 16
    else:
        source = side.mean[channel] = int(fixed[0])
        if source >= channel or side.kind[source] == COPY:
            raise CorruptError("a channel is a copy of one that can't have any")
    if kind in (CONSTANT, COPY):
        return
    first = None
    if sharing is not None and reader.take(1):
        sharing.append(channel)
        first = sharing[0]
    if first not in (None, channel):
        side.coefficients[channel] = side.coefficients[first]
    else:
        side.coefficients[channel] = reader.read(np.repeat(reader.read(widths[4:]), _GROUP), signed=True)
    if side.magnitude_bits[channel] > MAX_MAGNITUDE_BITS:
        raise CorruptError("a channel's range is impossible")
