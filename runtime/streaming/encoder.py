"""Frames in, packets out, block by block."""

from __future__ import annotations

import os
import zlib

import numpy as np

from ..core import near_lossless
from ..core.errors import UsageError
from ..core.limits import MAX_CHANNELS
from ..entropy.rice_encoder import RiceEncoder
from ..fit.parameters import fit
from ..predictor import model as models
from ..predictor.channel_parameters import LINEAR, SideInformation
from ..predictor.block import BlockPredictor
from ..predictor.model import Model
from ..predictor.recurrent import stateless
from . import records as sides
from .calibration import Calibration
from .packets import MAX_BLOCK, MAX_BLOCK_SAMPLES, MAX_GROUPS, Description, Packet

_REFIT_FRAMES = 1 << 16
"""Newest frames that a refit looks at."""
_LEAST_REFIT_FRAMES = 256
BLOCK_SECONDS = 0.0004
"""Length of a block unless it is said."""
_BLOCK_SAMPLES = 1000
"""A block of few channels is longer, so that a packet's own bytes do not matter,"""
_LONGEST_SECONDS = 0.0007
"""but not so long that a sample could not leave within a millisecond,"""
_FEW_CHANNELS, _LONGEST_SECONDS_OF_FEW = 16, 0.005
"""unless channels are so few that there would be more of packets than of samples."""


