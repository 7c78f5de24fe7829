"""Encode the windows of a chunk: intervals of the entropy coder, put into lanes."""

from __future__ import annotations

import numpy as np

from ...entropy.entropy_model import PRECISION
from ...predictor.model import Model
from ..chunk import SpikeChunk
from ..payload import lanes as lanes_of
from ..payload.sequence import Sequence
from ..windows import Windows
from .fitting import channel_parameters
from .window_coder import Coded, WindowCoder, WindowLayout


def encode_windows(chunk: SpikeChunk, model: Model, bins: np.ndarray, level: np.ndarray, lanes: int) -> None:
    """Encode the windows of a chunk that is complete but for them.

    Parameters
    ----------
    model : for bins of the chunk's bound
    bins : int64 [samples], in order of window
    level : see `WindowLayout`
    lanes : at most so many
    """
    windows, channels = chunk.plan.windows, len(chunk.plan.lines.level)
    sequence = Sequence.of(windows, min(lanes, len(windows)))
    coder = WindowCoder(model, WindowLayout(chunk.units, windows, sequence, level, chunk.lfp is None), bins)
    parameters = channel_parameters(coder, windows, channels)
    chunk.plan.parameters = parameters
    coded = coder.run(parameters.scale[windows.channel])
    start, frequency, order = _in_lanes(windows, sequence, coded)
    chunk.states, chunk.words = lanes_of.encode(start, frequency)
    chunk.escapes = bins[order].astype(np.int16)
    if chunk.units.shift:
        chunk.low_bits = bins & ((1 << chunk.units.shift) - 1)


def _in_lanes(windows: Windows, sequence: Sequence, coded: Coded) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return intervals as uint32 [steps, lanes], and escapes in the order of decoding."""
    number = np.repeat(np.arange(len(windows)), windows.length)
    step = sequence.begin[number] + np.arange(len(number)) - windows.offset[number]
    lane = sequence.lane[number]
    shape = (sequence.steps, sequence.lanes)
    starts, frequencies = np.zeros(shape, np.uint32), np.full(shape, 1 << PRECISION, np.uint32)
    starts[step, lane], frequencies[step, lane] = coded.start, coded.frequency
    order = np.lexsort((lane[coded.escapes], step[coded.escapes]))
    return starts, frequencies, coded.escapes[order]
