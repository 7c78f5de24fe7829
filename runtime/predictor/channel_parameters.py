"""What the decoder must know of every channel before it starts: docs/format.md section 4."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core import bits
from ..core.errors import CorruptError

ORDER = 16
"""Taps of the linear predictor."""
COEFFICIENT_BITS = 10
"""Coefficients are in units of 2^-10."""

PEERS = 4
"""Channels that a channel can hear."""
PEER_TAPS = 4
"""Samples of each of them that its linear predictor hears."""
MAX_TIERS = 16
METRIC_UNIT = 32
"""Metrics are signed correlations in units of 1/32, in 6 bits."""

CONSTANT, LATTICE, GRID, COPY = 0, 1, 2, 3
LATTICE_REACH, MAX_REACH = 16, 22

_GROUP = 4
_TIER_BITS, _COUNT_BITS, _METRIC_BITS = 4, 3, 6


@dataclass
class SideInformation:
    """Per channel of one chunk; all arrays have one entry (or row) per channel.

    kind          CONSTANT, LATTICE, GRID or COPY
    mean          constant, grid: a sample; lattice: a code 0..1023; copy: number of the channel that is the same
    spread        0..255, log of the initial running means
    shift         grid: number of low bits, 0..15; with a bounded error -8..7, and the same for all channels if below 0
    reach         abs(tick value less that of the mean) < 2^reach
    coefficients  [channels, 16], newest sample first, units of 2^-10
    tier          0..15: within a time step, tiers are coded one after the other
    peers         [channels, 4], numbers of channels that are heard; -1 behind the last one
    metric        [channels, 4], correlation with each, -32..31 in units of 1/32
    heard         [channels, 4, 4], coefficients for the newest samples of each, newest first, units of 2^-10
    """

    kind: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    shift: np.ndarray
    reach: np.ndarray
    coefficients: np.ndarray
    tier: np.ndarray
    peers: np.ndarray
    metric: np.ndarray
    heard: np.ndarray

    @classmethod
    def empty(cls, channels: int) -> SideInformation:
        """All channels constant zero."""
        one = lambda: np.zeros(channels, np.int64)  # noqa: E731
        many = lambda *shape: np.zeros((channels, *shape), np.int64)  # noqa: E731
        peers = many(PEERS) - 1
        return cls(*(one() for _ in range(5)), many(ORDER), one(), peers, many(PEERS), many(PEERS, PEER_TAPS))

    @property
    def coded(self) -> np.ndarray:
        """Numbers of the channels that have lanes."""
        return np.flatnonzero(self.has_lanes)

    @property
    def has_lanes(self) -> np.ndarray:
        """Which channels do, bool [channels]."""
        return (self.kind == LATTICE) | (self.kind == GRID)

    @property
    def fineness(self) -> int:
        """Octaves by which the ticks of grid channels are finer than samples."""
        return max(0, -int(self.shift.min()))

    @property
    def has_peers(self) -> bool:
        """Whether any channel hears another one."""
        return bool((self.peers >= 0).any())

    def fits(self) -> np.ndarray:
        """For each channel whether its linear prediction stays within int32, all channels being within their reach."""
        own = np.abs(self.coefficients).sum(axis=1) << self.reach
        others = np.abs(self.heard).sum(axis=2) << self.reach[self.peers]
        return own + np.where(self.peers >= 0, others, 0).sum(axis=1) + 512 < 1 << 31


def _fixed_widths(kind: np.ndarray) -> np.ndarray:
    """Widths [channels, 8] of mean, spread, shift, reach and the four group widths."""
    by_kind = np.array([[16, 0, 0, 0, 0, 0, 0, 0], [10, 8, 0, 0, 4, 4, 4, 4], [16, 8, 4, 5, 4, 4, 4, 4]])
    by_kind = by_kind[[CONSTANT, LATTICE, GRID, CONSTANT]]
    return by_kind[kind]


def _group_widths(coefficients: np.ndarray) -> np.ndarray:
    """Bits that each coefficient of a group takes [..., groups], of coefficients [..., groups, 4]."""
    magnitude = np.where(coefficients < 0, ~coefficients, coefficients).max(axis=-1)
    return np.where((coefficients == 0).all(axis=-1), 0, bits.bit_length(magnitude) + 1)


def pack(side: SideInformation) -> bytes:
    """Serialise; whole bytes. Tiers and peers are written if any channel hears another one."""
    groups = _group_widths(side.coefficients.reshape(-1, ORDER // _GROUP, _GROUP))
    values = [side.mean, side.spread, side.shift, side.reach, groups, side.coefficients]
    widths = [_fixed_widths(side.kind), np.repeat(groups, _GROUP, axis=1)]
    if side.has_peers:
        more = _peer_fields(side)
        values += [value for value, _ in more]
        widths += [width for _, width in more]
    values, widths = np.column_stack(values), np.column_stack(widths)
    widths[~side.has_lanes, 1:] = 0
    kinds = bits.pack(side.kind, np.full(len(side.kind), 2))
    return bits.to_bytes(np.concatenate([kinds, bits.pack(values.ravel(), widths.ravel())]))


def _peer_fields(side: SideInformation) -> list[tuple[np.ndarray, np.ndarray]]:
    """Columns of values and of widths: tier, number of peers, and for each its number, metric and coefficients."""
    channels, there = len(side.kind), side.peers >= 0
    full = lambda width: np.full(channels, width)  # noqa: E731
    fields = [(side.tier, full(_TIER_BITS)), (there.sum(axis=1), full(_COUNT_BITS))]
    for number in range(PEERS):
        group = _group_widths(side.heard[:, number])
        columns = [(side.peers[:, number], _number_bits(channels)), (side.metric[:, number], _METRIC_BITS), (group, 4)]
        fields += [(values, np.where(there[:, number], width, 0)) for values, width in columns]
        fields.append((side.heard[:, number], np.repeat((group * there[:, number])[:, None], PEER_TAPS, axis=1)))
    return fields


def _number_bits(channels: int) -> int:
    return max(1, (channels - 1).bit_length())


def unpack(
    data: bytes, offset: int, channels: int, has_peers: bool = False, fine: bool = False
) -> tuple[SideInformation, int]:
    """Parse at `offset`; the side information and the offset behind it. With `fine`, shifts are signed.

    Raises `CorruptError`.
    """
    reader = bits.BitReader(data, offset)
    kind = reader.read(np.full(channels, 2))
    side = SideInformation.empty(channels)
    side.kind = kind
    for channel in range(channels):
        _unpack_channel(reader, side, channel)
        if has_peers and side.has_lanes[channel]:
            _unpack_peers(reader, side, channel)
    if fine:
        side.shift -= (side.shift >> 3) << 4
        if side.fineness and len(np.unique(side.shift[kind == GRID])) > 1:
            raise CorruptError("grid channels of a chunk do not agree about their ticks")
    if not side.fits().all():
        raise CorruptError("the coefficients of a linear predictor are out of range")
    return side, reader.align()


def _unpack_peers(reader: bits.BitReader, side: SideInformation, channel: int) -> None:
    side.tier[channel], count = reader.read(np.array([_TIER_BITS, _COUNT_BITS]))
    if count > PEERS:
        raise CorruptError("a channel hears too many others")
    for number in range(count):
        peer, metric, width = reader.read(np.array([_number_bits(len(side.kind)), _METRIC_BITS, 4])).tolist()
        if peer >= len(side.kind) or peer == channel or not side.has_lanes[peer] or peer in side.peers[channel]:
            raise CorruptError("a channel hears one that it can't hear")
        side.peers[channel, number] = peer
        side.metric[channel, number] = metric - (metric >> _METRIC_BITS - 1 << _METRIC_BITS)
        side.heard[channel, number] = reader.read(np.full(PEER_TAPS, width), signed=True)


def _unpack_channel(reader: bits.BitReader, side: SideInformation, channel: int) -> None:
    kind = int(side.kind[channel])
    fixed = reader.read(_fixed_widths(kind))
    side.mean[channel], side.spread[channel], side.shift[channel], side.reach[channel] = fixed[:4]
    if kind == LATTICE:
        side.reach[channel] = LATTICE_REACH
    elif kind != COPY:
        side.mean[channel] -= (side.mean[channel] >> 15) << 16
    else:
        source = side.mean[channel] = int(fixed[0])
        if source >= channel or side.kind[source] == COPY:
            raise CorruptError("a channel is a copy of one that can't have any")
    if kind in (CONSTANT, COPY):
        return
    side.coefficients[channel] = reader.read(np.repeat(fixed[4:], _GROUP), signed=True)
    if side.reach[channel] > MAX_REACH:
        raise CorruptError("a channel's range is impossible")
