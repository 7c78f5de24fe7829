"""Who hears whom in a chunk: where it may save more than it costs. Encoder only, the same on every machine."""

from __future__ import annotations

import numpy as np

from ..fit.correlation import to_white
from ..fit.least_squares import solve
from ..fit.prediction_order import arrange
from ..predictor.channel_parameters import COEFFICIENT_BITS
from .layout.fields import FieldWriter
from .layout.times import best_rice, gaps, pack_matches
from .references import TAP_BITS, TAPS, Hearing, steps_of
from .waveforms.costs import UNIT, logarithm
from .windows import Windows

_CHANCE = 4.0
"""Correlations count from so many deviations of chance on."""
_REFERENCE_BITS = 30
"""Side information of a peer, and what chance explains, about."""
_MAX_TAP = 63
_FINE_BITS = 4
"""Q6 units are taken by 16 in fits: a quarter of a code."""
_MOST = 1 << 14
_ROWS = 1 << 13
"""Rows of a sum of products of numbers up to 31 that is exact in float32."""
_RIDGE, _FLOOR = 8, 8
"""By how much less than usual coefficients are held down; variance that is added to what is left, in quarter codes."""
_APART = 24
"""Frames between windows that may go together."""


def choose(
    windows: Windows, q6: np.ndarray, residual: np.ndarray, channels: int, frames: int
) -> tuple[Hearing, np.ndarray]:
    """Channels that hear others and how, and which of their windows go with others' (see `plan.Plan.match`).

    Parameters
    ----------
    Q6 units, residual : int64 [samples], in order of window; residuals of channels that hear nobody
    """
    hearing, match = Hearing.none(channels), np.full(len(windows), -1, np.int64)
    used = np.unique(windows.channel)
    if len(used) < 2:
        return hearing, match
    references = arrange(_correlation(windows, q6, used, frames)).references
    for row in np.flatnonzero(references[:, 0] >= 0).tolist():
        channel, among = int(used[row]), used[references[row][references[row] >= 0]]
        taps = _taps(windows, q6, residual, channel, among, frames)
        saved = [_matches(windows, channel, reference) for reference in among[: max(len(taps), 1)].tolist()]
        best = int(np.argmax([bits for bits, _ in saved]))
        if not len(taps) and saved[best][0] <= 0:
            continue
        order = np.argsort(np.arange(max(len(taps), 1)) != best, kind="stable")  # whose windows these go with is first
        hearing.references[channel, : len(order)] = among[order]
        hearing.taps[channel, : len(taps)] = taps[order[: len(taps)]]
        if saved[best][0] > 0:
            match[windows.of_channel(channel)] = saved[best][1]
    return hearing, match


def _correlation(windows: Windows, q6: np.ndarray, used: np.ndarray, frames: int) -> np.ndarray:
    """Of what channels do in their windows, two samples apart, float32 [used, used]; 0 where it may be chance."""
    white = np.zeros((frames, len(used)), np.int8)
    places, count = [], np.zeros(len(used))
    for row, channel in enumerate(used.tolist()):
        step = steps_of(windows, q6, channel, frames)
        step = step[:-2] + step[1:-1]
        places.append(np.flatnonzero(step))
        count[row] = max(len(places[-1]), 1)
        if len(places[-1]):
            white[places[-1], row] = to_white(step[places[-1]])
    total = np.zeros((len(used), len(used)), np.int64)
    for row, some in enumerate(places):
        for first in range(0, len(some), _ROWS):
            part = white[some[first : first + _ROWS]].astype(np.float32)
            total[row] += np.matmul(part[:, row], part).astype(np.int64)
    power = np.maximum(np.diagonal(total), 1).astype(np.float64)
    found = total / np.sqrt(power[:, None] * power)
    found[np.abs(found) < _CHANCE * np.sqrt(2 / np.maximum(count[:, None], count))] = 0
    return found.astype(np.float32)


def _taps(
    windows: Windows, q6: np.ndarray, residual: np.ndarray, channel: int, references: np.ndarray, frames: int
) -> np.ndarray:
    """Least squares over what peers do: coefficients int64 [heard, 3] for the first of them, as many as pay."""
    own, offset = windows.of_channel(channel), windows.offset
    some = Windows(*(column[own] for column in (windows.channel, windows.start, windows.length, windows.lift)))
    later = np.ones(int(some.length.sum()), bool)
    later[some.offset[:-1]] = False
    frame = some.flat()[0][later]
    columns = [residual[offset[own.start] : offset[own.stop]][later]]
    for reference in references.tolist():
        step = steps_of(windows, q6, reference, frames)
        columns += [step[frame + delay] for delay in range(TAPS)]
    rows = np.clip(np.stack(columns) >> _FINE_BITS, -_MOST, _MOST).astype(np.float64)
    total = np.matmul(rows, rows.T)[None]  # whole numbers below 2^53, so exact
    made, least = np.zeros((0, TAPS), np.int64), np.inf
    for count in range(len(references) + 1):
        heard = np.arange(TAPS * len(references)) < TAPS * count
        found, variance = solve(total, np.array([len(frame) / _RIDGE]), heard[None])
        bits = len(frame) * int(logarithm(variance[0] / _RIDGE + _FLOOR)) + 2 * UNIT * _REFERENCE_BITS * count
        if bits < least:
            least, taps = bits, np.rint(found[0, : TAPS * count] / (1 << (COEFFICIENT_BITS - TAP_BITS)))
            made = np.clip(taps, -_MAX_TAP, _MAX_TAP).astype(np.int64).reshape(-1, TAPS)
    return made


def _matches(windows: Windows, channel: int, reference: int) -> tuple[int, np.ndarray]:
    """Bits that are saved by saying which windows of a peer a channel's go with, and these, int64 [its windows]."""
    own = windows.take(windows.of_channel(channel))
    start, heard = own.start, windows.start[windows.of_channel(reference)]
    right = np.clip(np.searchsorted(heard, start), 0, len(heard) - 1)
    left = np.maximum(right - 1, 0)
    near = np.where(np.abs(heard[left] - start) < np.abs(heard[right] - start), left, right)
    good = (np.abs(heard[near] - start) <= _APART) & (np.diff(near, prepend=-1) > 0)
    match = np.where(good, near, -1)
    writer = FieldWriter()
    pack_matches(writer, start[good], near[good], heard)
    plain = _gap_bits(own)
    return plain - writer.size - _gap_bits(own.take(np.flatnonzero(~good))), match


def _gap_bits(windows: Windows) -> int:
    """Bits of the gaps of a channel's windows."""
    writer, values = FieldWriter(), gaps(windows)
    parameter = best_rice(values)
    for value in values.tolist():
        writer.put_rice(value, parameter)
    return writer.size
