"""An LSTM in the projector's place, in floats and as the exact graph of floats that it will be.

Gates are hard sigmoids, the candidate and what a cell shows are hard tanhs, all with slopes that are powers of two and
part of the weights. Everything is counted in small units, so that a quantised network computes with integers in float32
(docs/determinism.md); `recurrent_graph.py` writes them down. Behind the cells are the layers and the head of `Network`.

It trains and is scored on the same samples as the other networks, each with the steps before it to warm up on. Where a
sequence is a lane's start, rows of zeros stand in front of it, through which the state stays zero.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import nn

from runtime.predictor.features import FEATURES, WINDOW

from .dataset import COLD_STEPS, Dataset
from .network import INPUT_SCALE, Network, power_of_two

STEPS, KEPT = 64, COLD_STEPS  # of a sequence; its last ones, which the loss counts in training
GATE, CELL, HIDDEN = 256, 4096, 128  # units of gates, of cells and of what they show, in 1
LIMIT = 4 * CELL  # of cells
ZERO = 128  # of uint8 inputs
WEIGHT_BITS = 9  # of magnitudes, of the weights of gates and candidates


def rounded(x):
    """Round with the gradient of the identity, by few operations."""
    with torch.no_grad():
        change = torch.round(x) - x
    return x + change


class Recurrent(Network):
    """LSTM, fully connected layers, and a head for location and scale; see `Network`.

    Parameters
    ----------
    features, cells : int
        Inputs per row, cells of the LSTM.
    predictor : sequence of int
        Sizes of the layers behind it.
    window : int
        How many of the newest residuals are seen in each step.
    """

    def __init__(self, features=FEATURES, cells=12, predictor=(8,), window=WINDOW):
        super().__init__(cells, (), predictor)
        self.inputs_unseen, self.cells, self.kept = WINDOW - window, cells, KEPT
        size = features - self.inputs_unseen + cells
        self.gates, self.candidate = nn.Linear(size, 3 * cells), nn.Linear(size, cells)
        for layer, slope in ((self.gates, 0.25), (self.candidate, 1.0)):
            nn.init.uniform_(layer.weight, -slope * cells**-0.5, slope * cells**-0.5)
        self.gates.bias.data = torch.tensor([0.5, 0.8, 0.5]).repeat_interleave(cells)
        nn.init.zeros_(self.candidate.bias)

    @property
    def macs(self):
        """Multiply-accumulates per sample, those of gates and states included."""
        layers = [self.gates, self.candidate, *self.layers, self.head]
        return sum(layer.weight.numel() for layer in layers) + 3 * self.cells

    def forward(self, features):
        """Output [N * kept, 2] of sequences, float [N * STEPS, features], as `Network` gives it."""
        sequences = features.view(-1, STEPS, features.shape[1])
        x = self.show(sequences[:, :, self.inputs_unseen :])[:, -self.kept :].flatten(0, 1)
        x, scale = x / HIDDEN, 1 / HIDDEN
        for layer, after in zip(self.layers, self.scales.tolist()):
            x, scale = self.step(layer, x, scale, after), after
        return self.output(x)

    def show(self, x):
        """What the cells show, float [N, steps, cells] in units of 1 / HIDDEN, of uint8 inputs [N, steps, seen]."""
        seen, n = x.shape[-1], self.cells
        weights, biases = zip(*(self.folded(layer, unit) for layer, unit in self.parts()))
        weight, bias = torch.cat(weights), torch.cat(biases)
        low = torch.tensor([0.0, -CELL]).repeat_interleave(torch.tensor([3 * n, n]))
        high = torch.tensor([float(GATE), CELL]).repeat_interleave(torch.tensor([3 * n, n]))
        fit = rounded if self.quantised else lambda value: value
        back = weight[:, seen:].T.contiguous()
        cell = hidden = x.new_zeros(len(x), n)
        begun, shown = x.any(2, keepdim=True).float().unbind(1), []
        for t, own in enumerate(nn.functional.linear(x, weight[:, :seen], bias).unbind(1)):
            total = fit(torch.addmm(own, hidden, back).clamp(low, high))
            enter, keep, out, new = total.chunk(4, 1)
            cell = fit((keep * cell + enter * new) * (1 / GATE)).clamp(-LIMIT, LIMIT)
            hidden = fit(out * cell.clamp(-CELL, CELL) * (HIDDEN / (GATE * CELL)))
            if t < STEPS - KEPT:
                cell, hidden = cell * begun[t], hidden * begun[t]
            shown.append(hidden)
        return torch.stack(shown, 1)

    def parts(self):
        """The layers into the cells, each with the unit of what it gives."""
        return (self.gates, GATE), (self.candidate, CELL)

    def folded(self, layer, unit):
        """Weights and bias of gates or candidates in units of their result, for uint8 inputs and shown units."""
        w, b = layer.weight, layer.bias
        seen = w.shape[1] - self.cells
        if self.quantised:
            step = self.weight_step(w.detach(), b.detach())
            w, b = rounded(w / step) * step, rounded(b / (step / HIDDEN)) * (step / HIDDEN)
        w = torch.cat([w[:, :seen] * (unit * INPUT_SCALE), w[:, seen:] * (unit / HIDDEN)], 1)
        return w, b * unit - ZERO * w[:, :seen].sum(1)

    def weight_step(self, w, b):
        """Grid of the weights: sums stay below 2^24 units."""
        seen = w.shape[1] - self.cells
        step = power_of_two(w.abs().max() / 2**WEIGHT_BITS)
        own = w[:, :seen] * INPUT_SCALE
        worst = own.abs().sum(1) * 255 + w[:, seen:].abs().sum(1) + (b - ZERO * own.sum(1)).abs()
        while float(worst.max()) * HIDDEN / step > 0.9 * 2**24:
            step *= 2
        return step

    @torch.no_grad()
    def calibrate(self, features, quantile=0.9995):
        """Set the layers' scales from sequences: the next power of two of a quantile over 255."""
        quantised, self.quantised = self.quantised, False
        x = self.show(features.view(-1, STEPS, features.shape[1])[:, -STEPS:, self.inputs_unseen :])
        x = x[:, -self.kept :].flatten(0, 1) / HIDDEN
        for i, layer in enumerate(self.layers):
            x = torch.relu(layer(x))
            self.scales[i] = power_of_two(torch.quantile(x.flatten()[: 1 << 20], quantile) / 255)
        self.quantised = quantised

    @torch.no_grad()
    def integers(self):
        """The quantised network as numpy arrays, everything in units of its result.

        Returns
        -------
        dict
            `cells`; `gates` and `candidate`, each a pair of weight float32 [out, 20 + cells] (for uint8 inputs and
            what cells show) and bias float32 [out]; `layers`, such pairs that give 0..255; `head`, one that gives the
            output.
        """
        quantised, self.quantised = self.quantised, True
        into = [self.folded(layer, unit) for layer, unit in self.parts()]
        self.quantised = quantised
        into = [(nn.functional.pad(w, (self.inputs_unseen, 0)), b) for w, b in into]
        layers, head = super().integers(1 / HIDDEN)
        scale, behind = 1 / HIDDEN, []
        for layer, after in zip(layers, self.scales.tolist()):
            weight = layer["weight"] * (layer["step"] * scale / after)
            behind.append((weight, layer["bias"] * (layer["step"] * scale / after)))
            scale = after
        pairs = [*((w.numpy(), b.numpy()) for w, b in into), *behind, (head["weight"] * scale, head["bias"])]
        gates, candidate, *behind, head = [tuple(np.asarray(p, np.float32) for p in pair) for pair in pairs]
        return {"cells": self.cells, "gates": gates, "candidate": candidate, "layers": behind, "head": head}


