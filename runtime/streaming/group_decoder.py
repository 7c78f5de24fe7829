"""Samples of one group of channels, packet by packet."""

from __future__ import annotations

import zlib
from collections import deque

import numpy as np

from ..core import near_lossless
from ..core.errors import CorruptError
from ..entropy.rice_decoder import RiceBody
from ..predictor.channel_parameters import LINEAR
from ..predictor.model import Model
from . import records as sides
from .lane_decoder import LaneDecoder
from .packets import Description, Packet


class GroupDecoder:
    """Samples of the packets of one group of channels.

    Attributes
    ----------
    elsewhere : whether another process does the work, so that one may do something else between start and result
    """

    elsewhere = False

    def __init__(self, model: Model, description: Description):
        self.description = description
        self._model = model.coarse(description.max_error)
        self._expected: int | None = None
        self._packed_side = b""
        self._crc = 0
        self._waiting: deque[tuple[Packet, int]] = deque()

    def start(self, packet: Packet, sequence: int) -> None:
        """Begin to decode a packet."""
        self._waiting.append((packet, sequence))

    def result(self) -> np.ndarray | None:
        """What `decode` gives for the oldest packet that was started."""
        return self.decode(*self._waiting.popleft())

    def decode(self, packet: Packet, sequence: int) -> np.ndarray | None:
        """Samples int16 [frames, channels] of a packet, None where its predecessors are missing.

        Raises `CorruptError` if the packet is not one of this stream, or decoded to other samples than were coded.
        """
        payload, start = packet.payload, 0
        going_on = self._expected == sequence
        if not packet.key and not going_on:
            return None
        if packet.key:
            self._expected = None
            start = self._begin(payload, going_on)
        self._expected = None
        frames, end = self.description.block, len(payload)
        if packet.last:
            frames, end = int.from_bytes(payload[start : start + 2], "little"), end - 4
            start += 2
            if frames >= self.description.block or end < start:
                raise CorruptError("a last packet holds impossible values")
        samples = self._samples(payload[start:end], frames)
        self._crc = zlib.crc32(samples.astype("<i2", copy=False).data, self._crc)
        if packet.last and int.from_bytes(payload[end:], "little") != self._crc:
            raise CorruptError("samples since the last resync point are not those that were coded")
        self._expected = sequence + 1
        return samples

    def _begin(self, payload: bytes, going_on: bool) -> int:
        """Begin anew with a key packet; the offset of what follows its head."""
        description, offset = Description.parse(payload)
        if description != self.description:
            raise CorruptError("a key packet describes another stream")
        end = sides.side_end(payload, offset)
        if payload[offset:end] != self._packed_side:
            side, _ = sides.unpack(payload, offset, description.count)
            self._packed_side = payload[offset:end]
            self._linear = side.kind == LINEAR
            self._lanes = LaneDecoder(self._model, sides.lanes_of(side, self._model.entropy.reconstruction))
        self._lanes.reset()
        if len(payload) < end + 4:
            raise CorruptError("a key packet is too short")
        if going_on and int.from_bytes(payload[end : end + 4], "little") != self._crc:
            raise CorruptError("samples since the last resync point are not those that were coded")
        self._crc = 0
        return end + 4

    def _samples(self, body: bytes, frames: int) -> np.ndarray:
        if frames == 0 and not body:
            return np.empty((0, self.description.count), np.int16)
        samples, good = self._lanes.run([RiceBody(body)], frames)
        if not good:
            raise CorruptError("a packet's coded bits do not end where they should")
        if self.description.max_error and self._linear.any():
            near_lossless.restore(samples, self._linear, self.description.max_error)
        return samples
