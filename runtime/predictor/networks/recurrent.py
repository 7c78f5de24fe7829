"""Networks that carry a state from step to step: docs/format.md section 5.6.

Their graph has an input `state` and an output `next`, float32 [N, S]; a lane's state is zero at its start. Encoding
goes step by step then, as decoding does. What the numbers are is the graph's business: all of them are exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from .onnx_graph import Graph

STATE, NEXT = "state", "next"
MAX_STATE = 1024
"""Numbers of a lane's state: bounds the memory that a model can ask for."""


def state_size(graph: Graph) -> int:
    """Size of a lane's state by the inputs and outputs of a graph; 0 for networks without one."""
    ends = [end for part, name in ((graph.inputs, STATE), (graph.outputs, NEXT)) for end in part if end.name == name]
    fine = len(ends) == 2 and ends[0].shape == ends[1].shape and len(ends[0].shape) == 1
    return ends[0].shape[0] if fine and 1 <= ends[0].shape[0] <= MAX_STATE else 0


class Network(Protocol):
    """A network with a state of so many numbers; `bind_step` is as in `Model`."""

    state: int

    def bind_step(
        self, features: np.ndarray, state: np.ndarray, output: np.ndarray, after: np.ndarray
    ) -> Callable[[], None]: ...


class States:
    """The states of lanes, and the network that moves them on.

    Parameters
    ----------
    model : Network
    lanes : int
    """

    def __init__(self, model: Network, lanes: int):
        self._model = model
        self._state = np.zeros((lanes, model.state), np.float32)

    def run(self, features: np.ndarray) -> np.ndarray:
        """Offset and scale index, int32 [steps, lanes, 2], of features uint8 [steps, lanes, 20], in order of time."""
        output = np.empty((*features.shape[:2], 2), np.int32)
        own, now = np.empty(features.shape[1:], np.uint8), np.empty(output.shape[1:], np.int32)
        call = self.bind(own, now, slice(None))
        for t, step in enumerate(features):
            own[...] = step
            call()
            output[t] = now
        return output

    def bind(self, features: np.ndarray, output: np.ndarray, part: slice) -> Callable[[], None]:
        """A call that computes `output` int32 [N, 2] from features uint8 [N, 20] in place, for some of the lanes, and
        moves their states on."""
        state = self._state[part]
        after = np.empty_like(state)
        call = self._model.bind_step(features, state, output, after)

        def step() -> None:
            call()
            state[...] = after

        return step
