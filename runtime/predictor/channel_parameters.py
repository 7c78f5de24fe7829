"""What the decoder must know of every channel before it starts: docs/format.md section 4."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

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

    @classmethod
    def empty(cls, channels: int) -> SideInformation:
        """Return parameters of channels that are all constant zero."""
        pairs, taps = (REFERENCES,), (REFERENCES, REFERENCE_TAPS)
        shapes: list[tuple[int, ...]] = [*[()] * 5, (ORDER,), pairs, pairs, taps]
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
