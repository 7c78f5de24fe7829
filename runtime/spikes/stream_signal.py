"""Hold the samples of a stream that are not encoded yet, and what is known in front of them."""

from __future__ import annotations

import numpy as np

from ..core.implant_table import CODE_TO_SAMPLE, CODES, codes_of

HALF_CODES = CODES // 2


class StreamSignal:
    """Samples that have come and are not encoded yet, and what is known in front of them.

    Samples count as codes until one is off the implant's table.

    Parameters
    ----------
    channels : int
    past : frames in front of the samples that are kept
    reach : frames in front of the samples whose decoded values are kept

    Attributes
    ----------
    samples : int16 [frames, channels]
    values : int16 [past + frames, channels]
    rendered : int16 [reach, channels], values decoded last
    base : where lines begin and end
    linear : whether values are samples
    """

    def __init__(self, channels: int, past: int, reach: int):
        self._past, self._is_new = past, True
        self.samples = np.zeros((0, channels), np.int16)
        self.values = np.zeros((0, channels), np.int16)
        self.rendered = np.zeros((reach, channels), np.int16)
        self.base, self.linear = 0, False

    def add(self, samples: np.ndarray, is_fresh: bool) -> bool:
        """Take int16 [frames, channels]; return whether they change the unit of values.

        is_fresh : whether nothing has been encoded yet
        """
        samples = np.ascontiguousarray(samples)
        values = samples if self.linear else codes_of(samples) - np.int16(HALF_CODES)
        changed = not self.linear and len(values) > 0 and values.min() < -HALF_CODES
        if changed:
            self._become_linear(samples, is_fresh)
            values = samples
        if self._is_new and len(values):
            self.values, self._is_new = np.repeat(values[:1], self._past, axis=0), False
        self.values = np.concatenate([self.values, values])
        self.samples = np.concatenate([self.samples, samples])
        return changed

    def _become_linear(self, samples: np.ndarray, is_fresh: bool) -> None:
        """Count samples instead of codes."""
        self.linear, self.values = True, CODE_TO_SAMPLE[self.values + HALF_CODES]
        if is_fresh:
            self.base = int(np.median(samples))
            self.rendered[:] = self.base
        else:
            self.base = int(CODE_TO_SAMPLE[self.base + HALF_CODES])
            self.rendered = CODE_TO_SAMPLE[self.rendered + HALF_CODES]

    def repeat_last(self, frames: int) -> None:
        """Assume that the last frame goes on."""
        self.values = np.concatenate([self.values, np.repeat(self.values[-1:], frames, axis=0)])

    def advance(self, rendered: np.ndarray) -> None:
        """Go on behind a block that was encoded."""
        frames = len(rendered)
        self.rendered = np.concatenate([self.rendered, rendered])[-len(self.rendered) :]
        self.samples, self.values = self.samples[frames:], self.values[frames:]

    def restart(self) -> None:
        """Begin a new recording of the same channels."""
        self._is_new = True
        self.rendered[:] = self.base