@dataclass
class Sequences(Dataset):
    """A `Dataset` whose rows are sequences that end at the positions; references and codes are of the kept steps."""

    kept: int = KEPT

    @classmethod
    def of_rows(cls, data, kept):
        return cls(**{f.name: getattr(data, f.name) for f in fields(data)}, kept=kept)

    def rows(self, i):
        steps = np.maximum(i[:, None] + np.arange(1 - STEPS, 1), WINDOW)
        last = steps[:, -self.kept :].ravel()
        return super().rows(steps.ravel())[0], self.prediction[last], self.codes[last].astype(np.int32)

    def batch(self, random, size):
        """Sequences with `size` kept steps in all, a few of them the first steps of lanes."""
        count = size // self.kept
        few = round(count * self.cold_part) if self.kept == COLD_STEPS else 0
        rows = self.rows(self.positions(random, self.spans[random.integers(0, len(self.spans), count - few)]))
        pick = random.integers(0, len(self.cold[1]) // COLD_STEPS, few)[:, None] * COLD_STEPS + np.arange(COLD_STEPS)
        features, prediction, codes = (part[pick] for part in self.cold)
        features = np.pad(features, ((0, 0), (STEPS - COLD_STEPS, 0), (0, 0))).reshape(-1, features.shape[2])
        cold = features, prediction.ravel(), codes.ravel().astype(np.int32)
        return tuple(np.concatenate(both) for both in zip(rows, cold))

    def fixed(self, each=8000, seed=7, size=5000):
        return super().fixed(each, seed, size)


def sequences(training, validation):
    """Training data, and a dict of validation data, as sequences."""
    return Sequences.of_rows(training, KEPT), {name: Sequences.of_rows(part, 1) for name, part in validation.items()}
