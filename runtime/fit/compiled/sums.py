"""The loops of `weighted_sums.py` in compiled form, with the same results bit for bit.

Arrays are allocated one by one: numba makes loops slow that go over rows of one array and write to others.
"""

from __future__ import annotations

import numpy as np

from ...core.compiled import njit, njit_exact
from ...predictor.channel_parameters import ORDER, REFERENCE_TAPS
from ..weighted_sums import COST_UNIT, MAX_COST, MAX_RESIDUAL, MAX_WEIGHT, SPAN

_BLOCK = 512
"""Frames that are handled at once: a multiple of 16 and of all spacings."""


@njit_exact
def _copy(signal, out):
    for t in range(len(out)):
        out[t] = signal[t]


@njit_exact
def _set_sixteen(taps, values, total):
    """Fill in the sums of products of 16 taps with the 16 values before each frame, the newest first, and 512."""
    a, b, c, d, e, f, g, h = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5], taps[6], taps[7]
    i, j, k, m, n, o, p, q = taps[8], taps[9], taps[10], taps[11], taps[12], taps[13], taps[14], taps[15]
    for t in range(len(total)):
        newer = a * values[t + 15] + b * values[t + 14] + c * values[t + 13] + d * values[t + 12]
        newer += e * values[t + 11] + f * values[t + 10] + g * values[t + 9] + h * values[t + 8]
        older = i * values[t + 7] + j * values[t + 6] + k * values[t + 5] + m * values[t + 4]
        older += n * values[t + 3] + o * values[t + 2] + p * values[t + 1] + q * values[t]
        total[t] = newer + older + 512.0


@njit_exact
def _add_four(taps, values, total):
    """Add the products of 4 taps with each frame's value and the 3 before it."""
    a, b, c, d = taps[0], taps[1], taps[2], taps[3]
    for t in range(len(total)):
        total[t] += a * values[t + 16] + b * values[t + 15] + c * values[t + 14] + d * values[t + 13]


