"""An LSTM in the projector's place, in floats and as the exact graph of floats that it will be.

Gates are hard sigmoids, the candidate and the cells' output are hard tanhs, all with slopes that are powers of two and
part of the weights. Everything is counted in small units, so that a quantised network computes with integers in float32
(docs/determinism.md). Behind the cells are the layers and the head of `Network`.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from runtime.predictor.input_arithmetic import FEATURES, WINDOW

from ..data.sequences import LOSS_STEPS, STEPS
from .network import Network
from .quantisation import INPUT_SCALE, ZERO, activation_scale, dense, power_of_two, rounded
from .units import CELL_LIMIT, CELL_SCALE, GATE_SCALE, HIDDEN_SCALE

WEIGHT_BITS = 9  # of magnitudes, of the weights of gates and candidates


class Recurrent(Network):
    """LSTM, fully connected layers, and a head for location and scale; see `Network`.

    Parameters
    ----------
    features, cells : int
        Inputs per row, cells of the LSTM.
    predictor : sequence of int
        Sizes of the layers behind it.
    window : int
        How many of the newest residuals are used in each step.
    """

    def __init__(
        self, features: int = FEATURES, cells: int = 12, predictor: Sequence[int] = (8,), window: int = WINDOW
    ):
        super().__init__(cells, (), predictor)
        self.skipped_inputs, self.cells, self.loss_steps = WINDOW - window, cells, LOSS_STEPS
        size = features - self.skipped_inputs + cells
        self.gates, self.candidate = nn.Linear(size, 3 * cells), nn.Linear(size, cells)
        for layer, slope in ((self.gates, 0.25), (self.candidate, 1.0)):
            nn.init.uniform_(layer.weight, -slope * cells**-0.5, slope * cells**-0.5)
        self.gates.bias.data = torch.tensor([0.5, 0.8, 0.5]).repeat_interleave(cells)
        nn.init.zeros_(self.candidate.bias)

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample, those of gates and states included."""
        layers = [self.gates, self.candidate, *self.layers, self.head]
        return sum(layer.weight.numel() for layer in layers) + 3 * self.cells

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return output [N * loss_steps, 2] of sequences, float [N * STEPS, features], as `Network` gives it."""
        x, scale = self.hidden(features), 1 / HIDDEN_SCALE
        for layer, after in zip(self.layers, self.scales.tolist()):
            x, scale = dense(layer, x, scale, after, self.quantised), after
        return self.output(x)

    def hidden(self, features: torch.Tensor) -> torch.Tensor:
        """Return the hidden units [N * loss_steps, cells] of sequences, float [N * STEPS, features]."""
        sequences = features.view(-1, STEPS, features.shape[1])[:, :, self.skipped_inputs :]
        return self.run(sequences)[:, -self.loss_steps :].flatten(0, 1) / HIDDEN_SCALE

    def run(self, x: torch.Tensor) -> torch.Tensor:
        """Return hidden units, float [N, steps, cells] in units of 1 / HIDDEN_SCALE, of uint8 inputs [N, steps, used].

        Rows of zeros in front of a lane's start leave the state at zero.
        """
        used, n = x.shape[-1], self.cells
        weights, biases = zip(*(self.folded(layer, unit) for layer, unit in self.cell_layers()))
        weight, bias = torch.cat(weights), torch.cat(biases)
        counts = torch.tensor([3 * n, n])
        low = torch.tensor([0.0, -CELL_SCALE]).repeat_interleave(counts)
        high = torch.tensor([float(GATE_SCALE), CELL_SCALE]).repeat_interleave(counts)
        fit = rounded if self.quantised else lambda value: value
        back = weight[:, used:].T.contiguous()
        cell = hidden = x.new_zeros(len(x), n)
        begun, outputs = x.any(2, keepdim=True).float().unbind(1), []
        for t, own in enumerate(nn.functional.linear(x, weight[:, :used], bias).unbind(1)):
            total = fit(torch.addmm(own, hidden, back).clamp(low, high))
            input_gate, forget_gate, output_gate, candidate = total.chunk(4, 1)
            cell = fit((forget_gate * cell + input_gate * candidate) * (1 / GATE_SCALE)).clamp(-CELL_LIMIT, CELL_LIMIT)
            clipped = cell.clamp(-CELL_SCALE, CELL_SCALE)
            hidden = fit(output_gate * clipped * (HIDDEN_SCALE / (GATE_SCALE * CELL_SCALE)))
            if t < STEPS - LOSS_STEPS:
                cell, hidden = cell * begun[t], hidden * begun[t]
            outputs.append(hidden)
        return torch.stack(outputs, 1)

    def cell_layers(self) -> tuple[tuple[nn.Linear, int], ...]:
        """Return the layers into the cells, each with the unit of its result."""
        return (self.gates, GATE_SCALE), (self.candidate, CELL_SCALE)

    def folded(self, layer: nn.Linear, unit: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weights and bias of gates or candidates in units of their result, for uint8 and hidden inputs."""
        w, b = layer.weight, layer.bias
        used = w.shape[1] - self.cells
        if self.quantised:
            step = self.weight_step(w.detach(), b.detach())
            w, b = rounded(w / step) * step, rounded(b / (step / HIDDEN_SCALE)) * (step / HIDDEN_SCALE)
        w = torch.cat([w[:, :used] * (unit * INPUT_SCALE), w[:, used:] * (unit / HIDDEN_SCALE)], 1)
        return w, b * unit - ZERO * w[:, :used].sum(1)

    def weight_step(self, w: torch.Tensor, b: torch.Tensor) -> float:
        """Return the grid of the weights: sums stay below 2^24 units."""
        used = w.shape[1] - self.cells
        step = power_of_two(w.abs().max() / 2**WEIGHT_BITS)
        own = w[:, :used] * INPUT_SCALE
        worst = own.abs().sum(1) * 255 + w[:, used:].abs().sum(1) + (b - ZERO * own.sum(1)).abs()
        while float(worst.max()) * HIDDEN_SCALE / step > 0.9 * 2**24:
            step *= 2
        return step

    @torch.no_grad()
    def calibrate(self, features: torch.Tensor) -> None:
        """Set the layers' scales from sequences."""
        quantised, self.quantised = self.quantised, False
        x = self.hidden(features)
        for i, layer in enumerate(self.layers):
            x = torch.relu(layer(x))
            self.scales[i] = activation_scale(x)
        self.quantised = quantised

    @torch.no_grad()
    def integers(self) -> dict:
        """Return the quantised network as numpy arrays, everything in units of its result.

        Returns
        -------
        dict
            `cells`; `gates` and `candidate`, each a pair of weight float32 [out, 20 + cells] (for uint8 inputs and
            hidden units) and bias float32 [out]; `layers`, such pairs that give 0..255; `head`, one that gives the
            output.
        """
        quantised, self.quantised = self.quantised, True
        into = [self.folded(layer, unit) for layer, unit in self.cell_layers()]
        self.quantised = quantised
        into = [(nn.functional.pad(w, (self.skipped_inputs, 0)), b) for w, b in into]
        layers, head = super().integers(1 / HIDDEN_SCALE)
        scale, behind = 1 / HIDDEN_SCALE, []
        for layer, after in zip(layers, self.scales.tolist()):
            weight = layer["weight"] * (layer["step"] * scale / after)
            behind.append((weight, layer["bias"] * (layer["step"] * scale / after)))
            scale = after
        pairs = [*((w.numpy(), b.numpy()) for w, b in into), *behind, (head["weight"] * scale, head["bias"])]
        gates, candidate, *behind, head = [tuple(np.asarray(p, np.float32) for p in pair) for pair in pairs]
        return {"cells": self.cells, "gates": gates, "candidate": candidate, "layers": behind, "head": head}
