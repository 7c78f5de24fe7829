"""Coding the windows of a chunk: with channels that hear each other where that is shorter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...entropy import rans
from ...entropy.tables import PRECISION
from ...predictor.model import Model
from .. import peerfit
from ..chunk import ActivityChunk
from ..layout.fields import FieldWriter
from ..layout.plan import Plan, pack_windows
from ..layout.sequence import Sequence
from ..references import Hearing, heard_by
from .coding import Coded, WindowCoder
from .costs import UNIT, bits_of
from .fitting import channel_parameters


@dataclass
class Attempt:
    """Windows as they would be coded."""

    plan: Plan
    coder: WindowCoder
    coded: Coded
    sequence: Sequence

    def bits(self) -> np.ndarray:
        """float64 [channels], of the windows of each channel, with times and side information."""
        windows, channels = self.plan.windows, len(self.plan.lines.level)
        bits = np.bincount(np.repeat(windows.channel, windows.length), bits_of(self.coded.frequency), channels) / UNIT
        for channel in np.unique(windows.channel).tolist():
            writer = FieldWriter()
            pack_windows(writer, self.plan, channel)
            bits[channel] += writer.size
        return bits


@dataclass
class Windowed:
    """What is coded: a chunk that is complete but for it.

    bins : int64 [samples], in order of window
    level, chained : see `WindowCoder`
    lanes : at most so many
    """

    chunk: ActivityChunk
    model: Model
    bins: np.ndarray
    level: np.ndarray
    chained: bool
    lanes: int

    def attempt(self, hearing: Hearing, match: np.ndarray) -> Attempt:
        """With channels that hear each other in this way."""
        chunk, plan = self.chunk, self.chunk.plan
        windows, channels = plan.windows, len(plan.lines.level)
        sequence = Sequence.of(windows, min(self.lanes, len(windows)), hearing.order_levels())
        q6, offset = chunk.units.q6(self.bins), windows.offset
        heard = np.zeros(len(self.bins), np.int64)
        for channel in np.flatnonzero(hearing.references[:, 0] >= 0).tolist():
            own = windows.of_channel(channel)
            heard[offset[own.start] : offset[own.stop]] = heard_by(hearing, windows, q6, channel, chunk.frames)
        coder = WindowCoder(self.model, chunk.units, windows, sequence, self.bins, self.level, self.chained, heard)
        parameters = channel_parameters(coder, windows, match, chunk.before, channels, self.model)
        made = Plan(windows, plan.lines, parameters, plan.standard, hearing, match)
        coded = coder.run(parameters.initial_scale[windows.channel], parameters.scale[windows.channel])
        return Attempt(made, coder, coded, sequence)

    def alone(self) -> Attempt:
        """Without any."""
        windows = self.chunk.plan.windows
        return self.attempt(Hearing.none(len(self.chunk.plan.lines.level)), np.full(len(windows), -1, np.int64))

    def shorter(self, alone: Attempt) -> Attempt:
        """With those channels hearing others for which that is shorter."""
        windows, q6 = self.chunk.plan.windows, self.chunk.units.q6(self.bins)
        channels = len(self.chunk.plan.lines.level)
        hearing, match = peerfit.choose(windows, q6, alone.coder.residual, channels, self.chunk.frames)
        if not hearing:
            return alone
        made, plain = self.attempt(hearing, match), alone.bits()
        longer = (hearing.references[:, 0] >= 0) & (made.bits() >= plain)
        if longer.any():
            hearing.references[longer], hearing.taps[longer] = -1, 0
            match[longer[windows.channel]] = -1
            made = self.attempt(hearing, match)
        return made if hearing and made.bits().sum() < plain.sum() else alone

    def fill(self, made: Attempt) -> None:
        """Complete the chunk."""
        chunk = self.chunk
        chunk.plan = made.plan
        start, frequency, order = self._in_lanes(made)
        chunk.states, words = rans.encode(start, frequency)
        chunk.words = words.values
        chunk.escapes = self.bins[order].astype(np.int16)
        if chunk.units.shift:
            chunk.low_bits = self.bins & ((1 << chunk.units.shift) - 1)

    def _in_lanes(self, made: Attempt) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Intervals as [steps, lanes], and escapes in the order of decoding."""
        windows, sequence, coded = self.chunk.plan.windows, made.sequence, made.coded
        number = np.repeat(np.arange(len(windows)), windows.length)
        step = sequence.begin[number] + np.arange(len(number)) - windows.offset[number]
        lane = sequence.lane[number]
        shape = (sequence.steps, sequence.lanes)
        starts, frequencies = np.zeros(shape, np.uint32), np.full(shape, 1 << PRECISION, np.uint32)
        starts[step, lane], frequencies[step, lane] = coded.start, coded.frequency
        order = np.lexsort((lane[coded.escapes], step[coded.escapes]))
        return starts, frequencies, coded.escapes[order]
