"""What channels hear of each other: docs/format.md section 12.5. Channels come order level by order level, and a channel hears the decoded
windows of channels in earlier order levels, at all times: a sample before, at the same time, and a sample ahead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import CorruptError
from .layout.fields import FieldReader, FieldWriter
from .windows import Windows

REFERENCES = 4
"""Channels that one may hear."""
TAPS = 3
"""Differences that are heard of each: from the one before to the one ahead."""
TAP_BITS = 5
"""Coefficients are in units of 2^-5."""
MAX_ORDER_LEVELS = 16
_WIDTH_BITS = 3
"""Of the width of a peer's coefficients."""
_FARTHEST = 1 << 20
"""Q6 units that a channel may expect from others."""


@dataclass
class Hearing:
    """Which channels hear which.

    peers : int64 [channels, 4], -1 where there is none
    taps : int64 [channels, 4, 3], units of 1/32, for the differences of a peer at t - 1, t, t + 1
    """

    references: np.ndarray
    taps: np.ndarray

    @classmethod
    def none(cls, channels: int) -> Hearing:
        """Nobody hears anybody."""
        return cls(np.full((channels, REFERENCES), -1, np.int64), np.zeros((channels, REFERENCES, TAPS), np.int64))

    def __bool__(self) -> bool:
        return bool((self.references >= 0).any())

    def order_levels(self) -> np.ndarray:
        """int64 [channels]: 0 for channels that hear nobody, else one more than the highest of their peers.

        Raises `CorruptError` where channels hear each other in a circle, or in a chain that is too long.
        """
        order_level = np.zeros(len(self.references), np.int64)
        for _ in range(MAX_ORDER_LEVELS):
            heard = np.where(self.references >= 0, order_level[self.references] + 1, 0).max(axis=1, initial=0)
            if np.array_equal(heard, order_level):
                return order_level
            order_level = heard
        raise CorruptError("channels of a chunk hear each other in a circle")


def steps_of(windows: Windows, q6: np.ndarray, channel: int, frames: int) -> np.ndarray:
    """A channel's differences between neighbouring samples of a window, int64 [frames + 2]: at frame t at place t + 1;
    0 at first samples, and outside windows.

    Q6 units : int64, of all samples in windows; right for this channel
    """
    own, offset = windows.of_channel(channel), windows.offset
    out = np.zeros(frames + TAPS - 1, np.int64)
    part = q6[offset[own.start] : offset[own.stop]]
    if not len(part):
        return out
    length = windows.length[own]
    first = offset[own] - offset[own.start]
    step = np.diff(part, prepend=0)
    step[first] = 0
    out[np.arange(len(part)) + np.repeat(windows.start[own] - first, length) + 1] = step
    return out


def heard_by(hearing: Hearing, windows: Windows, q6: np.ndarray, channel: int, frames: int) -> np.ndarray:
    """What a channel adds to its expectations, int64 Q6 units of the samples in its windows."""
    own, offset = windows.of_channel(channel), windows.offset
    length = windows.length[own]
    first = offset[own] - offset[own.start]
    frame = np.arange(int(length.sum())) + np.repeat(windows.start[own] - first, length)
    total = np.full(len(frame), 1 << (TAP_BITS - 1), np.int64)
    for reference, taps in zip(hearing.references[channel].tolist(), hearing.taps[channel], strict=True):
        if reference < 0 or not taps.any():
            continue
        step = steps_of(windows, q6, reference, frames)
        for place, tap in enumerate(taps.tolist()):
            total += tap * step[frame + place]
    total >>= TAP_BITS
    total[first] = 0
    return np.clip(total, -_FARTHEST, _FARTHEST)


def pack_references(writer: FieldWriter, hearing: Hearing, channel: int) -> None:
    """Whom a channel hears."""
    references = hearing.references[channel][hearing.references[channel] >= 0].tolist()
    writer.put_gamma(len(references))
    for reference, taps in zip(references, hearing.taps[channel].tolist(), strict=False):
        width = max((tap if tap >= 0 else ~tap).bit_length() + 1 for tap in taps) if any(taps) else 0
        writer.put(reference, number_bits(len(hearing.references)))
        writer.put(width, _WIDTH_BITS)
        for tap in taps:
            writer.put(tap & ((1 << width) - 1), width)


def take_references(reader: FieldReader, hearing: Hearing, channel: int) -> None:
    """The inverse of `pack_peers`, into `hearing`. Raises `CorruptError`."""
    count, channels = reader.take_gamma(), len(hearing.references)
    if count > REFERENCES:
        raise CorruptError("a channel hears too many others")
    for row in range(count):
        hearing.references[channel, row], width = reader.take(number_bits(channels)), reader.take(_WIDTH_BITS)
        taps = [reader.take(width) for _ in range(TAPS)] if width else [0] * TAPS
        hearing.taps[channel, row] = [tap - ((tap >> (width - 1)) << width) if width else 0 for tap in taps]
    if (hearing.references[channel] >= channels).any():
        raise CorruptError("a channel hears one that is not there")


def number_bits(channels: int) -> int:
    """Of the number of a channel."""
    return max(1, (channels - 1).bit_length())
