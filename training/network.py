"""The network, in floats and as the integers it will be: features of one time step -> location and scale.

Quantised arithmetic follows docs/determinism.md: uint8 activations, int8 weights in [-64, 64], all scales powers of
two, a head with weights of integers * 2**-k in floats. `Network.integers()` gives what `export.py` writes down.
"""

import numpy as np
import torch
from torch import nn

from runtime.features import WINDOW

INPUT_SCALE = 2.0**-6  # of the uint8 features, with zero point 128
HEAD_SCALE = 2.0**-8  # of the head's weights; a power of two coarser where sums could leave float32's integers
OUTPUT_UNITS = (16.0, 16.0)  # location in 1/16 code, scale index in 1/16 octave


def rounded(x):
    """Round with the gradient of the identity."""
    return x + (torch.round(x) - x).detach()


def power_of_two(x):
    """Smallest power of two that is not below x > 0."""
    return 2.0 ** float(np.ceil(np.log2(max(float(x), 2.0**-24))))


class Network(nn.Module):
    """Projector and predictor, both fully connected, and a head for location and scale.

    Parameters
    ----------
    features : int
        Inputs per row.
    projector, predictor : sequences of int
        Sizes of the hidden layers.
    window : int
        How many of the 16 newest residuals are seen. The others, which come first in a row, have weights of zero.
    """

    def __init__(self, features=20, projector=(16,), predictor=(16,), window=WINDOW):
        super().__init__()
        self.unseen = WINDOW - window
        sizes = [features - self.unseen, *projector, *predictor]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.head = nn.Linear(sizes[-1], 2)
        nn.init.zeros_(self.head.weight)
        self.head.bias.data = torch.tensor([0.0, 2.5])
        self.register_buffer("scales", torch.full([len(sizes) - 1], 2.0**-6))
        self.quantised = False

    @property
    def macs(self):
        """Multiply-accumulates per sample, without those of inputs that are not seen."""
        return sum(m.weight.numel() for m in [*self.layers, self.head])

    def forward(self, features):
        """Location relative to the reference (1/16 code) and scale index, float [N, 2]; features are uint8 values."""
        x = (features[:, self.unseen :] - 128) * INPUT_SCALE
        scale = INPUT_SCALE
        for layer, after in zip(self.layers, self.scales.tolist()):
            w, b = layer.weight, layer.bias
            if self.quantised:
                w, b = self.quantise(w, b, scale)
            x = torch.relu(nn.functional.linear(x, w, b))
            if self.quantised:
                x = rounded((x / after).clamp(0, 255)) * after
            scale = after
        w, b = self.head_parameters()
        if self.quantised:
            step = self.head_step(w, b)
            w, b = rounded(w / step) * step, rounded(b / step) * step
        out = nn.functional.linear(x, w, b)
        return rounded(out) if self.quantised else out

    def head_parameters(self):
        """Weights and biases of the head in output units."""
        units = torch.tensor(OUTPUT_UNITS)
        return self.head.weight * units[:, None], self.head.bias * units

    @torch.no_grad()
    def head_step(self, w, b):
        """Grid of the head's weights and biases: sums stay below 2^24 units rounding included."""
        scale = float(self.scales[-1])
        largest = float((w.abs().sum(1) * 255 * scale + b.abs()).max())
        step = HEAD_SCALE
        while largest / (step * scale) > 0.9 * 2**24:
            step *= 2
        return step

    @staticmethod
    def quantise(w, b, scale):
        """Weights and biases on their grids, given the scale of the layer's input."""
        step = power_of_two(w.detach().abs().max() / 64)
        return rounded(w / step) * step, rounded(b / (step * scale)) * (step * scale)

    @torch.no_grad()
    def calibrate(self, features, quantile=0.9995):
        """Set the activations' scales from a batch: the next power of two of a quantile over 255."""
        x = (features[:, self.unseen :] - 128) * INPUT_SCALE
        for i, layer in enumerate(self.layers):
            x = torch.relu(layer(x))
            top = torch.quantile(x.flatten()[: 1 << 20], quantile)
            self.scales[i] = power_of_two(top / 255)

    @torch.no_grad()
    def integers(self):
        """The quantised network as numpy arrays.

        Returns
        -------
        layers : list of dicts
            `weight` int8 [out, in], `bias` int32 [out], and the scales `input`, `step` (of the weights), `output`.
        head : dict
            `weight` float32 [2, in] and `bias` float32 [2], multiples of `head_step`; `input` scale.
        """
        layers, scale = [], INPUT_SCALE
        for layer, after in zip(self.layers, self.scales.tolist()):
            step = power_of_two(layer.weight.abs().max() / 64)
            weight = torch.round(layer.weight / step).numpy().astype(np.int8)
            bias = torch.round(layer.bias / (step * scale)).numpy().astype(np.int32)
            layers.append({"weight": weight, "bias": bias, "input": scale, "step": step, "output": after})
            scale = after
        layers[0]["weight"] = np.pad(layers[0]["weight"], ((0, 0), (self.unseen, 0)))
        step = self.head_step(*self.head_parameters())
        w, b = (torch.round(p / step) * step for p in self.head_parameters())
        return layers, {"weight": w.numpy(), "bias": b.numpy(), "input": scale}
