"""The slow band: knots on a fixed grid, coded, and a smooth curve through them (docs/format.md section 12)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from ...core import bits
from ...core.errors import CorruptError
from ...entropy import rans
from ...entropy.rans_source import RansSource
from ...entropy.tables import CODES, LINEAR_OFFSET
from ...predictor.model import Model

COEFFICIENT_BITS = 4
MAX_SPACING = 4096
MAX_RESIDUAL = 511
_HEAD = struct.Struct("<HHI")
"""spacing, lanes, bytes that follow."""
_WIDTHS = (12, 16, 7, 6, 6)
"""step, mean, scale, two coefficients."""
_SIGNED = (False, True, False, True, True)
_RANGES = ((12, 4), (17, 5), (7, 3))
"""In short form: bits of the least step, mean (of which 2^16 is taken), scale, and of the width of what channels add."""
_MEAN_ZERO = 1 << 16
_LANE_KNOTS, _SHORT_LANE_KNOTS = 4096, 256
_MAX_LANES = 4096
_CENTRE = 32
"""Q6 units: the middle of grid code 512."""


@dataclass
class SlowBand:
    """Knots of all channels.

    spacing : frames between knots
    frames : of the chunk
    step, mean, scale : int64 [channels]; a knot's value is its number times the step; a channel with a step of 0 is flat
    coefficients : int64 [channels, 2], units of 1/16
    knots : int64 [channels, knots], numbers
    states, words : what they are coded as
    short : whether it is in the form for short chunks: more lanes, less side information, the same coefficients
    """

    spacing: int
    frames: int
    step: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    knots: np.ndarray
    states: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    words: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint32))
    short: bool = False

    @classmethod
    def empty(cls, channels: int, short: bool = False) -> SlowBand:
        """Nothing yet."""
        none = np.zeros(channels, np.int64)
        empty = np.zeros((channels, 2), np.int64), np.zeros((channels, 0), np.int64)
        return cls(1, 0, none, none, none, *empty, short=short)

    def curve(self, channel: int) -> np.ndarray:
        """int64 [frames]: values of a channel."""
        return self.curves(slice(channel, channel + 1))[0]

    def curves(self, channels: slice) -> np.ndarray:
        """int64 [some, frames]: values of some channels."""
        return interpolate(self.knots[channels] * self.step[channels, None], self.spacing, self.frames)


def knot_count(frames: int, spacing: int) -> int:
    """The last one is at the last frame or behind it."""
    return -(-(frames - 1) // spacing) + 1


def interpolate(knots: np.ndarray, spacing: int, frames: int, every: int = 1) -> np.ndarray:
    """A Catmull-Rom curve through whole numbers [..., knots], rounded (halves up), int64; at every so-manieth frame."""
    if knots.shape[-1] == 1:
        return np.repeat(knots, -(-frames // every), axis=-1)
    ends = 2 * knots[..., :1] - knots[..., 1:2], 2 * knots[..., -1:] - knots[..., -2:-1]
    around = np.lib.stride_tricks.sliding_window_view(np.concatenate([ends[0], knots, ends[1]], axis=-1), 4, axis=-1)
    f, d = np.arange(0, spacing, every, dtype=np.int64)[:, None], np.int64(spacing)
    weights = np.hstack([-f * d * d + 2 * f * f * d - f**3, 2 * d**3 - 5 * f * f * d + 3 * f**3])
    weights = np.hstack([weights, f * d * d + 4 * f * f * d - 3 * f**3, f**3 - f * f * d])
    inner = (np.matmul(around, weights.T) + d**3) // (2 * d**3)
    inner = inner.reshape(*knots.shape[:-1], -1)
    return np.concatenate([inner, knots[..., -1:]], axis=-1)[..., : -(-frames // every)]


def predict(band: SlowBand, residuals: np.ndarray | None) -> np.ndarray:
    """Knots from residuals, or with None the residuals of the knots; int64 [channels, knots]."""
    channels, count = (band.knots if residuals is None else residuals).shape
    past, older = np.zeros((2, channels), np.int64)
    out = np.zeros((channels, count), np.int64)
    for n in range(count):
        expected = (band.coefficients[:, 0] * past + band.coefficients[:, 1] * older + 8) >> COEFFICIENT_BITS
        older = past
        if residuals is None:
            past = band.knots[:, n] - band.mean
            out[:, n] = past - expected
        else:
            past = residuals[:, n] + expected
            out[:, n] = past + band.mean
    return out


def pack(band: SlowBand) -> bytes:
    """Serialise: what a chunk holds of the slow band."""
    side = bits.to_bytes(bits.pack(*(_short_side(band) if band.short else _side(band))))
    body = side + rans.pack_states(band.states) + band.words.astype("<u4").tobytes()
    return _HEAD.pack(band.spacing, len(band.states), len(body)) + body


def _side(band: SlowBand) -> tuple[np.ndarray, np.ndarray]:
    """Fields of all channels and their widths."""
    fields = np.column_stack([band.step, band.mean, band.scale, band.coefficients])
    widths = np.tile(_WIDTHS, (len(fields), 1))
    widths[band.step == 0, 1:] = 0
    return fields.ravel(), widths.ravel()


def _short_side(band: SlowBand) -> tuple[np.ndarray, np.ndarray]:
    """The same in short form."""
    columns = np.stack([band.step, band.mean + _MEAN_ZERO, band.scale])
    least = columns.min(axis=1)
    added = np.array([int(most).bit_length() for most in columns.max(axis=1) - least])
    head = np.concatenate([np.stack([least, added], axis=1).ravel(), band.coefficients[0]])
    values = np.concatenate([head, (columns - least[:, None]).T.ravel()])
    return values, np.concatenate([np.ravel(_RANGES), _WIDTHS[3:], np.tile(added, len(band.step))])


def _take_side(reader: bits.BitReader, channels: int) -> np.ndarray:
    """int64 [channels, 5]: step, mean, scale, coefficients."""
    fields = np.zeros((channels, len(_WIDTHS)), np.int64)
    for channel in range(channels):
        fields[channel, :1] = reader.read(np.array(_WIDTHS[:1]))
        if fields[channel, 0]:
            fields[channel, 1:] = reader.read(np.array(_WIDTHS[1:]))
    for column, (width, signed) in enumerate(zip(_WIDTHS, _SIGNED, strict=True)):
        if signed:
            fields[:, column] -= (fields[:, column] >> (width - 1)) << width
    return fields


def _take_short_side(reader: bits.BitReader, channels: int) -> np.ndarray:
    """The same in short form. Raises `CorruptError`."""
    least, added = reader.read(np.ravel(_RANGES)).reshape(-1, 2).T
    coefficients = reader.read(np.array(_WIDTHS[3:]), signed=True)
    if (added > 20).any():
        raise CorruptError("a slow band has parameters that are too wide")
    columns = reader.read(np.tile(added, channels)).reshape(channels, -1) + least
    columns[:, 1] -= _MEAN_ZERO
    if (columns[:, 0] >> _WIDTHS[0] > 0).any() or (columns[:, 2] >> _WIDTHS[2] > 0).any():
        raise CorruptError("a slow band has parameters that are out of range")
    return np.hstack([columns, np.tile(coefficients, (channels, 1))])


def packed_size(payload: bytes, at: int) -> int:
    """Bytes of the slow band at an offset of a chunk. Raises `struct.error` where the chunk ends first."""
    return _HEAD.size + _HEAD.unpack_from(payload, at)[2]


def lanes_for(symbols: int, short: bool) -> tuple[int, int]:
    """Lanes, and symbols of each but the last."""
    if not symbols:
        return 0, 0
    lanes = min(max(symbols // (_SHORT_LANE_KNOTS if short else _LANE_KNOTS), 1), _MAX_LANES)
    steps = -(-symbols // lanes)
    return -(-symbols // steps), steps


def code(band: SlowBand, model: Model) -> tuple[np.ndarray, np.ndarray]:
    """States and words of the knots."""
    residuals = predict(band, None)[band.step > 0]
    scale = np.repeat(band.scale[band.step > 0], residuals.shape[1])
    lanes, steps = lanes_for(residuals.size, band.short)
    if not lanes:
        return np.zeros(0, np.uint64), np.zeros(0, np.uint32)
    start, frequency = np.zeros((2, lanes * steps), np.uint32)
    frequency[:] = 1 << 20
    code = residuals.ravel() + CODES // 2
    intervals = model.entropy.intervals(code, np.int64(_CENTRE), scale, np.int64(LINEAR_OFFSET))
    start[: len(code)], frequency[: len(code)] = intervals
    states, words = rans.encode(*(x.reshape(lanes, steps).T.copy() for x in (start, frequency)))
    return states, words.values


def parse(payload: bytes, at: int, frames: int, channels: int, model: Model, short: bool) -> tuple[SlowBand, int]:
    """The inverse of `pack`, and the offset behind it. Raises `CorruptError`."""
    spacing, lanes, size = _HEAD.unpack_from(payload, at)
    end = at + _HEAD.size + size
    if not 1 <= spacing <= MAX_SPACING or end > len(payload):
        raise CorruptError("a slow band has an impossible spacing or size")
    reader = bits.BitReader(payload[:end], at + _HEAD.size)
    fields = (_take_short_side if short else _take_side)(reader, channels)
    knots = knot_count(frames, spacing)
    used = np.flatnonzero(fields[:, 0])
    if lanes != lanes_for(len(used) * knots, short)[0]:
        raise CorruptError("a slow band has an impossible number of lanes")
    states, at = rans.unpack_states(payload[:end], reader.align(), lanes)
    words = np.frombuffer(payload[:end], "<u4", offset=at).astype(np.uint32)
    band = SlowBand(
        spacing, frames, *fields[:, :3].T, fields[:, 3:], np.zeros((channels, knots), np.int64), short=short
    )
    if len(used):
        residuals = np.zeros((channels, knots), np.int64)
        residuals[used] = _decode(states, words, np.repeat(band.scale[used], knots), model, short).reshape(-1, knots)
        band.knots = predict(band, residuals)
    limit = 1 << 24
    if (np.abs(band.knots) > limit // np.maximum(band.step, 1)[:, None]).any():
        raise CorruptError("a slow band is out of range")
    return band, end


def _decode(states: np.ndarray, words: np.ndarray, scale: np.ndarray, model: Model, short: bool) -> np.ndarray:
    """Residuals int64 in order."""
    lanes, steps = lanes_for(len(scale), short)
    scales = np.zeros(lanes * steps, np.int64)
    scales[: len(scale)] = scale
    scales = scales.reshape(lanes, steps).T.copy()
    out = np.zeros((steps, lanes), np.int64)
    coder = rans.Decoder(states, [words], np.zeros(lanes, np.int64))
    source = RansSource(coder, model.entropy, model.guesses, np.full(lanes, LINEAR_OFFSET, np.int64))
    location, active = np.full(lanes, _CENTRE, np.int64), np.ones(lanes, bool)
    last = len(scale) - (lanes - 1) * steps
    for t in range(steps):
        active[-1] = t < last
        out[t] = source.next(location, scales[t], active)
    if not coder.finish().all():
        raise CorruptError("a slow band's words do not end where they should")
    return out.T.ravel()[: len(scale)] - CODES // 2
