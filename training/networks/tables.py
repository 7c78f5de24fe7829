"""The entropy model as integers: docs/format.md, section 6. numpy only."""

import math

import numpy as np

from runtime.entropy.entropy_model import CODES, MULTIPLIER_BITS, PRECISION, SCALES, TABLE, Tables

SCALES_PER_OCTAVE, FIRST_OCTAVE = 16, 2  # scale index i: 2**(i / SCALES_PER_OCTAVE - FIRST_OCTAVE) codes
GAUSS = 0.416  # 1 / (1.7 sqrt(2)): a Gaussian about as wide as a logistic
UNIT, SMALLEST_UNIT, LARGEST_UNIT = 0.3, 1 / 32, 16.0  # in deviations, codes, codes: see `Shapes.scales`
TOP = (1 << PRECISION) - CODES  # last entry of a row; the other 1024 give every code a frequency of one


class Shapes:
    """Evaluate the trained distribution functions at every scale index.

    All is float64, so that another machine's last bits do not show in the integers.

    Parameters
    ----------
    weight, offset, width : float arrays [bins, components]
        Parameters of an `EntropyModel`: logits, offsets and log widths in scale units.
    gaussians : int
        How many of the components are Gaussians; the others are logistics.
    """

    def __init__(self, weight: np.ndarray, offset: np.ndarray, width: np.ndarray, gaussians: int):
        t = np.arange(SCALES) * (len(weight) - 1) / SCALES

        def interpolated(p):
            return np.array([np.interp(t, np.arange(len(p)), column) for column in p.astype(np.float64).T])

        nominal = 2.0 ** (np.arange(SCALES) / SCALES_PER_OCTAVE - FIRST_OCTAVE)  # codes
        share = np.exp(interpolated(weight) - interpolated(weight).max(axis=0))
        self.share = share / share.sum(axis=0)
        self.offset, self.width = interpolated(offset) * nominal, np.exp(interpolated(width)) * nominal
        self.gaussians = gaussians

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return F at x [128, n] codes from the location, float64 [128, n]."""
        total = np.zeros(x.shape)
        for k, (share, offset, width) in enumerate(zip(self.share, self.offset, self.width)):
            z = (x - offset[:, None]) / width[:, None]
            total += share[:, None] * (gauss(z) if k < self.gaussians else 1 / (1 + np.exp(-np.clip(z, -700, 700))))
        return total

    def quantile(self, p: float) -> np.ndarray:
        """Return the codes from the location where F is p, float64 [128]."""
        low, high = np.full(SCALES, -4096.0), np.full(SCALES, 4096.0)
        for _ in range(48):
            middle = (low + high) / 2
            below = self.at(middle[:, None])[:, 0] < p
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return low

    def scales(self) -> np.ndarray:
        """Return the unit of the integer table of every scale index, in codes; float64 [128].

        Tables reach 32 units either way in steps of 1/64 unit. A fixed share of the deviation makes the shapes of
        different scales alike, so that few are enough, whatever unit training settled on. For loud channels the unit
        stays where a table reaches over all codes.
        """
        deviation = (self.quantile(0.84) - self.quantile(0.16)) / 2
        return np.clip(deviation * UNIT, SMALLEST_UNIT, LARGEST_UNIT)

    def rows(self) -> np.ndarray:
        """Return F in the middle of every table cell, float64 [128, 4096]."""
        z = (np.arange(TABLE) - TABLE // 2 + 0.5) / 64
        return self.at(z * self.scales()[:, None])


def gauss(z: np.ndarray) -> np.ndarray:
    """Return the distribution function of the Gaussian that stands beside a logistic of width one."""
    return 0.5 + 0.5 * np.vectorize(math.erf)(GAUSS * z)


def merge(rows: np.ndarray, usage: np.ndarray, shapes: int) -> tuple[np.ndarray, np.ndarray]:
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


def build(levels: np.ndarray, trained: Shapes, usage: np.ndarray, shapes: int) -> Tables:
    """Return integer tables of trained shapes.

    Parameters
    ----------
    levels : int array [1025]
        Transition levels in Q6 units.
    trained : Shapes
    usage, shapes
        See `merge`.
    """
    multiplier = np.round((1 << MULTIPLIER_BITS) / trained.scales()).astype(np.int32)
    shape, merged = merge(trained.rows(), usage, shapes)
    table = np.round(merged * TOP).astype(np.int32)
    table[:, 0], table[:, -1] = 0, TOP
    return Tables(np.asarray(levels, np.int32), shape, multiplier, np.maximum.accumulate(table, axis=1))
