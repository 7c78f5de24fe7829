"""Calibration files: side information of every channel, made once from a recording."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass, fields

import numpy as np

from ..core.errors import FileFormatError, MiddleoutError, UsageError
from ..fit.parameters import fit
from ..predictor import model as models
from ..predictor.channel_parameters import ORDER, SideInformation
from . import records as sides

_FORMAT = "middleout calibration 1"
_LEAST_FRAMES = 256
MOST_FRAMES = 1 << 17
"""Frames of a recording that a calibration looks at."""


@dataclass(frozen=True)
class Calibration:
    """What streams of the same channels begin with.

    side : SideInformation, of all channels
    rate : Hz of the recording, 0 if unknown
    """

    side: SideInformation
    rate: int = 0

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.side.kind)

    def of(self, part: slice) -> SideInformation:
        """A copy for some of the channels."""
        return SideInformation(*(getattr(self.side, field.name)[part].copy() for field in fields(SideInformation)))

    @classmethod
    def of_samples(cls, samples: np.ndarray, rate: int = 0, model: str | os.PathLike | bytes = "n0") -> Calibration:
        """Fit to samples int16 [frames, channels], a second of them or more. Raises `UsageError`."""
        if len(samples) < _LEAST_FRAMES:
            raise UsageError(f"{len(samples)} frames are too few for a calibration; use {_LEAST_FRAMES} or more")
        reconstruction = models.load(model).entropy.reconstruction
        side = fit(np.ascontiguousarray(samples[:MOST_FRAMES]), reconstruction)
        return cls(sides.widen(sides.without_constants(side)), rate)

    def text(self) -> str:
        """The contents of a calibration file."""
        side = self.side
        rows = np.column_stack(
            [side.kind, side.initial_scale, side.shift, side.magnitude_bits, side.mean, side.coefficients]
        )
        body = json.dumps(rows.tolist())
        head = {"format": _FORMAT, "rate": self.rate, "crc": zlib.crc32(body.encode())}
        return json.dumps(head)[:-1] + ', "channels": ' + body.replace("], [", "],\n [") + "}\n"

    @classmethod
    def parse(cls, text: str) -> Calibration:
        """Undo `text`. Raises `FileFormatError`."""
        try:
            content = json.loads(text)
            if content.get("format") != _FORMAT:
                raise FileFormatError("not a calibration file of this version")
            if content["crc"] != zlib.crc32(json.dumps(content["channels"]).encode()):
                raise FileFormatError("the calibration file is damaged or was changed by hand")
            rows = np.array(content["channels"], np.int64).reshape(-1, 5 + ORDER)
            rate = int(content["rate"])
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise FileFormatError(f"not a calibration file: {error}") from None
        kind, initial_scale, shift, magnitude_bits, mean = rows[:, :5].T
        side = SideInformation.empty(len(rows))
        side.kind, side.mean, side.initial_scale, side.shift, side.magnitude_bits = (
            kind,
            mean,
            initial_scale,
            shift,
            magnitude_bits,
        )
        side.coefficients = rows[:, 5:]
        try:
            sides.unpack(sides.pack(side), 0, len(kind))
        except (MiddleoutError, OverflowError):
            raise FileFormatError("the calibration file holds impossible values") from None
        return cls(side, rate)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Calibration:
        """Read a calibration file. Raises `FileFormatError`, `UsageError`."""
        try:
            with open(path, encoding="utf-8") as file:
                return cls.parse(file.read())
        except OSError as error:
            raise UsageError(f"{os.fspath(path)}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise FileFormatError(f"{os.fspath(path)}: not a calibration file") from None
