"""The encoder's choices for each lead of a chunk: kind, mean, grid, linear predictor and the leads that it hears.

Reproducible on every machine (see `least_squares.py` and `correlation.py`). A decoder needs none of this.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from . import features
from .arrangement import Arrangement, arrange
from .correlation import correlate, to_white
from .features import tick_values
from .lattice import codes_of
from .least_squares import moments, own_predictors, solve, spacing, to_signal
from .side_information import (
    CONSTANT,
    COPY,
    GRID,
    LATTICE,
    LATTICE_REACH,
    MAX_REACH,
    METRIC_UNIT,
    ORDER,
    PEER_TAPS,
    PEERS,
    SideInformation,
)

_MANY_LEADS = 16
"""Chunks of more leads are fitted on every eighth frame instead of every second: 0.0010 bit for 30 ns a sample."""
_MAX_SHIFT = 8
_GRID_NOISE_CODES = 4
"""Low bits are split off until the mean residual is below twice this many grid steps."""
_MAX_FINENESS, _LOUDEST_CODES = 8, 32
"""Ticks of bounded errors are up to 2^8 times finer, as long as the loudest lead's residual stays below 32 codes."""
_WHITE_FRAMES, _WHITE_BLOCK = 1 << 14, 1 << 11
"""Frames that tell which leads belong together, in blocks."""
_CHANCE = 5.0
"""Correlations count from so many deviations of chance on."""
_LAG = 1
_PEER_BITS = 48
"""Side information of one peer, about."""
_PASSES = 2
"""Fits with peers, each with weights by the residuals of the one before."""
_COST_BLOCK, _COST_FLOOR = 16, 16
"""Samples whose mean residual tells what they cost, and ticks that are added to it."""


@dataclass
class _Leads:
    """Leads that are coded, in order: their numbers, signals, and ticks per unit of a signal."""

    numbers: np.ndarray
    signals: list[np.ndarray]
    ticks: np.ndarray


def fit(
    samples: np.ndarray,
    middle: np.ndarray,
    grid: np.ndarray | None = None,
    hear: bool = False,
    topology: Arrangement | None = None,
    fine: bool = False,
) -> SideInformation:
    """Side information for one chunk.

    Parameters
    ----------
    samples : int16 [frames, leads]
    middle : int32 [1024]
        The model's tick value of each lattice code.
    grid : bool [leads], optional
        Leads that are grid leads even if all their values are on the lattice.
    hear : bool
        Whether leads may hear each other.
    topology : Arrangement, optional
        Which leads may hear which; without it the samples tell.
    fine : bool
        Whether ticks of grid leads may be finer than samples: what a bounded error leaves may be quieter than its bins.
    """
    grid = np.zeros(samples.shape[1], bool) if grid is None else grid
    side = SideInformation.empty(samples.shape[1])
    leads = _describe(samples, middle, side, grid, hear)
    if not len(leads.numbers):
        return side
    step = 2 if samples.shape[1] <= _MANY_LEADS else 8
    coefficients, error = own_predictors(leads.signals, step)
    side.coefficients[leads.numbers] = coefficients
    if hear and len(leads.numbers) > 1 and len(samples) > ORDER:
        arrangement = _restricted(topology, leads.numbers) if topology else _found(leads, coefficients)
        error = _hear(side, leads, arrangement, step, coefficients, error)
    _scale(side, leads, samples, coefficients.astype(np.int64), error, fine)
    return side


def _describe(
    samples: np.ndarray, middle: np.ndarray, side: SideInformation, grid: np.ndarray, copies: bool
) -> _Leads:
    """Fill in kinds and means."""
    numbers, signals, ticks, seen = [], [], [], {}
    for lead in range(samples.shape[1]):
        column = np.ascontiguousarray(samples[:, lead])
        if column.min() == column.max():
            side.kind[lead], side.mean[lead] = CONSTANT, column[0]
            continue
        digest = zlib.crc32(column.data, int(grid[lead]))
        same = seen.setdefault(digest, lead)
        if copies and same != lead and grid[same] == grid[lead] and np.array_equal(column, samples[:, same]):
            side.kind[lead], side.mean[lead] = COPY, same
            continue
        codes = codes_of(column)
        on_lattice = codes.min() >= 0 and not grid[lead]
        side.kind[lead] = LATTICE if on_lattice else GRID
        side.mean[lead] = _rounded_mean(codes if on_lattice else column)
        if on_lattice:
            values = middle[codes] - middle[side.mean[lead]]
        else:
            values = column.astype(np.int32) - np.int32(side.mean[lead])
        signal, excess = to_signal(values)
        numbers.append(lead)
        signals.append(signal)
        ticks.append((1.0 if on_lattice else 64.0) * (1 << excess))
    return _Leads(np.array(numbers, np.int64), signals, np.array(ticks))


def _rounded_mean(values: np.ndarray) -> int:
    total, count = int(values.sum(dtype=np.int64)), len(values)
    return (2 * total + count) // (2 * count)


