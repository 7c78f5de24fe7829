"""An LSTM in the projector's place, in floats, for the ablation table: what a memory could gain over the window.

It trains and is scored on the same samples as the other networks, each with the steps before it to warm up on. It is
not exported: its state would make encoding go step by step, and format 1 has none.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import nn

from runtime.features import WINDOW

from .dataset import Dataset
from .network import INPUT_SCALE, OUTPUT_UNITS

STEPS, KEPT = 64, 32  # of a sequence; its last ones, which the loss counts in training


class Recurrent(nn.Module):
    """LSTM, one hidden layer, and a head for location and scale; see `Network`.

    Parameters
    ----------
    features, size, hidden : int
        Inputs per row, cells, neurons behind them.
    window : int
        How many of the newest residuals are seen in each step.
    """

    def __init__(self, features, size, hidden, window):
        super().__init__()
        self.unseen, self.kept, self.quantised = WINDOW - window, KEPT, False
        self.lstm = nn.LSTM(features - self.unseen, size, batch_first=True)
        self.hidden, self.head = nn.Linear(size, hidden), nn.Linear(hidden, 2)
        nn.init.zeros_(self.head.weight)
        self.head.bias.data = torch.tensor([0.0, 2.5])

    @property
    def macs(self):
        """Multiply-accumulates per sample, without the products of the gates."""
        return sum(p.numel() for p in self.parameters() if p.ndim == 2)

    def forward(self, features):
        """Output [N * kept, 2] of sequences, float [N * STEPS, features], as `Network` gives it."""
        x = ((features[:, self.unseen :] - 128) * INPUT_SCALE).view(-1, STEPS, features.shape[1] - self.unseen)
        x = self.lstm(x)[0][:, -self.kept :].flatten(0, 1)
        return self.head(torch.relu(self.hidden(x))) * torch.tensor(OUTPUT_UNITS)


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
        return super().rows(steps.ravel())[0], self.reference[last], self.codes[last].astype(np.int32)

    def batch(self, random, size):
        """Sequences with `size` kept steps in all; none from lane starts."""
        spans = self.spans[random.integers(0, len(self.spans), size // self.kept)]
        return self.rows(self.positions(random, spans))

    def fixed(self, each=8000, seed=7, size=5000):
        return super().fixed(each, seed, size)
