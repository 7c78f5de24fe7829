"""Symbols of rANS-coded chunks for the decode loop, with low bits and escapes of linear lanes."""

from __future__ import annotations

import numpy as np

from ..entropy import rans
from ..entropy.entropy_model import CODES
from ..entropy.rans_source import RansSource
from ..predictor.lanes import Lanes, as_columns, join, to_lanes
from ..predictor.model import Model
from .rans_payload import CodedChunk, channels_with_low_bits


class ChunkSymbols:
    """The symbols of a batch of chunks.

    Parameters
    ----------
    coded : list of CodedChunk, in order of falling segment length

    Attributes
    ----------
    lanes : Lanes of all chunks
    """

    def __init__(self, coded: list[CodedChunk], model: Model):
        self._model = model
        parts = [(chunk.side, chunk.frames, chunk.steps) for chunk in coded]
        self.lanes = join(parts, model.entropy.reconstruction)
        place = self.lanes.number + np.cumsum([0, *(len(chunk.states) for chunk in coded)])[self.lanes.owner]
        states, words = (np.concatenate([getattr(chunk, name) for chunk in coded]) for name in ("states", "words"))
        ends = np.cumsum(np.concatenate([chunk.counts for chunk in coded]))
        self._coder = rans.Decoder(states[place], words, np.append(0, ends)[place], ends[place])
        self._low = _low_bits(coded, self.lanes)

    def part(self, part: slice) -> LaneSymbols:
        """Return the symbol source of some of the lanes."""
        lanes = self.lanes
        source = RansSource(self._coder, self._model.entropy, self._model.guesses, lanes.offset[part], part)
        return LaneSymbols(source, lanes.linear[part], self._low[:, part])

    def used_up(self) -> bool:
        """Return whether all words were taken, and every state is where its encoder began."""
        return self._coder.used_up()


def _low_bits(coded: list[CodedChunk], lanes: Lanes) -> np.ndarray:
    """Return low bits int16 [steps, lanes]; no steps where no lane has any use for them."""
    if not lanes.linear.any():
        return np.zeros((0, len(lanes)), np.int16)
    low = [np.zeros((chunk.frames, len(chunk.side.kind)), np.int16) for chunk in coded]
    for chunk, values in zip(coded, low, strict=True):
        for channel, bits in zip(channels_with_low_bits(chunk.side), chunk.low_bits, strict=True):
            values[:, channel] = bits[:]
    return to_lanes(low, lanes)


class LaneSymbols:
    """The symbol source (see `decode_loop.SymbolSource`) of some lanes of a batch of chunks."""

    def __init__(self, source: RansSource, linear: np.ndarray, low: np.ndarray):
        self._source, self.next = source, source.next
        self._numbers = np.flatnonzero(linear)
        self._low = low[:, as_columns(self._numbers)] if len(self._numbers) else low

    def low_bits(self, t: int) -> np.ndarray:
        """Return the low bits int16 [linear lanes] of a step."""
        return self._low[t]

    def escapes(self, code: np.ndarray, active: np.ndarray | None) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the lanes whose symbol says that their sample is not coded by it, and these samples."""
        if not len(self._numbers):
            return None
        some = code[self._numbers]
        numbers = self._numbers[(some == 0) | (some == CODES - 1)]
        if active is not None:
            numbers = numbers[active[numbers]]
        if not len(numbers):
            return None
        return numbers, self._source.raw(numbers)
