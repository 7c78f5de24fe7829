"""The network, in floats and as the integers it will be: features of one time step -> location and scale.

Quantised arithmetic follows docs/determinism.md: uint8 activations, int8 weights in [-64, 64], all scales powers of
two, a head with weights of integers * 2**-k in floats. `Network.integers()` gives what `export.py` writes down.
"""

import numpy as np
import torch
from torch import nn

from runtime.predictor.channel_parameters import REFERENCES
from runtime.predictor.features import FEATURES, WINDOW
from runtime.predictor.messages import INPUTS

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
    """Projector and predictor, both fully connected, MiddleOut between them, and a head for location and scale.

    MiddleOut: a message from each of four peers, of the own latent (what the projector makes of the own features) and
    the peer's (one layer over what it says, the correlation with it among that); their mean goes to the predictor,
    together with the own latent.

    Parameters
    ----------
    features : int
        Inputs per row, without those of peers.
    projector, predictor : sequences of int
        Sizes of the hidden layers.
    window : int
        How many of the 16 newest residuals are seen. The others, which come first in a row, have weights of zero.
    peers : pair of int, optional
        Sizes of a peer's latent and of a message; without it, peers are not heard. Rows have 32 more inputs with it.
    """

    def __init__(self, features=FEATURES, projector=(16,), predictor=(16,), window=WINDOW, references=None):
        super().__init__()
        self.unseen, self.features = WINDOW - window, features
        sizes = [features - self.unseen, *projector]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.place, self.their, self.message = len(self.layers), None, None
        sizes = [sizes[-1], *predictor]
        if references:
            self.their, self.message = (
                nn.Linear(INPUTS, references[0]),
                nn.Linear(sizes[0] + references[0], references[1]),
            )
            sizes[0] += references[1]
        self.layers.extend(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.head = nn.Linear(sizes[-1], 2)
        nn.init.zeros_(self.head.weight)
        self.head.bias.data = torch.tensor([0.0, 2.5])
        self.register_buffer("scales", torch.full([len(self.layers)], 2.0**-6))
        if references:
            self.register_buffer("message_scale", torch.tensor(2.0**-6))
        self.quantised = False

    @property
    def width(self):
        """Inputs per row."""
        return self.features + (REFERENCES * INPUTS if self.their else 0)

    @property
    def macs(self):
        """Multiply-accumulates per sample, without those of inputs that are not seen."""
        own = sum(m.weight.numel() for m in [*self.layers, self.head])
        return own + (REFERENCES * (self.their.weight.numel() + self.message.weight.numel()) if self.their else 0)

    def forward(self, features):
        """Location relative to the reference (1/16 code) and scale index, float [N, 2]; features are uint8 values."""
        x, scale = self.inputs(features[:, self.unseen : self.features]), INPUT_SCALE
        for i, (layer, after) in enumerate(zip(self.layers, self.scales.tolist())):
            if self.their is not None and i == self.place:
                x = torch.cat([x, self.messages(x, scale, self.inputs(features[:, self.features :]))], 1)
            x = self.step(layer, x, scale, after)
            scale = after
        return self.output(x)

    def output(self, x):
        """The head's output, from what the last layer gives."""
        w, b = self.head_parameters()
        if self.quantised:
            step = self.head_step(w, b)
            w, b = rounded(w / step) * step, rounded(b / step) * step
        out = nn.functional.linear(x, w, b)
        return rounded(out) if self.quantised else out

    @staticmethod
    def inputs(features):
        """Features as real numbers."""
        return (features - 128) * INPUT_SCALE

    def step(self, layer, x, scale, after):
        """One layer, given the scales of its input and output."""
        w, b = layer.weight, layer.bias
        if self.quantised:
            w, b = self.quantise(w, b, scale)
        return self.fit_scale(torch.relu(nn.functional.linear(x, w, b)), after)

    def fit_scale(self, x, scale):
        """On a scale's grid, once quantised."""
        return rounded((x / scale).clamp(0, 255)) * scale if self.quantised else x

    def messages(self, latent, scale, said):
        """Mean message of the peers, on the own latent's scale so that both can be joined."""
        their = self.step(self.their, said.reshape(len(latent), REFERENCES, INPUTS), INPUT_SCALE, scale)
        both = torch.cat([latent[:, None].expand(-1, REFERENCES, -1), their], 2)
        message = self.step(self.message, both, scale, float(self.message_scale))
        return self.fit_scale(message.mean(1), scale)

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

        def scale(*activations):
            return max(power_of_two(torch.quantile(a.flatten()[: 1 << 20], quantile) / 255) for a in activations)

        quantised, self.quantised = self.quantised, False
        x = self.inputs(features[:, self.unseen : self.features])
        for i, layer in enumerate(self.layers):
            if self.their is not None and i == self.place:
                said = self.inputs(features[:, self.features :]).reshape(len(x), REFERENCES, INPUTS)
                their = torch.relu(self.their(said))
                message = torch.relu(self.message(torch.cat([x[:, None].expand(-1, REFERENCES, -1), their], 2)))
                self.scales[i - 1] = scale(x, their, message.mean(1))
                self.message_scale.fill_(scale(message))
                x = torch.cat([x, message.mean(1)], 1)
            x = torch.relu(layer(x))
            self.scales[i] = scale(x)
        self.quantised = quantised

    @torch.no_grad()
    def integers(self, scale=INPUT_SCALE):
        """The quantised network as numpy arrays; `scale` is that of the inputs.

        Returns
        -------
        layers : list of dicts
            `weight` int8 [out, in], `bias` int32 [out], and the scales `input`, `step` (of the weights), `output`;
            between projector and predictor, if peers are heard, one with the layers `their` and `message` and the scale
            `output` of the mean message, which is that of the latents too.
        head : dict
            `weight` float32 [2, in] and `bias` float32 [2], multiples of `head_step`; `input` scale.
        """
        layers = []
        for i, (layer, after) in enumerate(zip(self.layers, self.scales.tolist())):
            if self.their is not None and i == self.place:
                message = self.integers_of(self.message, scale, float(self.message_scale))
                their = self.integers_of(self.their, INPUT_SCALE, scale)
                layers.append({"their": their, "message": message, "output": scale})
            layers.append(self.integers_of(layer, scale, after))
            scale = after
        layers[0]["weight"] = np.pad(layers[0]["weight"], ((0, 0), (self.unseen, 0)))
        step = self.head_step(*self.head_parameters())
        w, b = (torch.round(p / step) * step for p in self.head_parameters())
        return layers, {"weight": w.numpy(), "bias": b.numpy(), "input": scale}

    @staticmethod
    def integers_of(layer, scale, after):
        """One layer as `integers` gives it."""
        step = power_of_two(layer.weight.abs().max() / 64)
        weight = torch.round(layer.weight / step).numpy().astype(np.int8)
        bias = torch.round(layer.bias / (step * scale)).numpy().astype(np.int32)
        return {"weight": weight, "bias": bias, "input": scale, "step": step, "output": after}
