"""Cross-channel linear prediction: what reference lanes add to a lane's prediction (docs/format.md section 5.1).

Reference lanes are of earlier order levels. Each gives its newest four values, that of the present step included.
"""

from __future__ import annotations

import numpy as np

from .channel_parameters import ORDER, REFERENCE_TAPS, REFERENCES
from .lanes import Lanes

_VALUES = np.dtype(f"V{4 * REFERENCE_TAPS}")


class BlockReferences:
    """The references of all lanes, for many steps at once."""

    def __init__(self, lanes: Lanes):
        self._lanes = lanes

    def add(self, total: np.ndarray, values: np.ndarray) -> None:
        """Add the references' part to int32 [steps, lanes].

        Parameters
        ----------
        values : int32 [16 + steps, lanes], Q6 values without their mean, from 16 steps before the first one on
        """
        size = len(total)
        newest = values[ORDER + 1 - REFERENCE_TAPS : ORDER + size]
        for chosen, taps in zip(self._lanes.references, self._lanes.reference_taps, strict=True):
            if taps.any():
                part = newest.take(chosen, axis=1)
                for tap, coefficients in enumerate(taps):
                    total += part[tap : tap + size] * coefficients


class NewestValues:
    """The newest four Q6 values of all lanes, int32 [lanes, 4], the newest last; in the middle of a time step those of
    the order levels before it are one step further."""

    def __init__(self, count: int):
        self.values = np.zeros((count, REFERENCE_TAPS), np.int32)


class StepReferences:
    """The references of some lanes, for one step."""

    def __init__(self, newest: NewestValues, lanes: Lanes, part: slice):
        self._newest, self._own = newest.values, newest.values[part]
        self._chosen = np.ascontiguousarray(lanes.references[:, part].T)
        count, taps = len(self._chosen), lanes.reference_taps[..., part].transpose(2, 0, 1)
        self._taps = np.ascontiguousarray(taps.reshape(count, REFERENCES * REFERENCE_TAPS))
        self._any = bool(taps.any())
        self._values = np.empty(self._taps.shape, np.int32)
        self._sum = np.empty(count, np.int32)

    def add(self, total: np.ndarray) -> None:
        """Add the references' part to int32 [lanes]."""
        if self._any:
            self._newest.view(_VALUES)[:, 0].take(self._chosen, out=self._values.view(_VALUES), mode="clip")
            total += np.einsum("ij,ij->i", self._values, self._taps, out=self._sum)

    def learn(self, values: np.ndarray) -> None:
        """Take in the decoded values int32 [lanes]."""
        self._own[:, :-1] = self._own[:, 1:]
        self._own[:, -1] = values
