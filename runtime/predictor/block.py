"""The predictor over many time steps at once: for samples that are known, since no input depends on the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..core.implant_table import ImplantValues
from . import input_arithmetic
from .adaptive import Adaptive
from .channel_parameters import COEFFICIENT_BITS, ORDER
from .inputs import NetworkInputs
from .lanes import Lanes
from .model import Model
from .networks.messages import BlockMessages
from .networks.recurrent import States
from .past import Past
from .references import BlockReferences
from .value_maps import ValueMaps


@dataclass
class Inputs:
    """A block of steps in front of the network.

    own : uint8 [steps, lanes, 20]; overwritten by the next block
    messages : uint8 [steps, lanes, 4, 8], None for networks without
    prediction : int32 [steps, lanes], location by the linear predictor, relative to the centre of linear lanes
    code : int32 [steps, lanes], relative to the centre of linear lanes; beyond 0..1023 where a sample has none
    """

    own: np.ndarray
    messages: np.ndarray | None
    prediction: np.ndarray
    code: np.ndarray


@dataclass
class Predicted:
    """What the entropy coder needs for a block of steps, int32 [steps, lanes].

    code : see `Inputs`
    location : Q6 units
    scale : scale index
    """

    code: np.ndarray
    location: np.ndarray
    scale: np.ndarray


class BlockInputs:
    """Linear prediction and network inputs of lanes.

    Parameters
    ----------
    lanes : Lanes
    values : ImplantValues
    steps : int
        The most steps of a block.
    messages : bool
        Whether the network has messages.
    """

    def __init__(self, lanes: Lanes, values: ImplantValues, steps: int, messages: bool = False):
        self._lanes, self._implant, self._maps = lanes, values, ValueMaps(lanes)
        self._past = Past(lanes.initial_scale, steps, lanes.has_adaptive)
        self._inputs = NetworkInputs(self._past, steps=steps)
        self._taps = np.lib.stride_tricks.sliding_window_view(self._past.values, ORDER, axis=0)
        self._references = BlockReferences(lanes) if lanes.has_references else None
        self._adaptive = Adaptive(self._past.adaptive, lanes) if self._past.adaptive else None
        self._messages = BlockMessages(lanes) if messages and self._references else None

    def reset(self) -> None:
        """Go back to the start of all lanes."""
        self._past.reset()

    def run_block(self, samples: np.ndarray) -> Inputs:
        """Take the next samples int16 [steps, lanes]."""
        size, past, first = len(samples), self._past, self._past.column
        q6, code = self._maps.forward(samples, self._implant)
        values = past.values[first : first + ORDER + size]
        np.subtract(q6, self._lanes.mean, out=values[ORDER:])
        prediction = self._predict(values, size)
        if self._adaptive is not None:
            self._adapt(self._adaptive, values[ORDER:], prediction)
        residual = values[ORDER:] - prediction
        own = self._inputs.run_block(residual, values[ORDER - 1 : -1] - prediction)
        messages = None
        if self._messages is not None:
            messages = self._messages.run_block(residual, own[:, :, input_arithmetic.MIDDLE_LOG_MEAN].astype(np.int32))
        past.advance(size)
        prediction += self._lanes.mean
        if self._maps.linear is not None:
            centre = self._maps.centre(prediction)
            self._maps.from_centre(prediction, centre)
            code[:, self._maps.linear] -= centre
        return Inputs(own, messages, prediction, code)

    def _predict(self, values: np.ndarray, size: int) -> np.ndarray:
        """Return the linear prediction without the mean, int32 [steps, lanes]."""
        total = np.einsum("slk,kl->sl", self._taps[self._past.column :][:size], self._lanes.coefficients)
        total += input_arithmetic.ROUND
        if self._references is not None:
            self._references.add(total, values)
        total >>= COEFFICIENT_BITS
        return total

    def _adapt(self, adaptive: Adaptive, values: np.ndarray, prediction: np.ndarray) -> None:
        """Add the adaptive predictors' part to predictions int32 [steps, lanes]."""
        for step, row in enumerate(prediction):
            column = self._past.column + step
            row += adaptive.predict(column)
            adaptive.learn(column, values[step] - row)


class BlockPredictor:
    """The distributions of known samples.

    Parameters
    ----------
    model : Model
    lanes : Lanes
    steps : int
        The most steps of a block.
    """

    def __init__(self, model: Model, lanes: Lanes, steps: int):
        self._model = model
        self._inputs = BlockInputs(lanes, model.entropy.implant_values, steps, model.has_messages)
        self._states = States(model, len(lanes)) if model.state else None
        self._output = np.empty((steps, len(lanes), 2), np.int32)
        self._calls: dict[int, Callable[[], None]] = {}

    def reset(self) -> None:
        """Go back to the start of all lanes, of a network without a state."""
        self._inputs.reset()

    def run_block(self, samples: np.ndarray) -> Predicted:
        """Take the next samples int16 [steps, lanes]."""
        inputs = self._inputs.run_block(samples)
        output = self._network(inputs)
        location = output[:, :, 0] << 2
        location += inputs.prediction
        return Predicted(inputs.code, location, output[:, :, 1])

    def _network(self, inputs: Inputs) -> np.ndarray:
        """Return offset and scale index, int32 [steps, lanes, 2]; overwritten by the next block."""
        if self._states is not None:
            return self._states.run(inputs.own)
        size = len(inputs.own)
        own, output = inputs.own.reshape(-1, input_arithmetic.FEATURES), self._output[:size]
        if inputs.messages is not None:
            return self._model.run(own, inputs.messages.reshape(len(own), *inputs.messages.shape[2:])).reshape(
                output.shape
            )
        if size not in self._calls:
            self._calls[size] = self._model.bind(own, output.reshape(-1, 2))
        self._calls[size]()
        return output
