"""The entropy model as it is trained: transition levels, and a distribution whose shape depends on its scale.

P(code v) = F((A[v + 1] - mu) / s) - F((A[v] - mu) / s), with A the converter's transition levels and F a mixture of
logistics whose weights, offsets and widths are interpolated over bins of log2(s). `tables.py` turns it into the integer
tables of docs/format.md, section 6.
"""

import numpy as np
import torch
from torch import nn

from .tables import FIRST, SCALES, STEPS

REACH = 32.0  # the integer tables end at this many scale units
FLOOR = 2.0**-20  # of a probability; and 2**-10 in all, spread evenly, is what the integer tables reserve


class EntropyModel(nn.Module):
    """Cost in bits of codes under predicted locations and scales.

    Parameters
    ----------
    levels : float array [1025]
        Transition levels A in codes, increasing; start values, or fixed ones.
    fixed : bool
        Whether the levels stay as given. They must, once features have been computed with them.
    bins, components : int
        Resolution of the shapes over the scale, and logistics in the mixture.

    The start value of the widths makes a scale about a third of a deviation: with coarser scales the steps of the
    integer tables cost a thousandth of a bit, with much finer ones their ends do.
    """

    def __init__(self, levels, fixed=True, bins=33, components=5):
        super().__init__()
        self.bins = bins
        levels = torch.as_tensor(np.asarray(levels), dtype=torch.float32)
        self.register_buffer("levels", levels)
        self.widths = None if fixed else nn.Parameter(torch.log((levels[1:] - levels[:-1]).clamp_min(1e-3)))
        spread = torch.linspace(-1, 1, components) if components > 1 else torch.zeros(1)
        self.weight = nn.Parameter((-4 * spread.abs() + 2 * (spread == 0)).repeat(bins, 1))
        self.offset = nn.Parameter(torch.zeros(bins, components))
        self.width = nn.Parameter((1.35 * spread).repeat(bins, 1) + 0.9)

    def current_levels(self):
        """Transition levels in codes, [1025]; A[512] = 0 while they are being trained."""
        if self.widths is None:
            return self.levels
        a = torch.cat([torch.zeros(1), torch.cumsum(torch.exp(self.widths), 0)])
        return a - a[512]

    def shape(self, index):
        """Mixture parameters at (fractional) scale indices: weights, offsets, inverse widths, each [N, components]."""
        t = index * ((self.bins - 1) / SCALES)
        low = t.detach().floor().long().clamp(0, self.bins - 2)
        part = (t - low)[:, None]

        def at(p):
            return torch.lerp(p[low], p[low + 1], part)

        return torch.softmax(at(self.weight), 1), at(self.offset), torch.exp(-at(self.width))

    def cdf(self, index, u):
        """F at `u` [N, K] scale units, one row per scale index [N]."""
        w, o, k = self.shape(index)
        return (w[:, None] * torch.sigmoid((u[:, :, None] - o[:, None]) * k[:, None])).sum(2)

    def bits(self, output, reference, codes):
        """Cost of each code, [N].

        Parameters
        ----------
        output : float [N, 2]
            Location relative to the reference in 1/16 code, scale index.
        reference : float [N]
            In codes.
        codes : int64 [N], 0..1023
        """
        a = self.current_levels()
        mu = reference + output[:, 0] / 16
        index = output[:, 1].clamp(0, SCALES - 1)
        w, o, k = self.shape(index)
        inverse = torch.exp2(FIRST - index / STEPS)
        high = ((a[codes + 1] - mu) * inverse).clamp(-REACH, REACH)
        low = ((a[codes] - mu) * inverse).clamp(-REACH, REACH)
        high = torch.where(codes == 1023, 1e3, high)
        low = torch.where(codes == 0, -1e3, low)
        zh, zl = (high[:, None] - o) * k, (low[:, None] - o) * k
        flip = zh + zl > 0  # the difference of two sigmoids is precise in the left tail only
        zh, zl = torch.where(flip, -zl, zh), torch.where(flip, -zh, zl)
        p = (w * (torch.sigmoid(zh) - torch.sigmoid(zl)).clamp_min(0)).sum(1)
        return -torch.log2(p * (1 - 2.0**-10) + FLOOR)
