"""The entropy model as integers: docs/format.md, section 6. numpy, and torch only to read the trained model."""

import numpy as np

from runtime.entropy_model import CODES, MULTIPLIER_BITS, PRECISION, SCALES, TABLE, Tables

STEPS, FIRST = 16, 3  # scale index i stands for 2**(i / STEPS - FIRST) codes
TOP = (1 << PRECISION) - CODES  # last entry of a row; the other 1024 give every code a frequency of one


def multipliers():
    """round(2^16 / s) for every scale index, s in codes: turns ticks into 1/64 scale units."""
    return np.round(2.0 ** (MULTIPLIER_BITS + FIRST - np.arange(SCALES) / STEPS)).astype(np.int32)


def shape_rows(model):
    """F of an `EntropyModel` in the middle of every table cell, float64 [128, 4096]."""
    import torch

    u = (torch.arange(TABLE, dtype=torch.float32) - TABLE // 2 + 0.5) / 64
    with torch.no_grad():
        rows = [model.cdf(torch.tensor([float(i)]), u[None])[0] for i in range(SCALES)]
    return torch.stack(rows).double().numpy()


def merge(rows, usage, shapes):
    """Merge neighbouring scale indices into `shapes` groups, cheapest in bits first.

    Parameters
    ----------
    rows : float64 [128, 4096]
    usage : int array [128]
        How often each scale index occurs in training.

    Returns
    -------
    shape : uint8 [128]
    merged : float64 [shapes, 4096]
    """
    weight = np.asarray(usage, float) + 1
    density = np.diff(rows, axis=1) + 1e-9
    groups = [[i] for i in range(SCALES)]

    def cost(group):
        w = weight[group]
        d = density[group]
        mean = (w[:, None] * d).sum(0) / w.sum()
        return (w[:, None] * d * np.log2(d / mean)).sum()

    costs = [cost(a + b) for a, b in zip(groups, groups[1:])]
    own = [0.0] * SCALES
    while len(groups) > shapes:
        i = int(np.argmin([c - own[j] - own[j + 1] for j, c in enumerate(costs)]))
        groups[i : i + 2] = [groups[i] + groups[i + 1]]
        own[i : i + 2] = [costs[i]]
        costs[i : i + 1] = []
        for j in (i - 1, i):
            if 0 <= j < len(costs):
                costs[j] = cost(groups[j] + groups[j + 1])
    shape = np.zeros(SCALES, np.uint8)
    for k, group in enumerate(groups):
        shape[group] = k
    merged = np.stack([(weight[g][:, None] * rows[g]).sum(0) / weight[g].sum() for g in groups])
    return shape, merged


def build(levels, rows, usage, shapes):
    """Integer tables from float ones.

    Parameters
    ----------
    levels : int array [1025]
        Transition levels in ticks.
    rows, usage, shapes
        See `merge`.
    """
    shape, merged = merge(rows, usage, shapes)
    table = np.round(merged * TOP).astype(np.int32)
    table[:, 0], table[:, -1] = 0, TOP
    return Tables(np.asarray(levels, np.int32), shape, multipliers(), np.maximum.accumulate(table, axis=1))
