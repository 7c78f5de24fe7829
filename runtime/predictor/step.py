"""The predictor in one time step: for decoders.

Everything is in place, on arrays of one shape and with constants that are arrays: with few lanes it is the number and
the kind of numpy calls that takes the time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..core.scalars import constant
from . import input_arithmetic
from .adaptive import Adaptive
from .channel_parameters import COEFFICIENT_BITS, ORDER
from .inputs import NetworkInputs
from .lanes import Lanes
from .model import Model
from .networks.messages import EMPTY, StepMessages
from .networks.recurrent import States
from .past import Past
from .references import NewestValues, StepReferences
from .value_maps import ValueMaps

_SHIFT, _OFFSET_SHIFT = constant(COEFFICIENT_BITS), constant(2)


class LanesState:
    """What all lanes of a decoder carry from step to step.

    past : Past
    newest : NewestValues, None where no lane has references
    messages : uint32 [lanes], None where the network has none
    recurrent : States, None for networks without
    """

    def __init__(self, model: Model, lanes: Lanes):
        count = len(lanes)
        self.past = Past(lanes.initial_scale, adaptive=lanes.has_adaptive)
        self.newest = NewestValues(count) if lanes.has_references else None
        self.messages = np.full(count, EMPTY, np.uint32) if self.newest and model.has_messages else None
        self.recurrent = States(model, count) if model.state else None


class _OwnPast:
    """Linear prediction of some lanes from their own past."""

    def __init__(self, past: Past, lanes: Lanes, part: slice):
        self._past, values = past, past.values[:, part]
        self._before = [values[column : column + ORDER] for column in range(past.columns)]
        self._newest = [values[column + ORDER - 1] for column in range(past.columns)]
        self._next = [values[column + ORDER] for column in range(past.columns)]
        self._coefficients = np.ascontiguousarray(lanes.coefficients[:, part])
        self._terms = np.full((ORDER + 1, values.shape[1]), input_arithmetic.ROUND, np.int32)
        self._products = self._terms[:ORDER]

    @property
    def newest(self) -> np.ndarray:
        """The values of the last step, int32 [lanes]."""
        return self._newest[self._past.column]

    def add_up(self, out: np.ndarray) -> None:
        """Write the sum of the products and the rounding term into `out`."""
        np.multiply(self._before[self._past.column], self._coefficients, out=self._products)
        np.add.reduce(self._terms, axis=0, out=out)

    def learn(self, values: np.ndarray) -> None:
        """Take in the values of this step."""
        self._next[self._past.column][:] = values


class StepPredictor:
    """The distributions of the next sample of some lanes.

    Attributes
    ----------
    maps : ValueMaps of the lanes
    location : int32 [lanes], Q6 units, relative to `centre` for linear lanes; after `predict`
    scale : int32 [lanes], scale index; after `predict`
    centre : int32 [linear lanes], None if there are none; after `predict`
    """

    def __init__(self, model: Model, state: LanesState, lanes: Lanes, part: slice):
        self._mean, self.maps = lanes.mean[part], ValueMaps(lanes, part)
        self._own = _OwnPast(state.past, lanes, part)
        self._inputs = NetworkInputs(state.past, part)
        self._past = state.past
        self._adaptive = Adaptive(state.past.adaptive, lanes, part) if state.past.adaptive else None
        self._references = StepReferences(state.newest, lanes, part) if state.newest else None
        self._messages = None if state.messages is None else StepMessages(state.messages, lanes, part)
        count = len(self._mean)
        self._prediction, self.location = np.empty(count, np.int32), np.empty(count, np.int32)
        output = np.zeros((count, 2), np.int32)
        self._offset, self.scale = output.T
        self.centre: np.ndarray | None = None
        self._network = self._bind(model, state, output, part)

    def _bind(self, model: Model, state: LanesState, output: np.ndarray, part: slice) -> Callable[[], None]:
        """Return the call that computes `output` int32 [lanes, 2] from the inputs."""
        own = self._inputs.inputs[0]
        if state.recurrent is not None:
            return state.recurrent.bind(own, output, part)
        return model.bind(own, output, None if self._messages is None else self._messages.inputs)

    def predict(self) -> None:
        """Work out the distributions."""
        prediction, location = self._prediction, self.location
        self._own.add_up(prediction)
        if self._references is not None:
            self._references.add(prediction)
        prediction >>= _SHIFT
        if self._adaptive is not None:
            prediction += self._adaptive.predict(self._past.column)
        np.subtract(self._own.newest, prediction, out=self._inputs.difference)
        self._inputs.fill()
        if self._messages is not None:
            self._messages.fill()
        self._network()
        np.left_shift(self._offset, _OFFSET_SHIFT, out=location)
        location += prediction
        location += self._mean
        if self.maps.linear is not None:
            self.centre = self.maps.centre(prediction + self._mean)
            self.maps.from_centre(location, self.centre)

    def learn(self, q6: np.ndarray) -> None:
        """Take in the Q6 values int32 [lanes] of the decoded samples; they are without their mean afterwards."""
        q6 -= self._mean
        self._own.learn(q6)
        np.subtract(q6, self._prediction, out=self._inputs.residual)
        if self._adaptive is not None:
            self._adaptive.learn(self._past.column, self._inputs.residual)
        if self._messages is not None:
            self._messages.learn(self._inputs.residual, self._inputs.middle_log_mean)
        self._inputs.learn()
        if self._references is not None:
            self._references.learn(q6)

    def keep(self) -> None:
        """Leave with the state what is not there yet: before other lanes are put together."""
        self._inputs.keep()

    def restart(self) -> None:
        """Take up the state after it was reset."""
        self._inputs.residual[:] = 0
