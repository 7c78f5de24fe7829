"""The field potential between spike windows: knots at equal distances, coded, and a smooth curve through them.

docs/format.md section 12.4.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from ...compiled.choice import engine_of
from ...core.errors import CorruptError
from ...entropy import rans
from ...entropy.entropy_model import CODES, LINEAR_OFFSET, PRECISION
from ...entropy.rans_source import RansSource
from ...predictor.model import Model
from ..payload import lanes as lanes_of
from ..payload.symbols import SymbolReader, SymbolWriter

COEFFICIENT_BITS = 4
MAX_SPACING = 4096
MAX_RESIDUAL = CODES // 2 - 1
_HEAD = struct.Struct("<HHHI")
"""spacing, lanes, bytes of the parameters, bytes that follow."""
_BITS = 12, 17, 7, 6, 6
"""Of step, mean, scale and coefficients."""
_ZERO = np.array([0, 1 << 16, 0, 32, 32])
"""What is added to them, so that they are not negative."""
_MAX_LANES = 4096
_MAX_VALUE = 1 << 24
_RAN_OUT = "the coded words of a field potential do not end where they should"
_STEP = 1e-4
"""Seconds that numpy takes for a step of any number of lanes."""
CENTRE = 32
"""Q6 location of all knots' residuals: the middle of linear code 512."""


@dataclass
class Lfp:
    """Knots of all channels.

    spacing : frames between knots
    frames : of the chunk
    step, mean, scale : int64 [channels]; a knot's value is its number times the step; 0 for flat channels
    coefficients : int64 [channels, 2], units of 1/16: prediction of a knot from the last two
    knots : int64 [channels, knots], numbers
    states, words : what they are coded as
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

    def values(self, channels: np.ndarray) -> np.ndarray:
        """Return the knots of some channels as values, int64 [some, knots]."""
        return self.knots[channels] * self.step[channels, None]

    def at(self, channel: np.ndarray, frame: np.ndarray) -> np.ndarray:
        """Return the curves' values int64 [n] at some places: channels and frames int64 [n]."""
        used, row = np.unique(channel, return_inverse=True)
        place, fraction = np.divmod(frame, self.spacing)
        around = padded(self.values(used))[row[:, None], place[:, None] + np.arange(4)]
        return _rounded((around * weights(self.spacing, fraction)).sum(axis=1), self.spacing)


