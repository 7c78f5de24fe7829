"""From packets of Rice-coded samples back to samples."""

from __future__ import annotations

import zlib

import numpy as np

from ..core import near_lossless
from ..core.errors import CorruptError
from ..predictor.channel_parameters import LINEAR
from ..predictor.model import Model
from . import parameters
from .lane_coders import DecodingLanes, decoding_lanes
from .packets import DESCRIPTION_BYTES, Description, Packet


class PacketDecoder:
    """Decodes packets of Rice-coded samples, each of which needs the one before."""

    def __init__(self, model: Model, description: Description):
        self._description, self._model = description, model.coarse(description.max_error)
        self._next_sequence: int | None = None
        """Number of the packet that the state fits."""
        self._packed = b""
        """The parameters of the channels, as the key packets have them."""
        self._linear = np.zeros(description.channels, bool)
        self._lanes: DecodingLanes | None = None
        self._crc = 0

    def decode(self, packet: Packet, sequence: int) -> np.ndarray | None:
        """Return the samples int16 [frames, channels] of a packet, None where its predecessors are missing.

        Raises
        ------
        CorruptError
            The packet is not one of this stream, or decoded to other samples than were coded.
        """
        payload, start = packet.payload, 0
        follows, self._next_sequence = self._next_sequence == sequence, None
        if packet.key:
            start = self._begin(payload, follows)
        elif not follows:
            return None
        frames, end = self._description.block, len(payload)
        if packet.last:
            frames, end = int.from_bytes(payload[start : start + 2], "little"), end - 4
            start += 2
            if frames >= self._description.block or end < start:
                raise CorruptError("a last packet holds impossible values")
        samples = self._samples(payload[start:end], frames)
        self._crc = zlib.crc32(samples.astype("<i2", copy=False).data, self._crc)
        if packet.last:
            self._check(payload[end:])
        self._next_sequence = sequence + 1
        return samples

    def _begin(self, payload: bytes, follows: bool) -> int:
        """Begin anew with a key packet; returns the offset of what follows its head."""
        if self._lanes is None or not payload.startswith(self._packed, DESCRIPTION_BYTES):
            side, end = parameters.unpack(payload, DESCRIPTION_BYTES, self._description.channels)
            self._packed, self._linear = payload[DESCRIPTION_BYTES:end], side.kind == LINEAR
            lanes = parameters.lanes_of(side, self._model.entropy.reconstruction)
            self._lanes = decoding_lanes(self._model, lanes, self._description.block)
        end = DESCRIPTION_BYTES + len(self._packed)
        self._lanes.reset()
        if follows:
            self._check(payload[end : end + 4])
        self._crc = 0
        return end + 4

    def _check(self, crc: bytes) -> None:
        if int.from_bytes(crc, "little") != self._crc:
            raise CorruptError("samples since the last resync point are not those that were coded")

    def _samples(self, body: bytes, frames: int) -> np.ndarray:
        if frames == 0 and not body:
            return np.empty((0, self._description.channels), np.int16)
        assert self._lanes is not None  # a key packet came first
        samples, good = self._lanes.decode(body, frames)
        if not good:
            raise CorruptError("a packet's coded bits do not end where they should")
        if self._description.max_error and self._linear.any():
            near_lossless.restore(samples, self._linear, self._description.max_error)
        return samples