def _found(leads: _Leads, coefficients: np.ndarray) -> Arrangement:
    """Tiers and peers from the residuals of the leads' own predictors."""
    frames = len(leads.signals[0]) - ORDER
    blocks = max(1, min(_WHITE_FRAMES, frames) // _WHITE_BLOCK)
    length = min(_WHITE_BLOCK, frames) if blocks > 1 else frames
    starts = [(frames - length) * i // max(blocks - 1, 1) for i in range(blocks)]
    rows = np.empty((len(leads.signals), blocks * length), np.float32)
    for row, signal, own in zip(rows, leads.signals, coefficients.tolist(), strict=True):
        parts = [signal[start : start + length + ORDER] for start in starts]
        row[:] = to_white(np.concatenate([_residual(part, own) for part in parts]))
    found, _ = correlate(rows, _LAG)
    found[np.abs(found) < _CHANCE / np.sqrt(rows.shape[1])] = 0
    return arrange(found)


def _residual(signal: np.ndarray, coefficients: list[float]) -> np.ndarray:
    total = np.full(len(signal) - ORDER, 512.0)
    for delay, coefficient in enumerate(coefficients, 1):
        total += coefficient * signal[ORDER - delay : len(signal) - delay]
    return signal[ORDER:] - np.floor(total / 1024)


def _restricted(topology: Arrangement, numbers: np.ndarray) -> Arrangement:
    """A recording's arrangement for those of its leads that are coded."""
    place = np.full(len(topology.tier) + 1, -1, np.int64)
    place[numbers] = np.arange(len(numbers))
    peers = place[topology.peers[numbers]]
    return Arrangement(topology.tier[numbers], peers, np.where(peers >= 0, topology.metric[numbers], 0))


def _hear(
    side: SideInformation, leads: _Leads, arrangement: Arrangement, step: int, own: np.ndarray, error: np.ndarray
) -> np.ndarray:
    """Let leads hear peers where that pays; mean absolute residuals."""
    error = error.copy()
    side.heard = side.heard.astype(np.float64)  # until grids are known
    listeners = np.flatnonzero((arrangement.peers >= 0).any(axis=1))
    frames = len(leads.signals[0]) - ORDER
    step = spacing(frames, step)
    size = 1 + ORDER + PEERS * PEER_TAPS
    start = np.concatenate([own, np.zeros((len(own), PEERS * PEER_TAPS))], axis=1)[listeners]
    sizes = error[listeners]
    there = arrangement.peers[listeners] >= 0
    for _ in range(_PASSES):
        total, weight = np.zeros((len(listeners), size, size)), np.ones(len(listeners))
        for row, lead in enumerate(listeners):
            heard = [leads.signals[peer] for peer in arrangement.peers[lead] if peer >= 0]
            taps = ORDER + PEER_TAPS * len(heard)
            found = moments(leads.signals[lead], heard, step, start[row, :taps], float(sizes[row]))
            total[row, : taps + 1, : taps + 1], weight[row], sizes[row] = found
        start, variance = solve(total, weight)
        sizes = np.maximum(sizes, 1 / 64)
    used, coefficients, before, after = _worthwhile(total, weight, there, frames)
    for row, lead in enumerate(listeners):
        peers = np.flatnonzero(used[row])
        heard = [leads.signals[peer] for peer in arrangement.peers[lead] if peer >= 0]
        if not len(peers) or not _pays(leads.signals[lead], heard, leads.ticks[lead], own[lead], coefficients[row]):
            continue
        number, among = leads.numbers[lead], arrangement.peers[lead, peers]
        side.tier[number] = arrangement.tier[lead]
        side.coefficients[number] = coefficients[row, :ORDER]
        side.peers[number, : len(peers)] = leads.numbers[among]
        metric = np.rint(arrangement.metric[lead, peers] * METRIC_UNIT)
        side.metric[number, : len(peers)] = np.clip(metric, -METRIC_UNIT, METRIC_UNIT - 1)
        scale = (leads.ticks[lead] / leads.ticks[among])[:, None]
        heard = coefficients[row, ORDER:].reshape(PEERS, PEER_TAPS)[peers]
        side.heard[number, : len(peers)] = heard * scale
        error[lead] *= np.sqrt(after[row] / max(before[row], 1e-9))
    return error


def _pays(signal: np.ndarray, heard: list[np.ndarray], ticks: float, own: np.ndarray, both: np.ndarray) -> bool:
    """Whether a lead's residuals cost less if it hears others, by their logarithm in blocks."""
    costs = []
    for others, coefficients in (([], own), (heard, both)):
        total = np.full(len(signal) - ORDER, 512.0)
        for delay, coefficient in enumerate(coefficients[:ORDER].tolist(), 1):
            total += coefficient * signal[ORDER - delay : len(signal) - delay]
        for number, other in enumerate(others):
            for delay in range(PEER_TAPS):
                total += coefficients[ORDER + PEER_TAPS * number + delay] * other[ORDER - delay : len(other) - delay]
        size = np.abs(signal[ORDER:] - np.floor(total / 1024)) * ticks
        blocks = size[: len(size) - len(size) % _COST_BLOCK].reshape(-1, _COST_BLOCK).sum(axis=1) / _COST_BLOCK
        means = np.clip(blocks + _COST_FLOOR, 1, features.MAX_MAGNITUDE).astype(np.int32) << features.MEAN_BITS
        costs.append(int(features.level(means).sum(dtype=np.int64)) * _COST_BLOCK / 16)
    return costs[0] - costs[1] > _PEER_BITS


def _worthwhile(total: np.ndarray, weight: np.ndarray, there: np.ndarray, frames: int) -> tuple[np.ndarray, ...]:
    """Drop peers, the least useful first, while they save less than their side information.

    Returns which peers stay (bool [leads, 4]), the coefficients, and the variance with own past only and with peers.
    """

    def solved(used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        predictors = np.concatenate([np.ones((len(used), ORDER), bool), np.repeat(used, PEER_TAPS, axis=1)], axis=1)
        coefficients, variance = solve(total, weight, predictors)
        return coefficients, np.maximum(variance, 1e-3)

    used = there.copy()
    coefficients, variance = solved(used)
    for _ in range(PEERS):
        loss = np.full(used.shape, np.inf)
        for peer in range(PEERS):
            without = used.copy()
            without[:, peer] = False
            loss[:, peer] = np.where(used[:, peer], frames / 2 * np.log2(solved(without)[1] / variance), np.inf)
        worst = loss.argmin(axis=1)
        drop = loss[np.arange(len(used)), worst] < _PEER_BITS
        if not drop.any():
            break
        used[drop, worst[drop]] = False
        coefficients, variance = solved(used)
    return used, coefficients, solved(np.zeros_like(used))[1], variance


def _scale(
    side: SideInformation, leads: _Leads, samples: np.ndarray, own: np.ndarray, error: np.ndarray, fine_ticks: bool
) -> None:
    """Fill in grids and spreads, and see to it that sums of linear predictors stay within 32 bits."""
    size = np.zeros(len(side.kind))
    size[leads.numbers] = error * leads.ticks
    grid, most = side.kind == GRID, _MAX_SHIFT - fine_ticks
    for lead in np.flatnonzero(grid):
        while size[lead] >= 2 * _GRID_NOISE_CODES * 64 << side.shift[lead] and side.shift[lead] < most:
            side.shift[lead] += 1
    side.reach[:] = np.where(side.kind == LATTICE, LATTICE_REACH, 0)
    _fill_reach(side, samples)
    if fine_ticks and grid.any() and not side.shift.any():
        _refine(side, samples, size[grid])
    unit = np.where(grid, np.ldexp(1.0, side.shift), 1)
    heard = np.rint(side.heard * (unit[side.peers] / unit[:, None])[:, :, None])
    side.heard = np.clip(heard, -16384, 16383).astype(np.int64)
    if not (fine := side.fits()).all():  # without peers then
        side.heard[~fine], side.peers[~fine], side.metric[~fine], side.tier[~fine] = 0, -1, 0, 0
        alone = np.flatnonzero(~fine[leads.numbers])
        side.coefficients[leads.numbers[alone]] = own[alone]
    while not (fine := side.fits()).all():
        grown = ~fine & grid & (side.shift < most) & (side.shift >= 0)
        side.shift[grown] += 1
        side.coefficients[~fine & ~grown] = 0
        side.heard[grown[side.peers] & (side.peers >= 0)] *= 2
        _fill_reach(side, samples)
    size = np.minimum(size / np.where(grid, np.ldexp(1.0, side.shift), 1), features.MAX_MAGNITUDE)
    means = np.maximum(size.astype(np.int32), 1) << features.MEAN_BITS
    side.spread[leads.numbers] = features.level(means)[leads.numbers]


def _refine(side: SideInformation, samples: np.ndarray, size: np.ndarray) -> None:
    """Make the ticks of grid leads, whose mean residuals are `size`, as fine as the noise of most of them asks for, if
    that is not too fine for the loudest and for sums of linear predictors."""
    grid, fineness = side.kind == GRID, 0
    while (
        fineness < _MAX_FINENESS
        and np.median(size) * 2**fineness < _GRID_NOISE_CODES * 64
        and size.max() * 2**fineness < _LOUDEST_CODES * 64
    ):
        fineness += 1
    for octaves in range(fineness, -1, -1):
        side.shift[grid] = -octaves
        _fill_reach(side, samples)
        sums = np.abs(side.coefficients).sum(axis=1) << side.reach
        if (sums[grid] < 1 << 30).all() and side.reach.max() <= MAX_REACH:
            return


def _fill_reach(side: SideInformation, samples: np.ndarray) -> None:
    for lead in np.flatnonzero(side.kind == GRID):
        ends = np.array([samples[:, lead].min(), samples[:, lead].max(), side.mean[lead]])
        low, high, mean = tick_values(ends, side.shift[lead]).tolist()
        side.reach[lead] = max(mean - low, high - mean).bit_length()
