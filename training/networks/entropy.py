"""The entropy model as it is trained: transition levels, and a distribution whose shape depends on its scale.

P(code v) = F((A[v + 1] - mu) / s) - F((A[v] - mu) / s), with A the converter's transition levels and F a mixture of
Gaussians (noise) and logistics (spikes) whose weights, offsets and widths are interpolated over bins of log2(s).
`tables.py` turns it into the integer tables of docs/format.md, section 6.
"""

import numpy as np
import torch
from torch import nn

from .tables import FIRST_OCTAVE, GAUSS, SCALES, SCALES_PER_OCTAVE

START_WIDTH = 0.6  # natural logarithm of the middle component's width in scale units, at the start
GAUSSIANS = 3  # components of the mixture; the others are logistics
START_WIDTHS = (-0.5, 0.0, 0.5, -0.4, 0.8)  # of all components, relative to it
TABLE_EXTENT = 32.0  # the integer tables end at this many scale units
FLOOR = 2.0**-20  # of a probability; and 2**-10 in all, spread evenly, is what the integer tables reserve


def components(z: torch.Tensor) -> torch.Tensor:
    """Return the components' distribution functions, by the last axis: Gaussians as wide as the logistics."""
    gauss = 0.5 + 0.5 * torch.erf(z[..., :GAUSSIANS] * GAUSS)
    return torch.cat([gauss, torch.sigmoid(z[..., GAUSSIANS:])], -1)


class EntropyModel(nn.Module):
    """Compute the cost in bits of codes under predicted locations and scales.

    Parameters
    ----------
    levels : float array [1025], or blocks of as many one after the other
        Transition levels A in codes, increasing; start values, or fixed ones. Blocks have those of the
        bins of error bounds, and a code is an index into all levels: block * 1025 + what is coded.
    fixed : bool
        Whether the levels stay as given. They must, once features have been computed with them.
    bins : int
        Resolution of the shapes over the scale.

    Scale and widths may trade a common factor. Their start values make a scale about a quarter of a deviation: with
    coarser scales the steps of the integer tables cost a thousandth of a bit, with much finer ones their ends do.
    Fixing the factor (the mean log width at every scale) trains worse, by 0.001 bit.
    """

    def __init__(self, levels: np.ndarray, fixed: bool = True, bins: int = 33):
        super().__init__()
        self.bins = bins
        levels = torch.as_tensor(np.asarray(levels), dtype=torch.float32)
        self.register_buffer("levels", levels)
        self.widths = None if fixed else nn.Parameter(torch.log((levels[1:] - levels[:-1]).clamp_min(1e-3)))
        widths = torch.tensor(START_WIDTHS)
        self.weight = nn.Parameter((-4 * widths.abs() + 2 * (widths == 0)).repeat(bins, 1))
        self.offset = nn.Parameter(torch.zeros(bins, len(START_WIDTHS)))
        self.width = nn.Parameter((1.35 * widths).repeat(bins, 1) + START_WIDTH)

    def current_levels(self) -> torch.Tensor:
        """Return the transition levels in codes, [1025]; A[512] = 0 while they are being trained."""
        if self.widths is None:
            return self.levels
        a = torch.cat([torch.zeros(1), torch.cumsum(torch.exp(self.widths), 0)])
        return a - a[512]

    def shape(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return weights, offsets, inverse widths at (fractional) scale indices, each [N, components]."""
        t = index * ((self.bins - 1) / SCALES)
        low = t.detach().floor().long().clamp(0, self.bins - 2)
        part = (t - low)[:, None]

        def at(p):
            return torch.lerp(p[low], p[low + 1], part)

        return torch.softmax(at(self.weight), 1), at(self.offset), torch.exp(-at(self.width))

    def bits(self, output: torch.Tensor, prediction: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Return the cost of each code, [N].

        Parameters
        ----------
        output : float [N, 2]
            Location relative to the linear prediction in 1/16 code, scale index.
        prediction : float [N]
            In codes.
        codes : int64 [N], 0..1023 of the first block and so on
        """
        a = self.current_levels()
        mu = prediction + output[:, 0] / 16
        index = output[:, 1].clamp(0, SCALES - 1)
        w, o, k = self.shape(index)
        inverse = torch.exp2(FIRST_OCTAVE - index / SCALES_PER_OCTAVE)
        high = ((a[codes + 1] - mu) * inverse).clamp(-TABLE_EXTENT, TABLE_EXTENT)
        low = ((a[codes] - mu) * inverse).clamp(-TABLE_EXTENT, TABLE_EXTENT)
        high = torch.where(codes == 1023, 1e3, high)
        low = torch.where(codes == 0, -1e3, low)
        zh, zl = (high[:, None] - o) * k, (low[:, None] - o) * k
        flip = zh + zl > 0  # the difference of two sigmoids is precise in the left tail only
        zh, zl = torch.where(flip, -zl, zh), torch.where(flip, -zh, zl)
        p = (w * (components(zh) - components(zl)).clamp_min(0)).sum(1)
        return -torch.log2(p * (1 - 2.0**-10) + FLOOR)
