"""The field potential between spike windows: knots at equal distances, coded, and a smooth curve through them.

docs/format.md section 12.4.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from ...core.errors import CorruptError
from ..payload.symbols import SymbolReader, SymbolWriter

COEFFICIENT_BITS = 4
MAX_SPACING = 4096
PARTS = 8
"""Of a value, in which knots are counted."""
STEP_INDICES = 96
"""Step indices; that of flat channels is 0."""
_HEAD = struct.Struct("<HI")
"""spacing, bytes that follow."""
_BITS = 7, 17, 6, 6
"""Of step indices, means and coefficients."""
_ZERO = np.array([0, 1 << 16, 32, 32])
"""What is added to them, so that they are not negative."""
_MAX_VALUE = 1 << 20


def steps_of(index: np.ndarray) -> np.ndarray:
    """Return the steps of step indices, int64, in parts of a value: eight in each octave, 0 for index 0."""
    above = np.maximum(index - 1, 0)
    return np.where(index > 0, PARTS + (above % PARTS) << above // PARTS, 0)


@dataclass
class Lfp:
    """Knots of all channels.

    spacing : frames between knots
    frames : of the chunk
    step, mean : int64 [channels]; index of the step, 0 for flat channels; a knot's value is its number times the step
    coefficients : int64 [channels, 2], units of 1/16: prediction of a knot from the last two
    knots : int64 [channels, knots], numbers
    """

    spacing: int
    frames: int
    step: np.ndarray
    mean: np.ndarray
    coefficients: np.ndarray
    knots: np.ndarray

    def values(self, channels: np.ndarray) -> np.ndarray:
        """Return the knots of some channels in parts of a value, int64 [some, knots]."""
        return self.knots[channels] * steps_of(self.step[channels])[:, None]

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
    """Return a Catmull-Rom curve at each `every`-th frame, rounded (halves up), int64.

    knots : integers [..., knots], in parts of a value
    """
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


def half_of(spacing: int) -> int:
    """Return half of what weighted sums of knots are divided by."""
    return PARTS * spacing**3


def _rounded(sums: np.ndarray, spacing: int) -> np.ndarray:
    half = half_of(spacing)
    return (sums + half) // (2 * half)


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


def pack(lfp: Lfp) -> bytes:
    """Serialise."""
    writer, used = SymbolWriter(), lfp.step > 0
    fields = (np.column_stack([lfp.step, lfp.mean, lfp.coefficients]) + _ZERO).T
    for values, width in zip(fields, _BITS, strict=True):
        writer.put_near(values, width)
    writer.put_residuals(residuals_of(lfp.knots[used], lfp.mean[used], lfp.coefficients[used]))
    body = writer.to_bytes()
    return _HEAD.pack(lfp.spacing, len(body)) + body


def packed_size(payload: bytes, at: int) -> int:
    """Return the bytes of what `pack` gave, at an offset. Raises `struct.error` where the payload ends first."""
    return _HEAD.size + _HEAD.unpack_from(payload, at)[1]


def parse(payload: bytes, at: int, frames: int, channels: int) -> tuple[Lfp, int]:
    """Undo `pack`; also return the offset behind it. Raises `CorruptError`."""
    spacing, size = _HEAD.unpack_from(payload, at)
    at += _HEAD.size
    if not 1 <= spacing <= MAX_SPACING or at + size > len(payload):
        raise CorruptError("a field potential has an impossible spacing or size")
    reader = SymbolReader(payload[at : at + size])
    step, mean, *coefficients = (
        reader.take_near(channels, width) - zero for width, zero in zip(_BITS, _ZERO, strict=True)
    )
    knots = np.zeros((channels, knot_count(frames, spacing)), np.int64)
    lfp = Lfp(spacing, frames, step, mean, np.stack(coefficients, axis=1), knots)
    used = np.flatnonzero(step)
    residuals = reader.take_residuals(len(used), knots.shape[1])
    reader.finish()
    knots[used] = _knots_of(residuals, mean[used], lfp.coefficients[used])
    if (np.abs(knots) > _MAX_VALUE // np.maximum(steps_of(step), 1)[:, None]).any():
        raise CorruptError("a field potential is out of range")
    return lfp, at + size
