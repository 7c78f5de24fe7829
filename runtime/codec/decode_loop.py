"""From symbols back to samples: one time step of all lanes after the other, within it one order level after the other.

This loop decides about the speed of decoding, so it works in place on small types. It serves files (rANS) and streams
(Rice).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from ..core.threads import check_stop
from ..predictor.lanes import Lanes
from ..predictor.model import Model
from ..predictor.step import LanesState, StepPredictor

_KEPT_STEPS = 1 << 10
"""Steps whose samples are kept as lanes, before they go to where they belong."""


class SymbolSource(Protocol):
    """Where the symbols of some lanes come from."""

    def next(self, location: np.ndarray, scale: np.ndarray, active: np.ndarray | None = None) -> np.ndarray:
        """Return the next symbols int64 [lanes] by their distributions, of the active lanes."""

    def low_bits(self, t: int) -> np.ndarray | int:
        """Return the low bits of the linear lanes' samples, as they follow the symbols."""

    def escapes(self, code: np.ndarray, active: np.ndarray | None) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the numbers of lanes whose samples are not coded by their symbol, and these samples (int16)."""


class DecodeLoop:
    """Decodes lanes, which are in order of level.

    Parameters
    ----------
    source : gives the symbol source of a slice of the lanes
    put : takes samples int16 [steps, lanes] and their first step
    """

    def __init__(
        self,
        model: Model,
        lanes: Lanes,
        source: Callable[[slice], SymbolSource],
        put: Callable[[np.ndarray, int], None],
    ):
        self._model, self._lanes, self._source, self._put = model, lanes, source, put
        self._state = LanesState(model, lanes)
        self._samples = np.zeros((min(int(lanes.length.max()), _KEPT_STEPS), len(lanes)), np.int16)
        self._kept = 0
        bounds = np.searchsorted(lanes.order_level, np.arange(int(lanes.order_level[-1]) + 2)).tolist()
        self._parts = [slice(a, b) for a, b in zip(bounds, bounds[1:], strict=False) if a < b]
        self._levels = [self._level(part) for part in self._parts]

    def _level(self, part: slice) -> _Level:
        return _Level(self._model, self._state, self._lanes, part, self._source(part))

    def run_all(self) -> None:
        """Decode every lane to its end. Lanes of a level should be in order of falling length."""
        first = 0
        last = [np.maximum.accumulate(self._lanes.length[part][::-1])[::-1] for part in self._parts]
        for end in sorted(set(np.concatenate(last).tolist())):
            if first:
                counts = [int(np.searchsorted(-ends, -end, side="right")) for ends in last]
                self._restrict(counts)
            self.run(first, end)
            first = end
        self.flush(first)

    def _restrict(self, counts: list[int]) -> None:
        """Go on with so many lanes of each level only."""
        for level in self._levels:
            level.predictor.keep()
        parts = [slice(p.start, p.start + n) for p, n in zip(self._parts, counts, strict=True) if n]
        self._levels = [self._level(part) for part in parts]

    def run(self, first: int, end: int) -> None:
        """Decode the steps from `first` to `end`."""
        samples, past = self._samples, self._state.past
        for t in range(first, end):
            check_stop()
            row = samples[self._kept]
            for level in self._levels:
                level.step(t, row)
            past.advance()
            self._kept += 1
            if self._kept == len(samples):
                self.flush(t + 1)

    def flush(self, end: int) -> None:
        """Hand over the samples that are kept; the last is of step `end` - 1."""
        if self._kept:
            self._put(self._samples[: self._kept], end - self._kept)
            self._kept = 0

    def reset(self) -> None:
        """Go back to the start of all lanes."""
        self._state.past.reset()
        for level in self._levels:
            level.predictor.restart()


class _Level:
    """The lanes of an order level that have not ended."""

    def __init__(self, model: Model, state: LanesState, lanes: Lanes, part: slice, source: SymbolSource):
        self.predictor = StepPredictor(model, state, lanes, part)
        self._part, self._source, self._entropy = part, source, model.entropy
        self._length = lanes.length[part]
        self._shortest = int(self._length.min())
        self._q6 = np.empty(len(self._length), np.int32)

    def step(self, t: int, row: np.ndarray) -> None:
        """Decode one sample of every lane into `row`, int16 [all lanes]."""
        predictor, source, entropy = self.predictor, self._source, self._entropy
        predictor.predict()
        active = self._length > t if t >= self._shortest else None
        code = source.next(predictor.location, predictor.scale, active)
        samples = row[self._part]
        entropy.samples.take(code, out=samples, mode="clip")
        q6 = entropy.q6.take(code, out=self._q6, mode="clip")
        if predictor.centre is not None:
            linear = predictor.maps.linear
            samples[linear] = predictor.maps.samples(code, predictor.centre, source.low_bits(t))
            q6[linear] = predictor.maps.q6(samples[linear])
        escapes = source.escapes(code, active)
        if escapes is not None:
            numbers, exact = escapes
            samples[numbers] = exact
            q6[numbers] = predictor.maps.q6_at(numbers, exact, entropy.implant_values)
        predictor.learn(q6)
