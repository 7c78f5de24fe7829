"""What channels hear of each other: docs/format.md section 12.5. Channels come tier by tier, and a channel hears the decoded
windows of channels in earlier tiers, at all times: a sample before, at the same time, and a sample ahead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import CorruptError
from .layout.fields import FieldReader, FieldWriter
from .windows import Windows

PEERS = 4
"""Channels that one may hear."""
TAPS = 3
"""Differences that are heard of each: from the one before to the one ahead."""
TAP_BITS = 5
"""Coefficients are in units of 2^-5."""
MAX_TIERS = 16
_WIDTH_BITS = 3
"""Of the width of a peer's coefficients."""
_FARTHEST = 1 << 20
"""Ticks that a channel may expect from others."""


@dataclass
class Hearing:
    """Which channels hear which.

    peers : int64 [channels, 4], -1 where there is none
    taps : int64 [channels, 4, 3], units of 1/32, for the differences of a peer at t - 1, t, t + 1
    """

    peers: np.ndarray
    taps: np.ndarray

    @classmethod
    def none(cls, channels: int) -> Hearing:
        """Nobody hears anybody."""
        return cls(np.full((channels, PEERS), -1, np.int64), np.zeros((channels, PEERS, TAPS), np.int64))

    def __bool__(self) -> bool:
        return bool((self.peers >= 0).any())

    def tiers(self) -> np.ndarray:
        """int64 [channels]: 0 for channels that hear nobody, else one more than the highest of their peers.

        Raises `CorruptError` where channels hear each other in a circle, or in a chain that is too long.
        """
        tier = np.zeros(len(self.peers), np.int64)
        for _ in range(MAX_TIERS):
            heard = np.where(self.peers >= 0, tier[self.peers] + 1, 0).max(axis=1, initial=0)
            if np.array_equal(heard, tier):
                return tier
            tier = heard
        raise CorruptError("channels of a chunk hear each other in a circle")


def steps_of(windows: Windows, ticks: np.ndarray, channel: int, frames: int) -> np.ndarray:
    """A channel's differences between neighbouring samples of a window, int64 [frames + 2]: at frame t at place t + 1;
    0 at first samples, and outside windows.

    ticks : int64, of all samples in windows; right for this channel
    """
    own, offset = windows.of_channel(channel), windows.offset
    out = np.zeros(frames + TAPS - 1, np.int64)
    part = ticks[offset[own.start] : offset[own.stop]]
    if not len(part):
        return out
    length = windows.length[own]
    first = offset[own] - offset[own.start]
    step = np.diff(part, prepend=0)
    step[first] = 0
    out[np.arange(len(part)) + np.repeat(windows.start[own] - first, length) + 1] = step
    return out


def heard_by(hearing: Hearing, windows: Windows, ticks: np.ndarray, channel: int, frames: int) -> np.ndarray:
    """What a channel adds to its expectations, int64 ticks of the samples in its windows."""
    own, offset = windows.of_channel(channel), windows.offset
    length = windows.length[own]
    first = offset[own] - offset[own.start]
    frame = np.arange(int(length.sum())) + np.repeat(windows.start[own] - first, length)
    total = np.full(len(frame), 1 << (TAP_BITS - 1), np.int64)
    for peer, taps in zip(hearing.peers[channel].tolist(), hearing.taps[channel], strict=True):
        if peer < 0 or not taps.any():
            continue
        step = steps_of(windows, ticks, peer, frames)
        for place, tap in enumerate(taps.tolist()):
            total += tap * step[frame + place]
    total >>= TAP_BITS
    total[first] = 0
    return np.clip(total, -_FARTHEST, _FARTHEST)


def pack_peers(writer: FieldWriter, hearing: Hearing, channel: int) -> None:
    """Whom a channel hears."""
    peers = hearing.peers[channel][hearing.peers[channel] >= 0].tolist()
    writer.put_gamma(len(peers))
    for peer, taps in zip(peers, hearing.taps[channel].tolist(), strict=False):
        width = max((tap if tap >= 0 else ~tap).bit_length() + 1 for tap in taps) if any(taps) else 0
        writer.put(peer, number_bits(len(hearing.peers)))
        writer.put(width, _WIDTH_BITS)
        for tap in taps:
            writer.put(tap & ((1 << width) - 1), width)


def take_peers(reader: FieldReader, hearing: Hearing, channel: int) -> None:
    """The inverse of `pack_peers`, into `hearing`. Raises `CorruptError`."""
    count, channels = reader.take_gamma(), len(hearing.peers)
    if count > PEERS:
        raise CorruptError("a channel hears too many others")
    for row in range(count):
        hearing.peers[channel, row], width = reader.take(number_bits(channels)), reader.take(_WIDTH_BITS)
        taps = [reader.take(width) for _ in range(TAPS)] if width else [0] * TAPS
        hearing.taps[channel, row] = [tap - ((tap >> (width - 1)) << width) if width else 0 for tap in taps]
    if (hearing.peers[channel] >= channels).any():
        raise CorruptError("a channel hears one that is not there")


def number_bits(channels: int) -> int:
    """Of the number of a channel."""
    return max(1, (channels - 1).bit_length())