def default_block(channels: int, rate: int) -> int:
    """Frames of a block: 0.4 ms; up to 0.7 ms below some hundred channels, and up to 5 ms below 16."""
    longest = _LONGEST_SECONDS if channels >= _FEW_CHANNELS else _LONGEST_SECONDS_OF_FEW
    return max(1, min(max(round(BLOCK_SECONDS * rate), _BLOCK_SAMPLES // channels), int(longest * rate)))


def split(channels: int, groups: int) -> list[slice]:
    """Groups of channels, nearly equal."""
    return [slice(channels * i // groups, channels * (i + 1) // groups) for i in range(groups)]


class GroupEncoder:
    """Packets of one group of channels.

    Parameters
    ----------
    model : Model
    description : Description
    stream, group : numbers for the packets
    side : SideInformation of these channels, None to begin with the general one
    refit : whether key packets get side information fitted to the samples since the last one
    """

    def __init__(
        self,
        model: Model,
        description: Description,
        stream: int,
        group: int,
        side: SideInformation | None,
        refit: bool,
    ):
        self._model = model.coarse(description.max_error)
        self._description, self._stream, self._group = description, stream, group
        self._refit, self._past = refit, []
        self._crc = 0
        self._side: SideInformation | None = None
        if side is not None:
            self._use(sides.for_bound(side, description.max_error))

    def encode(self, samples: np.ndarray, sequence: int, last: bool) -> bytes:
        """The packet of a block, int16 [frames, channels] of this group; fewer frames than a block only in the last."""
        description = self._description
        key = sequence % description.period == 0
        if key and (self._side is None or self._refit):
            self._fit(samples)
        payload = []
        if key:
            self._predictor.reset()
            payload = [description.pack(), self._packed_side, self._crc.to_bytes(4, "little")]
            self._crc = 0
        if last:
            payload.append(len(samples).to_bytes(2, "little"))
        if len(samples):
            payload.append(self._body(samples))
        if last:
            payload.append(self._crc.to_bytes(4, "little"))
        return Packet(self._stream, self._group, sequence, key, last, b"".join(payload)).pack()

    def _body(self, samples: np.ndarray) -> bytes:
        samples = np.ascontiguousarray(samples)
        if self._refit:
            self._past.append(samples.copy())
        bound = self._description.max_error
        coded = samples
        if bound:
            coded, samples = self._bounded(samples, bound)
        self._crc = zlib.crc32(samples.astype("<i2", copy=False).data, self._crc)
        coder = RiceEncoder.of(self._model.entropy, self._lanes)
        found = self._predictor.run_block(coded)
        coder.add(found.code.astype(np.int64), coded, found.location.astype(np.int64), found.scale.astype(np.int64))
        return coder.bytes()

    def _bounded(self, samples: np.ndarray, bound: int) -> tuple[np.ndarray, np.ndarray]:
        """What is coded in place of samples, and what it decodes to."""
        coded = self._coarse.take(samples.view(np.uint16))
        if len(self._linear):
            coded[:, self._linear] = samples[:, self._linear] // np.int16(2 * bound + 1)
            samples = coded.copy()
            near_lossless.restore(samples, self._side.kind == LINEAR, bound)
            return coded, samples
        return coded, coded

    def _fit(self, samples: np.ndarray) -> None:
        """Side information from the frames of the last period, or the general one if there are none yet."""
        past = np.concatenate(self._past)[-_REFIT_FRAMES:] if self._past else samples[:0]
        self._past.clear()
        if len(past) < _LEAST_REFIT_FRAMES:
            if self._side is None:
                first = samples if len(samples) else np.zeros((1, self._description.count), np.int16)
                self._use(sides.for_bound(sides.general(first), self._description.max_error))
            return
        side = sides.widen(sides.without_constants(fit(past, self._model.entropy.reconstruction)))
        self._use(sides.for_bound(side, self._description.max_error))

    def _use(self, side: SideInformation) -> None:
        self._side, self._packed_side = side, sides.pack(side)
        self._linear = np.flatnonzero(side.kind == LINEAR)
        self._lanes = sides.lanes_of(side, self._model.entropy.reconstruction)
        self._predictor = BlockPredictor(self._model, self._lanes, self._description.block)
        self._coarse = _coarse_samples(self._description.max_error)


def _coarse_samples(bound: int) -> np.ndarray:
    """int16 [65536]: what each sample of a implant channel, by its 16 bits, decodes to; itself off the implant's table."""
    samples = np.arange(1 << 16).astype(np.uint16).view(np.int16)
    if bound == 0:
        return samples
    _, reconstruction, bins = near_lossless.implant_bins(bound)
    codes = near_lossless.codes_of(samples)
    return np.where(codes < 0, samples, near_lossless.CODE_TO_SAMPLE[reconstruction[bins[codes]]])


def check_frames(frames: np.ndarray, channels: int) -> None:
    """Raises `UsageError` if these are no frames of so many channels."""
    if frames.dtype != np.int16 or frames.ndim != 2 or frames.shape[1] != channels:
        raise UsageError(f"frames are int16 [frames, {channels}], not {frames.dtype} {list(frames.shape)}")


class StreamEncoder:
    """Codes frames as they come.

    Parameters
    ----------
    channels : int
    rate : Hz, a whole number
    block : frames of a packet; None for `default_block`
    model : name, path or bytes of the model
    max_error : bound of the error, 0..255, 0 for lossless: in codes for channels on the implant's table, else in
        sample units
    calibration : Calibration, or path of its file; None to begin with general values
    refit : whether to fit to the samples since the last resync point at each one; takes some milliseconds a channel, so
        that it is not for tight deadlines. None: if there is no calibration
    resync : seconds between the points at which a decoder can join or go on after a loss
    groups : number of groups of channels, whose packets are independent of each other
    stream : number of the stream, 0..255

    Raises
    ------
    UsageError, ModelError
    """

    def __init__(
        self,
        channels: int,
        rate: int,
        *,
        block: int | None = None,
        model: str | os.PathLike | bytes = "n0",
        max_error: int = 0,
        calibration: Calibration | str | os.PathLike | None = None,
        refit: bool | None = None,
        resync: float = 1.0,
        groups: int = 1,
        stream: int = 0,
    ):
        block = default_block(channels, rate) if block is None and channels > 0 and rate > 0 else block
        check(channels, rate, block, resync, groups, stream)
        self.channels, self.block = channels, block
        if calibration is not None and not isinstance(calibration, Calibration):
            calibration = Calibration.load(calibration)
        if calibration is not None and calibration.channels != channels:
            raise UsageError(f"the calibration is of {calibration.channels} channels, the stream of {channels}")
        refit = calibration is None if refit is None else refit
        network = stateless(models.load(model))
        period = max(1, round(resync * rate / block))
        self._parts = split(channels, groups)
        self.encoders = []
        for group, part in enumerate(self._parts):
            identity, bound = network.identity, near_lossless.check(max_error)
            count = part.stop - part.start
            description = Description(identity, rate, block, period, bound, groups, channels, part.start, count)
            side = None if calibration is None else calibration.of(part)
            self.encoders.append(GroupEncoder(network, description, stream, group, side, refit))
        self._waiting = np.empty((block, channels), np.int16)
        self._filled, self._sequence = 0, 0

    def push(self, frames: np.ndarray) -> list[bytes]:
        """Take frames, int16 [frames, channels], any number of them; packets of the blocks that are now complete."""
        check_frames(frames, self.channels)
        packets, first = [], 0
        while first < len(frames):
            part = frames[first : first + self.block - self._filled]
            self._waiting[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            first += len(part)
            if self._filled == self.block:
                packets += self._encode(last=False)
        return packets

    def finish(self) -> list[bytes]:
        """The last packets, with what frames are left, if any: they tell a decoder that the stream is complete."""
        return self._encode(last=True)

    def _encode(self, last: bool) -> list[bytes]:
        block, sequence = self._waiting[: self._filled], self._sequence
        self._filled, self._sequence = 0, sequence + 1
        return self._code(block, sequence, last)

    def _code(self, block: np.ndarray, sequence: int, last: bool) -> list[bytes]:
        return [
            encoder.encode(block[:, part], sequence, last)
            for encoder, part in zip(self.encoders, self._parts, strict=True)
        ]


def check(channels: int, rate: int, block: int | None, resync: float, groups: int, stream: int) -> None:
    """Refuse a stream that can't be. Raises `UsageError`."""
    if not 1 <= channels <= MAX_CHANNELS:
        raise UsageError(f"{channels} channels; possible are 1 to {MAX_CHANNELS}")
    if rate != int(rate) or not 1 <= rate < 1 << 32:
        raise UsageError(f"the rate is a whole number of Hz from 1 on, not {rate}")
    if block != int(block) or not 1 <= block <= MAX_BLOCK or block * channels > MAX_BLOCK_SAMPLES:
        raise UsageError(f"a block of {block} frames; possible are 1 to {MAX_BLOCK} and no more than 2^20 samples")
    if not 0 < resync <= 86400:
        raise UsageError(f"{resync} s between resync points; possible are up to a day")
    if not 1 <= groups <= min(MAX_GROUPS, channels):
        raise UsageError(f"{groups} groups of {channels} channels; possible are 1 to {min(MAX_GROUPS, channels)}")
    if not 0 <= stream <= 255:
        raise UsageError(f"stream number {stream}; possible are 0 to 255")
