"""Calibrations: parameters of every channel, fitted once to a recording."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from ..core.errors import CorruptError, FileFormatError, UsageError
from ..core.limits import MAX_CHANNELS
from ..fit.parameters import fit
from ..predictor import model as models
from ..predictor.channel_parameters import SideInformation
from . import parameters
from .framing import check_frames

DEFAULT_MODEL = "implant-small"
"""The model of streams, unless another one is given."""
_MAGIC = b"\x8fMDC\x01"
_COUNT, _CRC = struct.Struct("<H"), struct.Struct("<I")
_LEAST_FRAMES = 256
MOST_FRAMES = 1 << 17
"""Frames of a recording that a calibration looks at."""


@dataclass(frozen=True)
class Calibration:
    """Parameters for streams of the same channels.

    A calibration file holds a magic number, the number of channels (u16), the parameters as in key packets
    (docs/format.md section 11.3), and a CRC-32 of all that.

    side : SideInformation of all channels
    """

    side: SideInformation

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.side.kind)

    @classmethod
    def of_samples(cls, samples: np.ndarray, model: str | os.PathLike | bytes = DEFAULT_MODEL) -> Calibration:
        """Fit to samples int16 [frames, channels], a second of them or more. Raises `UsageError`."""
        check_frames(samples, samples.shape[-1])
        if len(samples) < _LEAST_FRAMES:
            raise UsageError(f"{len(samples)} frames are too few for a calibration; use {_LEAST_FRAMES} or more")
        if not 1 <= samples.shape[1] <= MAX_CHANNELS:
            raise UsageError(f"{samples.shape[1]} channels; possible are 1 to {MAX_CHANNELS}")
        reconstruction = models.load(model).entropy.reconstruction
        side = fit(np.ascontiguousarray(samples[:MOST_FRAMES]), reconstruction)
        return cls(parameters.without_limits(side))

    def pack(self) -> bytes:
        """Return the contents of a calibration file."""
        data = _MAGIC + _COUNT.pack(self.channels) + parameters.pack(self.side)
        return data + _CRC.pack(zlib.crc32(data))

    @classmethod
    def parse(cls, data: bytes) -> Calibration:
        """Parse the contents of a calibration file. Raises `FileFormatError`."""
        start = len(_MAGIC) + _COUNT.size
        if not data.startswith(_MAGIC) or len(data) < start + _CRC.size:
            raise FileFormatError("not a calibration file of this version")
        if _CRC.unpack(data[-_CRC.size :])[0] != zlib.crc32(data[: -_CRC.size]):
            raise FileFormatError("the calibration file is damaged")
        (channels,) = _COUNT.unpack_from(data, len(_MAGIC))
        try:
            side, end = parameters.unpack(data, start, channels)
        except CorruptError:
            end = 0
        if not channels or end != len(data) - _CRC.size:
            raise FileFormatError("the calibration file holds impossible values")
        return cls(side)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Calibration:
        """Read a calibration file. Raises `FileFormatError`, `UsageError`."""
        try:
            with open(path, "rb") as file:
                return cls.parse(file.read())
        except OSError as error:
            raise UsageError(f"{os.fspath(path)}: {error.strerror}") from error
