"""The network, in floats and as the integers it will be: features of one time step -> location and scale.

Quantised arithmetic follows docs/determinism.md: uint8 activations, int8 weights in [-64, 64], all scales powers of
two, a head with weights of integers * 2**-k in floats. `Network.integers()` gives what `export` writes down.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from runtime.predictor.input_arithmetic import FEATURES, WINDOW

from .messages import MESSAGE_INPUTS, MiddleOut
from .quantisation import INPUT_SCALE, activation_scale, dense, integers_of, real_inputs, rounded

HEAD_SCALE = 2.0**-8  # of the head's weights; a power of two coarser where sums could leave float32's integers
OUTPUT_UNITS = (16.0, 16.0)  # location in 1/16 code, scale index in 1/16 octave


class Network(nn.Module):
    """Projector and predictor, both fully connected, MiddleOut between them, and a head for location and scale.

    Parameters
    ----------
    features : int
        Inputs per row, without those of reference channels.
    projector, predictor : sequences of int
        Sizes of the hidden layers.
    window : int
        How many of the 16 newest residuals are used. The others, which come first in a row, have weights of zero.
    messages : pair of int, optional
        Sizes of a reference's latent and of a message; without it there is no MiddleOut. Rows have 32 more inputs
        with it.
    """

    def __init__(
        self,
        features: int = FEATURES,
        projector: Sequence[int] = (16,),
        predictor: Sequence[int] = (16,),
        window: int = WINDOW,
        messages: Sequence[int] | None = None,
    ):
        super().__init__()
        self.skipped, self.features = WINDOW - window, features
        sizes = [features - self.skipped, *projector]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.concat_at = len(self.layers)
        self.messages = MiddleOut(sizes[-1], *messages) if messages else None
        sizes = [sizes[-1] + (self.messages.size if messages else 0), *predictor]
        self.layers.extend(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.head = nn.Linear(sizes[-1], 2)
        nn.init.zeros_(self.head.weight)
        self.head.bias.data = torch.tensor([0.0, 2.5])
        self.register_buffer("scales", torch.full([len(self.layers)], 2.0**-6))
        self.quantised = False

    @property
    def width(self) -> int:
        """Inputs per row."""
        return self.features + (MESSAGE_INPUTS if self.messages else 0)

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample, without those of skipped inputs."""
        own = sum(m.weight.numel() for m in [*self.layers, self.head])
        return own + (self.messages.macs if self.messages else 0)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return location relative to the linear prediction (1/16 code) and scale index, float [N, 2].

        Features are uint8 values [N, width].
        """
        x, scale = real_inputs(features[:, self.skipped : self.features]), INPUT_SCALE
        for i, (layer, after) in enumerate(zip(self.layers, self.scales.tolist())):
            if self.messages and i == self.concat_at:
                x = self.messages(x, scale, features[:, self.features :], self.quantised)
            x = dense(layer, x, scale, after, self.quantised)
            scale = after
        return self.output(x)

    def output(self, x: torch.Tensor) -> torch.Tensor:
        """Return the head's output, from what the last layer gives."""
        w, b = self.head_parameters()
        if self.quantised:
            step = self.head_step(w, b)
            w, b = rounded(w / step) * step, rounded(b / step) * step
        out = nn.functional.linear(x, w, b)
        return rounded(out) if self.quantised else out

    def head_parameters(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weights and biases of the head in output units."""
        units = torch.tensor(OUTPUT_UNITS)
        return self.head.weight * units[:, None], self.head.bias * units

    @torch.no_grad()
    def head_step(self, w: torch.Tensor, b: torch.Tensor) -> float:
        """Return the grid of the head's weights and biases: sums stay below 2^24 units, rounding included."""
        scale = float(self.scales[-1])
        largest = float((w.abs().sum(1) * 255 * scale + b.abs()).max())
        step = HEAD_SCALE
        while largest / (step * scale) > 0.9 * 2**24:
            step *= 2
        return step

    @torch.no_grad()
    def calibrate(self, features: torch.Tensor) -> None:
        """Set the activations' scales from a batch."""
        x = real_inputs(features[:, self.skipped : self.features])
        for i, layer in enumerate(self.layers):
            if self.messages and i == self.concat_at:
                self.scales[i - 1] = self.messages.calibrate(x, features[:, self.features :])
                x = self.messages(x, 1.0, features[:, self.features :], False)
            x = torch.relu(layer(x))
            self.scales[i] = activation_scale(x)

    @torch.no_grad()
    def integers(self, scale: float = INPUT_SCALE) -> tuple[list[dict], dict]:
        """Return the quantised network as numpy arrays; `scale` is that of the inputs.

        Returns
        -------
        layers : list of dicts
            As `integers_of` gives them; behind the projector, if there is MiddleOut, `MiddleOut.integers`.
        head : dict
            `weight` float32 [2, in] and `bias` float32 [2], multiples of `head_step`; `input` scale.
        """
        layers = []
        for i, (layer, after) in enumerate(zip(self.layers, self.scales.tolist())):
            if self.messages and i == self.concat_at:
                layers.append(self.messages.integers(scale))
            layers.append(integers_of(layer, scale, after))
            scale = after
        layers[0]["weight"] = np.pad(layers[0]["weight"], ((0, 0), (self.skipped, 0)))
        step = self.head_step(*self.head_parameters())
        w, b = (torch.round(p / step) * step for p in self.head_parameters())
        return layers, {"weight": w.numpy(), "bias": b.numpy(), "input": scale}