def knot_count(frames: int, spacing: int) -> int:
    """Return the number of knots; the last one is at the last frame or behind it."""
    return -(-(frames - 1) // spacing) + 1


def interpolate(knots: np.ndarray, spacing: int, frames: int, every: int = 1) -> np.ndarray:
    """Return a Catmull-Rom curve through integers [..., knots] at each `every`-th frame, rounded (halves up), int64."""
    around = np.lib.stride_tricks.sliding_window_view(padded(knots), 4, axis=-1)
    inner = _rounded(np.matmul(around, weights(spacing, np.arange(0, spacing, every)).T), spacing)
    return inner.reshape(*knots.shape[:-1], -1)[..., : -(-frames // every)]


def padded(knots: np.ndarray) -> np.ndarray:
    """Return integers [..., knots + 3]: behind the first one, curves have a knot in front of and two behind each."""
    if knots.shape[-1] == 1:
        return np.repeat(knots, 4, axis=-1)
    ends = 2 * knots[..., :1] - knots[..., 1:2], 2 * knots[..., -1:] - knots[..., -2:-1]
    return np.concatenate([ends[0], knots, ends[1], ends[1]], axis=-1)


def weights(spacing: int, fraction: np.ndarray) -> np.ndarray:
    """Return what the knots around a place count for there, int64 [n, 4], in parts of 2 * spacing^3.

    fraction : int64 [n], frames behind a knot
    """
    f, d = fraction.astype(np.int64), np.int64(spacing)
    first, second = -f * d * d + 2 * f * f * d - f**3, 2 * d**3 - 5 * f * f * d + 3 * f**3
    return np.stack([first, second, f * d * d + 4 * f * f * d - 3 * f**3, f**3 - f * f * d], axis=1)


def _rounded(sums: np.ndarray, spacing: int) -> np.ndarray:
    whole = np.int64(spacing) ** 3
    return (sums + whole) // (2 * whole)


def residuals_of(knots: np.ndarray, mean: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return what knots int64 [channels, knots] deviate from their prediction by."""
    centred = np.pad(knots - mean[:, None], ((0, 0), (2, 0)))
    return centred[:, 2:] - _predict(centred[:, 1:-1], centred[:, :-2], coefficients.T[:, :, None])


def _knots_of(residuals: np.ndarray, mean: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Undo `residuals_of`."""
    out = np.zeros((len(residuals), residuals.shape[1] + 2), np.int64)
    for n in range(2, out.shape[1]):
        out[:, n] = residuals[:, n - 2] + _predict(out[:, n - 1], out[:, n - 2], coefficients.T)
    return out[:, 2:] + mean[:, None]


def _predict(last: np.ndarray, older: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return the prediction of knots from the last two."""
    return (coefficients[0] * last + coefficients[1] * older + (1 << COEFFICIENT_BITS - 1)) >> COEFFICIENT_BITS


def encode(lfp: Lfp, model: Model, lane_knots: int) -> None:
    """Code the knots into `states` and `words`.

    lane_knots : least number of knots of a lane
    """
    used = lfp.step > 0
    residuals = residuals_of(lfp.knots, lfp.mean, lfp.coefficients)[used]
    if not residuals.size:
        return
    scale = np.repeat(lfp.scale[used], residuals.shape[1])
    steps = _lane_length(residuals.size, min(max(residuals.size // lane_knots, 1), _MAX_LANES))
    lanes = -(-residuals.size // steps)
    start, frequency = np.zeros((2, lanes * steps), np.uint32)
    frequency[:] = 1 << PRECISION
    code = residuals.ravel() + CODES // 2
    intervals = model.entropy.intervals(code, np.int64(CENTRE), scale, np.int64(LINEAR_OFFSET))
    start[: len(code)], frequency[: len(code)] = intervals
    start, frequency = (x.reshape(lanes, steps).T.copy() for x in (start, frequency))
    lfp.states, lfp.words = lanes_of.encode(start, frequency)


def _lane_length(symbols: int, lanes: int) -> int:
    """Return the symbols of each lane but the last."""
    return -(-symbols // lanes)


def pack(lfp: Lfp) -> bytes:
    """Serialise."""
    fields = (np.column_stack([lfp.step, lfp.mean, lfp.scale, lfp.coefficients]) + _ZERO).T
    writer = SymbolWriter()
    for values, width in zip(fields, _BITS, strict=True):
        writer.put_near(values, width)
    parameters = writer.to_bytes()
    body = parameters + rans.pack_states(lfp.states) + lfp.words.astype("<u4").tobytes()
    return _HEAD.pack(lfp.spacing, len(lfp.states), len(parameters), len(body)) + body


def packed_size(payload: bytes, at: int) -> int:
    """Return the bytes of what `pack` gave, at an offset. Raises `struct.error` where the payload ends first."""
    return _HEAD.size + _HEAD.unpack_from(payload, at)[3]


def parse(payload: bytes, at: int, frames: int, channels: int, model: Model) -> tuple[Lfp, int]:
    """Undo `pack`; also return the offset behind it. Raises `CorruptError`."""
    spacing, lanes, some, size = _HEAD.unpack_from(payload, at)
    at += _HEAD.size
    end = at + size
    if not 1 <= spacing <= MAX_SPACING or some > size or end > len(payload):
        raise CorruptError("a field potential has an impossible spacing or size")
    reader = SymbolReader(payload[at : at + some])
    fields = np.stack([reader.take_near(channels, width) for width in _BITS], axis=1) - _ZERO
    reader.finish()
    states, at = rans.unpack_states(payload[:end], at + some, lanes)
    words = np.frombuffer(payload[:end], "<u4", offset=at).astype(np.uint32)
    knots = knot_count(frames, spacing)
    step, mean, scale = fields[:, :3].T
    lfp = Lfp(spacing, frames, step, mean, scale, fields[:, 3:], np.zeros((channels, knots), np.int64))
    used = np.flatnonzero(lfp.step)
    symbols = len(used) * knots
    steps = _lane_length(symbols, max(lanes, 1))
    if lanes > _MAX_LANES or lanes != (-(-symbols // steps) if symbols else 0):
        raise CorruptError("a field potential has an impossible number of lanes")
    if symbols:
        residuals = np.zeros((channels, knots), np.int64)
        residuals[used] = _decode(states, words, np.repeat(lfp.scale[used], knots), model).reshape(-1, knots)
        lfp.knots = _knots_of(residuals, lfp.mean, lfp.coefficients)
    if (np.abs(lfp.knots) > _MAX_VALUE // np.maximum(lfp.step, 1)[:, None]).any():
        raise CorruptError("a field potential is out of range")
    return lfp, end


def _decode(states: np.ndarray, words: np.ndarray, scale: np.ndarray, model: Model) -> np.ndarray:
    """Return the residuals int64 of all channels, one after the other. Raises `CorruptError`."""
    lanes = len(states)
    steps = _lane_length(len(scale), lanes)
    engine = engine_of(model, steps * _STEP)
    if engine is not None:
        from ...compiled.window_kernels import decode_knots

        codes = np.zeros(len(scale), np.int64)
        if not decode_knots(states.copy(), words, scale, engine.tables, CENTRE, codes):
            raise CorruptError(_RAN_OUT)
        return codes - CODES // 2
    out = np.zeros((steps, lanes), np.int64)
    padded = np.zeros(steps * lanes, np.int64)
    padded[: len(scale)] = scale
    scales = padded.reshape(lanes, steps).T.copy()
    coder = rans.Decoder(states, words)
    source = RansSource(coder, model.entropy, model.guesses, np.full(lanes, LINEAR_OFFSET, np.int64))
    location, active = np.full(lanes, CENTRE, np.int64), np.ones(lanes, bool)
    last = len(scale) - (lanes - 1) * steps
    for t in range(steps):
        active[-1] = t < last
        out[t] = source.next(location, scales[t], active)
    if not coder.used_up():
        raise CorruptError(_RAN_OUT)
    return out.T.ravel()[: len(scale)] - CODES // 2