@njit_exact
def _residuals(values, total, residual, sizes, means):
    """Fill in residuals, their sizes, and the means of 16 sizes; returns the sum of sizes."""
    whole = 0.0
    for t in range(len(total)):
        residual[t] = values[t + 16] - np.floor(total[t] * (1 / 1024))
        sizes[t] = abs(residual[t])
        whole += sizes[t]
    for row in range(len(total) // ORDER):
        some = 0.0
        for t in range(ORDER):
            some += sizes[row * ORDER + t]
        means[row] = some / ORDER
    return whole


@njit
def _cost(means, rows, floor, parts, patterns):
    """Return logarithms: `patterns` is `parts` seen as integers."""
    cost, unit = 0, COST_UNIT / floor
    for row in range(rows):
        parts[row] = np.floor(min((means[row] + floor) * unit, MAX_COST))
    for row in range(rows):
        cost += patterns[row] >> 19
    return cost


@njit
def _weights(sizes, error, frames, weights):
    tenth, most = error / 10, 15 * error * error
    for t in range(frames):
        local = (sizes[t] + sizes[t + 1] + sizes[t + 2] + sizes[t + 3]) / SPAN + tenth
        weights[t] = min(max(np.floor(most / ((sizes[t + 4] / 2 + local) * local)), 1.0), MAX_WEIGHT)


@njit_exact
def _products(residual, weights, frames, products):
    """Bound the residuals, and fill in the weighted ones; returns the sum of the weights."""
    total = 0.0
    for t in range(frames):
        residual[t] = min(max(residual[t], -MAX_RESIDUAL), MAX_RESIDUAL)
        products[t] = residual[t] * weights[t]
        total += weights[t]
    return total


@njit_exact
def _eight_products(factors, values, out):
    """Add sums over t of factor[t] value[t + 7 - i] to out[i], i = 0..7."""
    a = b = c = d = e = f = g = h = 0.0
    for t in range(len(factors)):
        factor = factors[t]
        a += factor * values[t + 7]
        b += factor * values[t + 6]
        c += factor * values[t + 5]
        d += factor * values[t + 4]
        e += factor * values[t + 3]
        f += factor * values[t + 2]
        g += factor * values[t + 1]
        h += factor * values[t]
    for i, total in enumerate((a, b, c, d, e, f, g, h)):
        out[i] += total


@njit_exact
def _four_products(factors, values, out):
    """Add sums over t of factor[t] value[t + 3 - i] to out[i], i = 0..3."""
    a = b = c = d = 0.0
    for t in range(len(factors)):
        factor = factors[t]
        a += factor * values[t + 3]
        b += factor * values[t + 2]
        c += factor * values[t + 1]
        d += factor * values[t]
    for i, total in enumerate((a, b, c, d)):
        out[i] += total


@njit_exact
def autocovariances(signals):
    """See `weighted_sums.py`."""
    sums, frames = np.zeros((len(signals), ORDER + 1)), signals.shape[1] - ORDER
    for channel in range(len(signals)):
        for first in range(0, frames, _BLOCK):
            values = np.empty(ORDER + min(_BLOCK, frames - first))
            _copy(signals[channel, first:], values)
            now, total = values[ORDER:], 0.0
            for t in range(len(now)):
                total += now[t] * now[t]
            sums[channel, 0] += total
            _eight_products(now, values[8:], sums[channel, 1:])
            _eight_products(now, values, sums[channel, 9:])
    return sums


@njit
def _choose(first, frames, step, chosen):
    """Fill in `weighted_sums.chosen_frames`; returns how many there are."""
    count = 0
    for group in range(first // step, (first + frames + step - 1) // step):
        mixed = (group * 0x9E3779B1) & 0xFFFFFFFF
        mixed = ((mixed ^ mixed >> 15) * 0x85EBCA77) & 0xFFFFFFFF
        at = group * step - first + (mixed >> 16) % step
        if at < frames:
            chosen[count] = at
            count += 1
    return count


@njit
def _gather(values, chosen, out):
    for i in range(len(out)):
        out[i] = values[chosen[i]]


@njit_exact
def _outer_sums(lags, weights, count, equations):
    """Add weighted sums of products of rows of `lags` with each other, where the first is not behind the second."""
    size = len(lags)
    first, second = np.empty(count), np.empty(count)
    for i in range(0, size - 1, 2):
        for row, scaled in ((lags[i], first), (lags[i + 1], second)):
            for t in range(count):
                scaled[t] = row[t] * weights[t]
        _add_rows(first, second, lags, count, i, equations)
    if size % 2:
        row, total = lags[size - 1], 0.0
        for t in range(count):
            total += row[t] * row[t] * weights[t]
        equations[size - 1, size - 1] += total


@njit_exact
def _add_rows(first, second, lags, count, row, equations):
    """Add sums of products of two weighted rows, `row` and the next one, with these and all behind them."""
    j = row
    while j + 4 <= len(lags):
        k, m, n, o = lags[j], lags[j + 1], lags[j + 2], lags[j + 3]
        a = b = c = d = e = f = g = h = 0.0
        for t in range(count):
            x, y = first[t], second[t]
            a += x * k[t]
            b += x * m[t]
            c += x * n[t]
            d += x * o[t]
            e += y * k[t]
            f += y * m[t]
            g += y * n[t]
            h += y * o[t]
        for i, (above, below) in enumerate(((a, e), (b, f), (c, g), (d, h))):
            equations[row, j + i] += above
            equations[row + 1, j + i] += below
        j += 4
    while j < len(lags):
        other, a, b = lags[j], 0.0, 0.0
        for t in range(count):
            a += first[t] * other[t]
            b += second[t] * other[t]
        equations[row, j] += a
        equations[row + 1, j] += b
        j += 1


@njit
def _one(signals, sources, predictor, spacings, equations, weight):
    """Do one channel; returns the sum of its absolute residuals, and the cost."""
    (coefficients, error, floor), (curvature, gradient), count = predictor, spacings, len(sources)
    taps, frames = ORDER + REFERENCE_TAPS * (count - 1), signals.shape[1] - ORDER
    values, sizes = np.empty((count, ORDER + _BLOCK)), np.empty(SPAN + _BLOCK)
    totals, residual, weights, products = np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK)
    means, parts = np.empty(_BLOCK // ORDER), np.empty(_BLOCK // ORDER, np.float32)
    patterns, chosen = parts.view(np.int32), np.empty(_BLOCK, np.uint64)
    lags, counted, kept = np.empty((1 + taps, _BLOCK)), np.empty(_BLOCK), 0
    slopes, size, cost, sizes[:SPAN] = np.zeros(1 + taps), 0.0, 0, np.floor(error)
    for first in range(0, frames, _BLOCK):
        length = min(_BLOCK, frames - first)
        for number in range(count):
            _copy(signals[sources[number], first:], values[number, : ORDER + length])
        total = totals[:length]
        _set_sixteen(coefficients, values[0], total)
        for number in range(1, count):
            _add_four(coefficients[ORDER + REFERENCE_TAPS * (number - 1) :], values[number], total)
        size += _residuals(values[0], total, residual, sizes[SPAN:], means)
        cost += _cost(means, length // ORDER, floor, parts, patterns)
        if gradient:
            _weights(sizes, error, length, weights)
            weight[0] += _products(residual, weights, length, products)
            if gradient != curvature:
                factors = products[:length]
                _eight_products(factors, values[0, 8:], slopes[1:])
                _eight_products(factors, values[0], slopes[9:])
                for number in range(1, count):
                    _four_products(factors, values[number, 13:], slopes[13 + REFERENCE_TAPS * number :])
            if curvature:
                rows = _choose(first, length, curvature, chosen)
                if kept + rows > _BLOCK:
                    _outer_sums(lags, counted, kept, equations)
                    kept = 0
                some = slice(kept, kept + rows)
                _gather(weights, chosen, counted[some])
                _gather(residual, chosen, lags[0, some])
                weight[1] += counted[some].sum()
                for lag in range(1, ORDER + 1):
                    _gather(values[0, ORDER - lag :], chosen, lags[lag, some])
                for tap in range(taps - ORDER):
                    number, lag = 1 + tap // REFERENCE_TAPS, tap % REFERENCE_TAPS
                    _gather(values[number, ORDER - lag :], chosen, lags[1 + ORDER + tap, some])
                kept += rows
        for t in range(SPAN):
            sizes[t] = sizes[length + t]
    _outer_sums(lags, counted, kept, equations)
    for i in range(1, 1 + taps):
        for j in range(i):
            equations[i, j] = equations[j, i]
    if gradient != curvature:
        equations[0, 1:] = 0.0
        equations[1 : 1 + taps, 0] = slopes[1:]
    else:
        weight[0] = weight[1]
    return size, cost


@njit
def weighted_sums(signals, channels, predictors, curvature, gradient):
    """See `weighted_sums.py`."""
    (channel, references), (coefficients, error, floor) = channels, predictors
    count, taps = coefficients.shape
    equations, weight = np.zeros((count, 1 + taps, 1 + taps)), np.zeros((count, 2))
    size, cost = np.zeros(count), np.zeros(count, np.int64)
    for row in range(count):
        used = 0
        while used < references.shape[1] and references[row, used] >= 0:
            used += 1
        sources = np.empty(1 + used, np.int64)
        sources[0], sources[1:] = channel[row], references[row, :used]
        own = coefficients[row], error[row], floor[row]
        size[row], cost[row] = _one(signals, sources, own, (curvature, gradient), equations[row], weight[row])
    return equations, weight, size, cost


@njit
def white_rows(signals, coefficients, starts, rows, limits):
    """See `correlation.py`."""
    length = rows.shape[1] // len(starts)
    values, total = np.empty(ORDER + length), np.empty(length)
    found, sizes, means, (clip, limit) = np.empty(rows.shape[1]), np.empty(length), np.empty(length), limits
    for channel in range(len(signals)):
        size = 0.0
        for part in range(len(starts)):
            _copy(signals[channel, starts[part] :], values)
            _set_sixteen(coefficients[channel], values, total)
            size += _residuals(values, total, found[part * length : (part + 1) * length], sizes, means)
        scale = limit / (clip * max(size / len(found), 1 / 64))
        for t in range(len(found)):
            rows[channel, t] = min(max(np.rint(found[t] * scale), -limit), limit)
