"""From lanes of samples to intervals of the entropy coder. Nothing fed to the network depends on its outputs, so whole
blocks of time steps go through it at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import features
from .entropy_model import CODES, PRECISION
from .lanes import Lanes, lane_values
from .model import Model
from .side_information import COEFFICIENT_BITS, ORDER, PEER_TAPS

_BLOCK_ROWS = 1 << 15


@dataclass
class Intervals:
    """start, frequency: uint32 [steps, lanes]; escapes: int64 [n, 2] of (step, lane), in decoding order."""

    start: np.ndarray
    frequency: np.ndarray
    escapes: np.ndarray


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
        self._ticks = np.zeros((ORDER + self._rows, count), np.int32)
        self._means = features.initial_means(lanes.spread)
        self._history = np.full((count, features.WINDOW + self._rows), 128, np.uint8)

    def run(self) -> Intervals:
        """All intervals."""
        steps, count = self._samples.shape
        result = Intervals(
            np.empty((steps, count), np.uint32), np.empty((steps, count), np.uint32), np.empty((0, 2), np.int64)
        )
        escapes = [result.escapes]
        for first in range(0, steps, self._rows):
            block = slice(first, min(first + self._rows, steps))
            start, frequency, escaped = self._block(block)
            result.start[block], result.frequency[block] = start, frequency
            escapes.append(escaped + [first, 0])
        result.escapes = np.concatenate(escapes)
        for lane in np.flatnonzero(self._lanes.length < steps):
            idle = slice(self._lanes.length[lane], None)
            result.start[idle, lane], result.frequency[idle, lane] = 0, 1 << PRECISION
            result.escapes = result.escapes[(result.escapes[:, 1] != lane) | (result.escapes[:, 0] < idle.start)]
        return result

    def _block(self, block: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        lanes, size = self._lanes, block.stop - block.start
        ticks, code = lane_values(self._samples[block], lanes, self._model.entropy)
        self._ticks[ORDER : ORDER + size] = ticks
        reference = self._reference(size)
        inputs = self._features(size, reference)
        self._ticks[:ORDER] = self._ticks[size : size + ORDER].copy()
        output = self._model.run(inputs.reshape(size * len(lanes), features.FEATURES))
        output = output.reshape(size, len(lanes), 2).astype(np.int64)
        reference += lanes.mean
        location = (output[:, :, 0] << 2) + reference
        escaped = np.zeros((0, 2), np.int64)
        if lanes.grid.any():
            octaves = lanes.octaves
            centre = ((reference + (1 << octaves - 1)) >> octaves) & lanes.grid
            location -= centre << octaves
            code -= centre
            escaped = np.argwhere(((code < 1) | (code > CODES - 2)) & (lanes.grid != 0))
            np.clip(code, 0, CODES - 1, out=code)
        start, frequency = self._model.entropy.intervals(code, location, output[:, :, 1], lanes.offset)
        return start, frequency, escaped

    def _reference(self, size: int) -> np.ndarray:
        """Linear prediction r, int32 [size, lanes]."""
        total = np.full((size, len(self._lanes)), features.ROUND, np.int32)
        for tap, coefficients in enumerate(self._lanes.coefficients):
            total += self._ticks[tap : size + tap] * coefficients
        if self._lanes.has_peers:
            self._hear(total)
        total >>= COEFFICIENT_BITS
        return total

    def _hear(self, total: np.ndarray) -> None:
        """Add what is heard of peers: up to now of those in earlier tiers, up to the last step of others."""
        lanes, size = self._lanes, len(total)
        ticks = self._ticks[ORDER - PEER_TAPS : ORDER + size]
        for peers, heard in zip(lanes.peers, lanes.heard, strict=True):
            if not heard.any():
                continue
            part = ticks[1:].take(peers, axis=1)
            late = np.flatnonzero(lanes.tier[peers] >= lanes.tier)
            part[:, late] = ticks[:-1, peers[late]]
            for tap, coefficients in enumerate(heard):
                total += part[tap : tap + size] * coefficients

    def _features(self, size: int, reference: np.ndarray) -> np.ndarray:
        """Network inputs uint8 [size, lanes, 20]; moves the running means and the residual history on."""
        window = features.WINDOW
        residual = self._ticks[ORDER : size + ORDER] - reference
        inputs = np.empty((size, len(self._lanes), features.FEATURES), np.uint8)
        self._history[:, window : window + size] = features.quantise(residual).T
        packed = np.ndarray((size, len(self._lanes)), "V16", inputs.data, 0, inputs.strides[:2])
        packed[...] = features.windows(self._history, size)
        self._history[:, :window] = self._history[:, size : size + window].copy()
        inputs[:, :, window] = features.quantise(self._ticks[ORDER - 1 : size + ORDER - 1] - reference)
        means = self._run_means(features.magnitude(residual))
        inputs[:, :, window + 1 :] = features.level(means).transpose(0, 2, 1)
        return inputs

    def _run_means(self, magnitudes: np.ndarray) -> np.ndarray:
        """Running means before each step, int32 [size, 3, lanes]."""
        means = np.empty((len(magnitudes), *self._means.shape), np.int32)
        scratch = np.empty_like(self._means)
        for t, magnitude in enumerate(magnitudes):
            means[t] = self._means
            features.update_means(self._means, magnitude, scratch)
        return means
