"""Value maps of lanes: from samples to coded values and Q6 values, and back (docs/format.md section 4.2).

An implant lane codes the index of its sample in the implant's table. A linear lane codes its sample without low bits,
relative to a centre that follows the prediction.
"""

from __future__ import annotations

import numpy as np

from ..core.implant_table import ImplantValues
from ..core.q6 import centres, q6_values
from ..entropy.entropy_model import CODES
from .lanes import Lanes, as_columns

_HALF_CODES = CODES // 2


class ValueMaps:
    """The value maps of some lanes.

    linear : numbers of the linear lanes (int64 or a slice), None if there are none
    """

    def __init__(self, lanes: Lanes, part: slice = slice(None)):
        self._is_linear, self._shifts = lanes.linear[part] != 0, lanes.shift[part]
        numbers = np.flatnonzero(self._is_linear)
        self.linear = as_columns(numbers) if len(numbers) else None
        self._only_linear = bool(self._is_linear.all())
        self._shift = self._shifts[numbers]
        self._low_bits = np.maximum(self._shift, 0)
        self._octaves = lanes.octaves[part][numbers]

    def forward(self, samples: np.ndarray, implant: ImplantValues) -> tuple[np.ndarray, np.ndarray]:
        """Return Q6 values and coded values, int32 [steps, lanes], of samples int16 [steps, lanes].

        Coded values of linear lanes are around 512 and not relative to their centre yet.
        """
        if self._only_linear:
            return q6_values(samples, self._shift), (samples >> self._low_bits) + np.int32(_HALF_CODES)
        pattern = samples.view(np.uint16)
        q6, code = implant.q6.take(pattern), implant.codes.take(pattern)
        if self.linear is not None:
            some = samples[:, self.linear]
            q6[:, self.linear] = q6_values(some, self._shift)
            code[:, self.linear] = (some >> self._low_bits) + _HALF_CODES
        return q6, code

    def centre(self, prediction: np.ndarray) -> np.ndarray:
        """Return the centres int32 [..., linear lanes] by the linear prediction int32 [..., lanes], mean included."""
        return centres(prediction[..., self.linear], self._octaves)

    def from_centre(self, location: np.ndarray, centre: np.ndarray) -> None:
        """Make the locations int32 [..., lanes] of linear lanes relative to their centres."""
        location[..., self.linear] -= centre << self._octaves

    def samples(self, code: np.ndarray, centre: np.ndarray, low: np.ndarray | int) -> np.ndarray:
        """Return the samples of the linear lanes by the codes [lanes] of one step."""
        return ((code[self.linear] - _HALF_CODES + centre) << self._low_bits) | low

    def q6(self, samples: np.ndarray) -> np.ndarray:
        """Return Q6 values int32 of samples [linear lanes]."""
        return q6_values(samples, self._shift)

    def q6_at(self, numbers: np.ndarray, samples: np.ndarray, implant: ImplantValues) -> np.ndarray:
        """Return Q6 values int32 of int16 samples of some lanes, whatever their kind."""
        of_linear = q6_values(samples, self._shifts[numbers])
        return np.where(self._is_linear[numbers], of_linear, implant.q6.take(samples.view(np.uint16)))
