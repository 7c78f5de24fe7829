"""Frames in, packets out, block by block."""

from __future__ import annotations

import os
import zlib

import numpy as np

from ..core import near_lossless
from ..core.errors import UsageError
from ..core.implant_table import CODE_TO_SAMPLE, codes_of
from ..predictor import model as models
from ..predictor.channel_parameters import LINEAR, SideInformation
from ..predictor.model import Model
from . import parameters
from .calibration import DEFAULT_MODEL, Calibration
from .framing import Framing, check_frames
from .lane_coders import encoding_lanes
from .packets import Packet

BLOCK_SECONDS = 0.0004
"""Length of a block unless it is given."""
_BLOCK_SAMPLES = 1000
"""A block of few channels is longer, so that a packet's own bytes do not matter,"""
_LONGEST_SECONDS = 0.0007
"""but not so long that a sample could not leave within a millisecond,"""
_FEW_CHANNELS, _LONGEST_SECONDS_OF_FEW = 16, 0.005
"""unless channels are so few that there would be more of packets than of samples."""


def default_block(channels: int, sample_rate: int) -> int:
    """Return the frames of a block: 0.4 ms; up to 0.7 ms below some hundred channels, and up to 5 ms below 16."""
    longest = _LONGEST_SECONDS if channels >= _FEW_CHANNELS else _LONGEST_SECONDS_OF_FEW
    return max(1, min(max(round(BLOCK_SECONDS * sample_rate), _BLOCK_SAMPLES // channels), int(longest * sample_rate)))


class BlockEncoder:
    """Codes blocks of frames with given parameters of the channels.

    Parameters
    ----------
    model : Model
    side : SideInformation of what is coded
    max_error : bound of the error
    block : frames of a block, at most

    Attributes
    ----------
    packed : bytes, the parameters as in key packets
    """

    def __init__(self, model: Model, side: SideInformation, max_error: int, block: int):
        model, lanes = model.coarse(max_error), parameters.lanes_of(side, model.entropy.reconstruction)
        self.packed = parameters.pack(side)
        self._linear = side.kind == LINEAR
        self._lanes = encoding_lanes(model, lanes, block)
        self._max_error, self._decoded_samples = max_error, _decoded_samples(max_error)

    def reset(self) -> None:
        """Begin anew, as at the start of a stream."""
        self._lanes.reset()

    def encode(self, samples: np.ndarray) -> tuple[bytes, np.ndarray]:
        """Return the body for samples int16 [frames, channels], and what it decodes to."""
        coded, decoded = self._quantised(samples) if self._max_error else (samples, samples)
        return self._lanes.encode(coded), decoded

    def _quantised(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what is coded in place of samples, and what it decodes to."""
        coded = self._decoded_samples.take(samples.view(np.uint16))
        if not self._linear.any():
            return coded, coded
        coded[:, self._linear] = samples[:, self._linear] // np.int16(2 * self._max_error + 1)
        decoded = coded.copy()
        near_lossless.restore(decoded, self._linear, self._max_error)
        return coded, decoded


def _decoded_samples(max_error: int) -> np.ndarray:
    """Return what each sample of an implant channel, by its 16 bits, decodes to, int16 [65536]."""
    samples = np.arange(1 << 16).astype(np.uint16).view(np.int16)
    if max_error == 0:
        return samples
    _, reconstruction, bins = near_lossless.implant_bins(max_error)
    codes = codes_of(samples)
    return np.where(codes < 0, samples, CODE_TO_SAMPLE[reconstruction[bins[codes]]])


class StreamEncoder:
    """Codes frames as they come.

    Parameters
    ----------
    channels : int
    sample_rate : Hz, a whole number
    block : frames of a packet; None for `default_block`
    model : name, path or bytes of the model
    max_error : bound of the error, 0..255, 0 for lossless: in codes for channels on the implant's table, else in
        sample units
    calibration : Calibration, or path of its file; None for general parameters
    resync : seconds between the points at which a decoder can join or go on after a loss
    stream : number of the stream, 0..255

    Raises
    ------
    UsageError, FileFormatError, ModelError
    """

    def __init__(
        self,
        channels: int,
        sample_rate: int,
        *,
        block: int | None = None,
        model: str | os.PathLike | bytes = DEFAULT_MODEL,
        max_error: int = 0,
        calibration: Calibration | str | os.PathLike | None = None,
        resync: float = 1.0,
        stream: int = 0,
    ):
        framing = Framing.of(channels, sample_rate, block, resync, stream, default_block)
        max_error = near_lossless.check(max_error)
        if calibration is not None and not isinstance(calibration, Calibration):
            calibration = Calibration.load(calibration)
        if calibration is not None and calibration.channels != channels:
            raise UsageError(f"the calibration is of {calibration.channels} channels, the stream of {channels}")
        self.channels, self.block, self._stream = framing.channels, framing.block, framing.stream
        self._model = models.load(model).stateless()
        self._description = framing.description(self._model.identity, max_error)
        self._blocks = None if calibration is None else self._block_encoder(calibration.side)
        self._pending = np.empty((self.block, self.channels), np.int16)
        self._filled = self._sequence = self._crc = 0

    def push(self, frames: np.ndarray) -> list[bytes]:
        """Take any number of frames, int16 [frames, channels]; returns the packets of blocks that are complete."""
        check_frames(frames, self.channels)
        packets, first = [], 0
        while first < len(frames):
            part = frames[first : first + self.block - self._filled]
            self._pending[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            first += len(part)
            if self._filled == self.block:
                packets.append(self._packet(last=False))
        return packets

    def finish(self) -> list[bytes]:
        """Return the last packet: the frames that are left, if any, and the mark that the stream is complete."""
        return [self._packet(last=True)]

    def _packet(self, last: bool) -> bytes:
        """Return the packet of the pending frames; they are fewer than a block only in the last one."""
        samples, payload = self._pending[: self._filled], []
        key = self._sequence % self._description.period == 0
        if key:
            payload += self._key_head(samples)
        if last:
            payload.append(len(samples).to_bytes(2, "little"))
        if len(samples):
            body, decoded = self._started(samples).encode(samples)
            self._crc = zlib.crc32(decoded.astype("<i2", copy=False).data, self._crc)
            payload.append(body)
        if last:
            payload.append(self._crc.to_bytes(4, "little"))
        packet = Packet(self._stream, self._sequence, key, last, b"".join(payload)).pack()
        self._filled, self._sequence = 0, self._sequence + 1
        return packet

    def _key_head(self, samples: np.ndarray) -> list[bytes]:
        """Begin anew; returns description, parameters, and the checksum of the samples since the last key packet."""
        blocks = self._started(samples)
        blocks.reset()
        crc, self._crc = self._crc, 0
        return [self._description.pack(), blocks.packed, crc.to_bytes(4, "little")]

    def _started(self, samples: np.ndarray) -> BlockEncoder:
        """Return the encoder of all blocks; without a calibration its parameters come from the first samples."""
        if self._blocks is None:
            first = samples if len(samples) else np.zeros((1, self.channels), np.int16)
            self._blocks = self._block_encoder(parameters.general(first))
        return self._blocks

    def _block_encoder(self, side: SideInformation) -> BlockEncoder:
        """Return the encoder of all blocks, for parameters of the original samples."""
        max_error = self._description.max_error
        return BlockEncoder(self._model, parameters.under_bound(side, max_error), max_error, self.block)
