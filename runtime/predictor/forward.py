"""The encoder's side of the predictor: many steps of all lanes at once, since nothing depends on the network's outputs.

The same steps as in `runtime.encoder`, with state that goes on from block to block and buffers made once.
"""

from __future__ import annotations

import numpy as np

from ..core.implant_table import codes_of
from ..entropy.tables import CODES, EntropyModel
from . import features
from .channel_parameters import COEFFICIENT_BITS, ORDER
from .lanes import Lanes, lane_values
from .model import Model


class Forward:
    """Runs predictor and network over blocks of up to `most` steps.

    Parameters
    ----------
    model : Model
    lanes : Lanes
    most : int
    """

    def __init__(self, model: Model, lanes: Lanes, most: int):
        self._model, self._lanes, self._most = model, lanes, most
        count = len(lanes)
        self._ticks = np.zeros((ORDER + most, count), np.int32)
        self._history = np.full((count, features.WINDOW + most), 128, np.uint8)
        self._taps = np.lib.stride_tricks.sliding_window_view(self._ticks, ORDER, axis=0)
        self._reference = np.empty((most, count), np.int32)
        self._difference = np.empty((2, most, count), np.int32)
        self._small = np.empty((2 + len(features.RATES), most, count), np.uint8)
        self._means = np.empty((most + 1, len(features.RATES), count), np.int32)
        self._scratch, self._shifts = np.empty((len(features.RATES), count), np.int32), features.shifts(count)
        self._inputs = np.zeros((most * count, features.FEATURES), np.uint8)
        self._output = np.zeros((most * count, 2), np.int32)
        self._grid, self._lattice = bool(lanes.grid.any()), np.flatnonzero(lanes.grid == 0)
        self._sample_codes, self._sample_ticks = _sample_tables(model.entropy)
        self._calls: dict[int, object] = {}
        self.reset()

    def reset(self) -> None:
        """As at the start of a lane."""
        self._ticks[:ORDER] = 0
        self._history[:, : features.WINDOW] = 128
        self._means[0] = features.initial_means(self._lanes.spread)

    def symbols(self, samples: np.ndarray) -> tuple[np.ndarray, ...]:
        """What a coder needs to code the next steps.

        Parameters
        ----------
        samples : int16 [steps, lanes], as they are coded; contiguous

        Returns
        -------
        code : int64 [steps, lanes], negative or above 1023 where a sample has none
        sample : the samples
        location : int64 [steps, lanes], ticks
        scale : int64 [steps, lanes]
        """
        lanes = self._lanes
        if self._grid:
            ticks, code = lane_values(samples, lanes, self._model.entropy)
            code = code.astype(np.int64)
        if not self._grid or len(self._lattice):
            pattern = samples.view(np.uint16).astype(np.int64)
            lattice_ticks = self._sample_ticks.take(pattern)
            lattice_ticks -= lanes.mean
            lattice_code = self._sample_codes.take(pattern)
            if self._grid:
                ticks[:, self._lattice] = lattice_ticks[:, self._lattice]
                code[:, self._lattice] = lattice_code[:, self._lattice]
            else:
                ticks, code = lattice_ticks, lattice_code
        reference, output = self.run(ticks)
        location = output[:, :, 0].astype(np.int64)
        location <<= 2
        location += reference
        location += lanes.mean
        if self._grid:
            centre = ((reference + lanes.mean + 32) >> 6) & lanes.grid
            location -= centre.astype(np.int64) << 6
            code -= centre
        return code, samples, location, output[:, :, 1].astype(np.int64)

    def run(self, ticks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take the next steps.

        Parameters
        ----------
        ticks : int32 [steps, lanes], without the mean

        Returns
        -------
        reference : int32 [steps, lanes], the linear prediction without the mean
        output : int32 [steps, lanes, 2], of the network. Both are overwritten by the next call.
        """
        steps, count = ticks.shape
        self._ticks[ORDER : ORDER + steps] = ticks
        reference = self._predict(steps)
        self._fill_inputs(steps, reference)
        if steps not in self._calls:
            rows = steps * count
            self._calls[steps] = self._model.bind(self._inputs[:rows], self._output[:rows])
        self._calls[steps]()
        self._ticks[:ORDER] = self._ticks[steps : steps + ORDER].copy()
        return reference, self._output[: steps * count].reshape(steps, count, 2)

    def _predict(self, steps: int) -> np.ndarray:
        reference = np.einsum("slk,kl->sl", self._taps[:steps], self._lanes.coefficients, out=self._reference[:steps])
        reference += features.ROUND
        reference >>= COEFFICIENT_BITS
        return reference

    def _fill_inputs(self, steps: int, reference: np.ndarray) -> None:
        window, count = features.WINDOW, len(self._lanes)
        difference, small = self._difference[:, :steps], self._small[:, :steps]
        np.subtract(self._ticks[ORDER : ORDER + steps], reference, out=difference[0])
        np.subtract(self._ticks[ORDER - 1 : ORDER - 1 + steps], reference, out=difference[1])
        features.run_means(self._means, features.magnitude(difference[0]), self._shifts, self._scratch)
        difference >>= 5
        difference += 128
        np.maximum(difference, 0, out=difference)
        np.minimum(difference, 255, out=difference)
        small[:2] = difference
        small[2:] = features.level(self._means[:steps]).transpose(1, 0, 2)
        self._means[0] = self._means[steps]
        self._history[:, window : window + steps] = small[0].T
        inputs = self._inputs[: steps * count].reshape(steps, count, features.FEATURES)
        packed = np.ndarray((steps, count), "V16", inputs.data, 0, inputs.strides[:2])
        packed[...] = features.windows(self._history, steps)
        inputs[:, :, window:] = small[1:].transpose(1, 2, 0)
        self._history[:, :window] = self._history[:, steps : steps + window].copy()


def _sample_tables(entropy: EntropyModel) -> tuple[np.ndarray, np.ndarray]:
    """Coded value int64 and tick value int32 of each sample of a lattice channel, by its 16 bits; off the lattice -1 and
    the tick value of the nearest code."""
    samples = np.arange(1 << 16).astype(np.uint16).view(np.int16)
    code = codes_of(samples).astype(np.int64)
    ticks = entropy.middle[np.where(code < 0, (samples >> 6) + CODES // 2, code)]
    if entropy.bins is not None:
        code = np.where(code < 0, -1, entropy.bins[code])
    return code, ticks
