"""Candidate encodings of a chunk of a file: its spikes, and its payload at some bound of the error."""

from __future__ import annotations

import numpy as np

from ..predictor.model import Model
from . import chunk as chunks
from .bins import Units
from .codec import Draft, encode_draft
from .detection.corrections import corrections
from .detection.offline import Detections, detect
from .options import SpikeOptions
from .render import lfp_fit
from .render.rendering import Lines
from .shape import ChunkShape
from .waveforms.fitting import units_of

_NOISE_FRAMES = 1 << 14
_GROUP = 64
"""Channels whose differences are in memory at once."""
_LEVEL_FRAMES = 256
"""Frames of which the median is a channel's level."""


class Candidates:
    """Candidate encodings of a chunk.

    Parameters
    ----------
    samples : int16 [frames, channels]
    sample_bits : of the original
    options : SpikeOptions, with a sample rate
    model : Model
    """

    def __init__(self, samples: np.ndarray, sample_bits: int, options: SpikeOptions, model: Model):
        self.options = options
        self._samples, self._sample_bits, self._model = samples, sample_bits, model

    def _units(self, max_error: int) -> tuple[Units, np.ndarray]:
        """Return how samples are counted, and their values (int16)."""
        samples = self._samples
        units = units_of(samples, _change(samples[:_NOISE_FRAMES]), max_error, self._sample_bits, self._model)
        return units, samples if units.linear else units.values(samples).astype(np.int16)

    def detect(self, most: int | None = None) -> Detections:
        """Return the spikes; `most` is the frames that a channel may have in windows."""
        units, values = self._units(self.options.max_error)
        return detect(values, self.options, units.low, units.high, most)

    def encode(self, found: Detections, max_error: int) -> bytes:
        """Return the payload with these spikes and this bound."""
        units, values = self._units(max_error)
        shape = ChunkShape.of(self.options, units, len(values))
        lfp = lfp_fit.fit(values, self.options.sample_rate) if self.options.lfp else None
        draft = Draft(self._samples, shape, units, found.events, _lines(values, units), lfp)
        rendered = draft.render()
        if len(draft.windows):
            heights = corrections(found, values, rendered, self.options, shape.correction_step)
            rendered = draft.correct(heights, rendered)
        chunk = encode_draft(draft, rendered, self._model)
        chunk.plan.parameters.raised = found.raised
        return chunks.pack(chunk)


def _change(samples: np.ndarray) -> np.ndarray:
    """Return the median size of the first differences of every channel, float64 [channels]."""
    medians = np.zeros(samples.shape[1])
    for first in range(0, len(medians), _GROUP):
        part = samples[:, first : first + _GROUP].astype(np.int32)
        medians[first : first + _GROUP] = np.median(np.abs(np.diff(part, axis=0, prepend=part[:1])), axis=0)
    return medians


def _lines(values: np.ndarray, units: Units) -> Lines:
    """Return lines from 0 on the implant's table; of other channels, which may have offsets, from their medians."""
    channels = values.shape[1]
    if not units.linear:
        return Lines(0, np.zeros(channels, np.int64))
    some = values[:: max(1, len(values) // _LEVEL_FRAMES)]
    return Lines(int(np.median(some)), np.median(some, axis=0).astype(np.int64))
