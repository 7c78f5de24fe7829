"""From lanes of samples to intervals of the entropy coder. Nothing fed to the network depends on its outputs, so whole
blocks of time steps go through it at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..entropy.tables import CODES, PRECISION
from . import features, messages
from .channel_parameters import COEFFICIENT_BITS, ORDER, REFERENCE_TAPS, REFERENCES
from .lanes import Lanes, lane_values
from .model import Model
from .recurrent import States

_BLOCK_ROWS = 1 << 14
"""Rows that go through the network at once: what is known of them stays in the cache."""


@dataclass
class Intervals:
    """start, frequency: uint32 [steps, lanes]; escapes: int64 [n, 2] of (step, lane), in decoding order."""

    start: np.ndarray
    frequency: np.ndarray
    escapes: np.ndarray


@dataclass
class Prepared:
    """A block of steps in front of the network.

    inputs : uint8 [steps, lanes, 20], and if the model hears peers, uint8 [steps, lanes, 4, 8]
    reference : int32 [steps, lanes], location of the linear predictor in Q6 units, as levels are counted
    code : int32 [steps, lanes]
    escaped : bool [steps, lanes], or no steps where no lane is a linear lane
    """

    inputs: list[np.ndarray]
    prediction: np.ndarray
    code: np.ndarray
    escaped: np.ndarray


class Encoder:
    """Runs the model over `lanes`.

    Parameters
    ----------
    lanes : Lanes
    samples : int16 [steps, lanes]
    """

    def __init__(self, model: Model, lanes: Lanes, samples: np.ndarray):
        self._model, self._lanes, self._samples = model, lanes, samples
        steps, count = samples.shape
        self._rows = min(max(1, _BLOCK_ROWS // count), steps)
        self._q6 = np.zeros((ORDER + self._rows, count), np.int32)
        self._taps = np.lib.stride_tricks.sliding_window_view(self._q6, ORDER, axis=0)
        self._means = np.empty((1 + self._rows, len(features.RATES), count), np.int32)
        self._means[0], self._moved = features.initial_means(lanes.initial_scale), 0
        self._change, self._shifts = np.empty_like(self._means[0]), features.shifts(count)
        self._history = np.full((count, features.WINDOW + self._rows), 128, np.uint8)
        self._states = States(model, count) if model.state else None
        self._hears = lanes.has_references
        self._late = [
            np.flatnonzero(lanes.order_level[references] >= lanes.order_level) for references in lanes.references
        ]
        self._messages_too = self._hears and model.has_messages
        if self._messages_too:
            self._said = np.full((1 + self._rows, count), messages.SILENCE, np.uint32)
            self._present = (lanes.references != np.arange(count)).T
            self._metric = lanes.correlation.T.astype(np.int16)

    def run(self, memory: np.ndarray | None = None) -> Intervals:
        """All intervals, in `memory` (uint32, flat, 2 for each step of a lane) if some is given."""
        steps, count = shape = self._samples.shape
        if memory is None:
            memory = np.empty(2 * steps * count, np.uint32)
        result = Intervals(*memory[: 2 * steps * count].reshape(2, *shape), np.empty((0, 2), np.int64))
        escapes = [result.escapes]
        for block, prepared in self.prepared():
            result.start[block], result.frequency[block] = self._intervals(prepared)
            escapes.append(np.argwhere(prepared.escaped) + [block.start, 0])
        result.escapes = np.concatenate(escapes)
        for lane in np.flatnonzero(self._lanes.length < steps):
            idle = slice(self._lanes.length[lane], None)
            result.start[idle, lane], result.frequency[idle, lane] = 0, 1 << PRECISION
            result.escapes = result.escapes[(result.escapes[:, 1] != lane) | (result.escapes[:, 0] < idle.start)]
        return result

    def prepared(self) -> Iterator[tuple[slice, Prepared]]:
        """All that is known without the network, for blocks of steps."""
        for first in range(0, len(self._samples), self._rows):
            block = slice(first, min(first + self._rows, len(self._samples)))
            yield block, self._prepare(block)

    def _prepare(self, block: slice) -> Prepared:
        lanes, size = self._lanes, block.stop - block.start
        q6, code = lane_values(self._samples[block], lanes, self._model.entropy)
        self._q6[ORDER : ORDER + size] = q6
        prediction = self._prediction(size)
        inputs = self._inputs(size, prediction)
        self._q6[:ORDER] = self._q6[size : size + ORDER].copy()
        prediction += lanes.mean
        escaped = np.zeros((0, len(lanes)), bool)
        if lanes.linear.any():
            octaves = lanes.octaves
            centre = ((prediction + (1 << octaves - 1)) >> octaves) & lanes.linear
            prediction -= centre << octaves
            code -= centre
            escaped = ((code < 1) | (code > CODES - 2)) & (lanes.linear != 0)
            np.clip(code, 0, CODES - 1, out=code)
        return Prepared(inputs, prediction, code, escaped)

    def _intervals(self, prepared: Prepared) -> tuple[np.ndarray, np.ndarray]:
        shape = prepared.code.shape
        output = self._network(prepared.inputs).reshape(*shape, 2)
        location = (output[:, :, 0] << 2) + prepared.prediction
        return self._model.entropy.intervals(prepared.code, location, output[:, :, 1], self._lanes.offset)

    def _network(self, inputs: list[np.ndarray]) -> np.ndarray:
        """Offset and scale index, int32, of inputs [steps, lanes, ...]."""
        if self._states is not None:
            return self._states.run(inputs[0])
        return self._model.run(*(part.reshape(-1, *part.shape[2:]) for part in inputs))

    def _inputs(self, size: int, prediction: np.ndarray) -> list[np.ndarray]:
        """The network's inputs uint8: [size, lanes, 20], and [size, lanes, 4, 8] if it hears peers."""
        inputs = [self._features(size, prediction)]
        if self._messages_too:
            residual = self._q6[ORDER : size + ORDER] - prediction
            inputs.append(self._messages(residual, inputs[0][:, :, features.MIDDLE_LOG_MEAN].astype(np.int32)))
        return inputs

    def _messages(self, residual: np.ndarray, level: np.ndarray) -> np.ndarray:
        """What every lane hears of its peers."""
        size, count = residual.shape
        said = self._said[: size + 1]
        for t in range(size):
            said[t + 1] = said[t]
            messages.say(said[t + 1], residual[t], level[t])
        heard = np.stack([self._of_references(said, number) for number in range(REFERENCES)], axis=2)
        out = np.empty((size, count, REFERENCES, messages.INPUTS), np.uint8)
        messages.hear(heard, self._metric, self._present, out)
        self._said[0] = said[size]
        return out

    def _prediction(self, size: int) -> np.ndarray:
        """Linear prediction r, int32 [size, lanes]."""
        total = np.einsum("slk,kl->sl", self._taps[:size], self._lanes.coefficients)
        total += features.ROUND
        if self._hears:
            self._hear(total)
        total >>= COEFFICIENT_BITS
        return total

    def _hear(self, total: np.ndarray) -> None:
        """Add what the linear predictors hear of peers."""
        size = len(total)
        for number, heard in enumerate(self._lanes.reference_taps):
            if heard.any():
                part = self._of_references(self._q6[ORDER - REFERENCE_TAPS : ORDER + size], number)
                for tap, coefficients in enumerate(heard):
                    total += part[tap : tap + size] * coefficients

    def _of_references(self, values: np.ndarray, number: int) -> np.ndarray:
        """Values [1 + steps, lanes] of every lane's peer of that number, [steps, lanes]: up to now of peers in earlier
        order levels, up to the last step of others."""
        references, late = self._lanes.references[number], self._late[number]
        part = values[1:].take(references, axis=1)
        part[:, late] = values[:-1, references[late]]
        return part

    def _features(self, size: int, prediction: np.ndarray) -> np.ndarray:
        """Network inputs uint8 [size, lanes, 20]; moves the running means and the residual history on."""
        window = features.WINDOW
        residual = self._q6[ORDER : size + ORDER] - prediction
        inputs = np.empty((size, len(self._lanes), features.FEATURES), np.uint8)
        self._history[:, window : window + size] = features.quantise(residual).T
        packed = np.ndarray((size, len(self._lanes)), "V16", inputs.data, 0, inputs.strides[:2])
        packed[...] = features.windows(self._history, size)
        self._history[:, :window] = self._history[:, size : size + window].copy()
        inputs[:, :, window] = features.quantise(self._q6[ORDER - 1 : size + ORDER - 1] - prediction)
        levels = features.log_means(self._run_means(features.magnitude(residual)))
        for place in range(levels.shape[1]):
            inputs[:, :, window + 1 + place] = levels[:, place]
        return inputs

    def _run_means(self, magnitudes: np.ndarray) -> np.ndarray:
        """Running means before each step, int32 [size, 3, lanes]."""
        self._means[0] = self._means[self._moved]
        self._moved = len(magnitudes)
        features.run_means(self._means, magnitudes, self._shifts, self._change)
        return self._means[: len(magnitudes)]
