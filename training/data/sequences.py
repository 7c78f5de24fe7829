"""A `Dataset` as sequences, for networks with a state.

They end at the same samples that other networks are trained and scored on, each with the steps before it to warm up
on. Where a sequence is a lane's start, rows of zeros stand in front of it, through which the state stays zero.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from .dataset import START_SHARE, START_STEPS, Dataset, Rows
from .features import WINDOW

STEPS = 64  # of a sequence
LOSS_STEPS = START_STEPS  # its last ones, which the loss counts in training


@dataclass
class Sequences(Dataset):
    """A `Dataset` whose rows are sequences; predictions and codes are of the last `loss_steps`."""

    loss_steps: int = LOSS_STEPS

    @classmethod
    def of_rows(cls, data: Dataset, loss_steps: int) -> "Sequences":
        """Return the same data as sequences."""
        return cls(**{f.name: getattr(data, f.name) for f in fields(data)}, loss_steps=loss_steps)

    def rows(self, i: np.ndarray) -> Rows:
        """Return the sequences that end at positions i."""
        steps = np.maximum(i[:, None] + np.arange(1 - STEPS, 1), WINDOW)
        last = steps[:, -self.loss_steps :].ravel()
        return super().rows(steps.ravel())[0], self.prediction[last], self.codes[last].astype(np.int32)

    def batch(self, random: np.random.Generator, size: int) -> Rows:
        """Return sequences with `size` counted steps in all, a few of them the first steps of lanes."""
        count = size // self.loss_steps
        few = round(count * START_SHARE) if self.loss_steps == START_STEPS else 0
        rows = self.rows(self.positions(random, self.spans[random.integers(0, len(self.spans), count - few)]))
        pick = random.integers(0, len(self.starts[1]) // START_STEPS, few)[:, None] * START_STEPS
        features, prediction, codes = (part[pick + np.arange(START_STEPS)] for part in self.starts)
        features = np.pad(features, ((0, 0), (STEPS - START_STEPS, 0), (0, 0))).reshape(-1, features.shape[2])
        starts = features, prediction.ravel(), codes.ravel().astype(np.int32)
        return tuple(np.concatenate(both) for both in zip(rows, starts))

    def fixed(self, each: int = 8000, seed: int = 7, size: int = 5000) -> Iterator[Rows]:
        """Yield the same random sequences in every call."""
        return super().fixed(each, seed, size)


def sequences(training: Dataset, validation: dict[str, Dataset]) -> tuple[Sequences, dict[str, Sequences]]:
    """Return training data and validation data as sequences; validation counts the last step only."""
    last = {name: Sequences.of_rows(part, 1) for name, part in validation.items()}
    return Sequences.of_rows(training, LOSS_STEPS), last
