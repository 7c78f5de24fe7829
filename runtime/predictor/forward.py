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
        self._q6 = np.zeros((ORDER + most, count), np.int32)
        self._history = np.full((count, features.WINDOW + most), 128, np.uint8)
        self._taps = np.lib.stride_tricks.sliding_window_view(self._q6, ORDER, axis=0)
        self._prediction = np.empty((most, count), np.int32)
        self._difference = np.empty((2, most, count), np.int32)
        self._small = np.empty((2 + len(features.RATES), most, count), np.uint8)
        self._means = np.empty((most + 1, len(features.RATES), count), np.int32)
        self._scratch, self._shifts = np.empty((len(features.RATES), count), np.int32), features.shifts(count)
        self._inputs = np.zeros((most * count, features.FEATURES), np.uint8)
        self._output = np.zeros((most * count, 2), np.int32)
        self._linear, self._implant = bool(lanes.linear.any()), np.flatnonzero(lanes.linear == 0)
        self._sample_codes, self._sample_q6 = _sample_tables(model.entropy)
        self._calls: dict[int, object] = {}
        self.reset()

    def reset(self) -> None:
        """As at the start of a lane."""
        self._q6[:ORDER] = 0
        self._history[:, : features.WINDOW] = 128
        self._means[0] = features.initial_means(self._lanes.initial_scale)

    def symbols(self, samples: np.ndarray) -> tuple[np.ndarray, ...]:
        """What a coder needs to code the next steps.

        Parameters
        ----------
        samples : int16 [steps, lanes], as they are coded; contiguous

        Returns
        -------
        code : int64 [steps, lanes], negative or above 1023 where a sample has none
        sample : the samples
        location : int64 [steps, lanes], Q6 units
        scale : int64 [steps, lanes]
        """
        lanes = self._lanes
        if self._linear:
            q6, code = lane_values(samples, lanes, self._model.entropy)
            code = code.astype(np.int64)
        if not self._linear or len(self._implant):
            pattern = samples.view(np.uint16).astype(np.int64)
            implant_q6 = self._sample_q6.take(pattern)
            implant_q6 -= lanes.mean
            implant_code = self._sample_codes.take(pattern)
            if self._linear:
                q6[:, self._implant] = implant_q6[:, self._implant]
                code[:, self._implant] = implant_code[:, self._implant]
            else:
                q6, code = implant_q6, implant_code
        prediction, output = self.run(q6)
        location = output[:, :, 0].astype(np.int64)
        location <<= 2
        location += prediction
        location += lanes.mean
        if self._linear:
            centre = ((prediction + lanes.mean + 32) >> 6) & lanes.linear
            location -= centre.astype(np.int64) << 6
            code -= centre
        return code, samples, location, output[:, :, 1].astype(np.int64)

    def run(self, q6: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take the next steps.

        Parameters
        ----------
        Q6 units : int32 [steps, lanes], without the mean

        Returns
        -------
        reference : int32 [steps, lanes], the linear prediction without the mean
        output : int32 [steps, lanes, 2], of the network. Both are overwritten by the next call.
        """
        steps, count = q6.shape
        self._q6[ORDER : ORDER + steps] = q6
        prediction = self._predict(steps)
        self._fill_inputs(steps, prediction)
        if steps not in self._calls:
            rows = steps * count
            self._calls[steps] = self._model.bind(self._inputs[:rows], self._output[:rows])
        self._calls[steps]()
        self._q6[:ORDER] = self._q6[steps : steps + ORDER].copy()
        return prediction, self._output[: steps * count].reshape(steps, count, 2)

    def _predict(self, steps: int) -> np.ndarray:
        prediction = np.einsum("slk,kl->sl", self._taps[:steps], self._lanes.coefficients, out=self._prediction[:steps])
        prediction += features.ROUND
        prediction >>= COEFFICIENT_BITS
        return prediction

    def _fill_inputs(self, steps: int, prediction: np.ndarray) -> None:
        window, count = features.WINDOW, len(self._lanes)
        difference, small = self._difference[:, :steps], self._small[:, :steps]
        np.subtract(self._q6[ORDER : ORDER + steps], prediction, out=difference[0])
        np.subtract(self._q6[ORDER - 1 : ORDER - 1 + steps], prediction, out=difference[1])
        features.run_means(self._means, features.magnitude(difference[0]), self._shifts, self._scratch)
        difference >>= 5
        difference += 128
        np.maximum(difference, 0, out=difference)
        np.minimum(difference, 255, out=difference)
        small[:2] = difference
        small[2:] = features.log_means(self._means[:steps]).transpose(1, 0, 2)
        self._means[0] = self._means[steps]
        self._history[:, window : window + steps] = small[0].T
        inputs = self._inputs[: steps * count].reshape(steps, count, features.FEATURES)
        packed = np.ndarray((steps, count), "V16", inputs.data, 0, inputs.strides[:2])
        packed[...] = features.windows(self._history, steps)
        inputs[:, :, window:] = small[1:].transpose(1, 2, 0)
        self._history[:, :window] = self._history[:, steps : steps + window].copy()


def _sample_tables(entropy: EntropyModel) -> tuple[np.ndarray, np.ndarray]:
    """Coded value int64 and Q6 value int32 of each sample of a implant channel, by its 16 bits; off the implant's table -1 and
    the Q6 value of the nearest code."""
    samples = np.arange(1 << 16).astype(np.uint16).view(np.int16)
    code = codes_of(samples).astype(np.int64)
    q6 = entropy.reconstruction[np.where(code < 0, (samples >> 6) + CODES // 2, code)]
    if entropy.bins is not None:
        code = np.where(code < 0, -1, entropy.bins[code])
    return code, q6
