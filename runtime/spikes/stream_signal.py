"""Hold the samples of a stream that are not encoded yet, and what is known in front of them."""

from __future__ import annotations

import numpy as np

from ..core.implant_table import CODE_TO_SAMPLE, CODES, SAMPLE_TO_CODE
from .look_up import look_up

HALF_CODES = CODES // 2
_SAMPLE_TO_VALUE = SAMPLE_TO_CODE - np.int16(HALF_CODES)


class _Frames:
    """Frames in the order in which they came, those behind added without moving the others each time.

    Parameters
    ----------
    channels : int
    """

    def __init__(self, channels: int):
        self._rows = np.zeros((0, channels), np.int16)
        self._first = self._end = 0

    @property
    def all(self) -> np.ndarray:
        """int16 [frames, channels]"""
        return self._rows[self._first : self._end]

    def add(self, new: np.ndarray) -> None:
        """Put frames behind the others."""
        end = self._end + len(new)
        if end > len(self._rows):
            kept = self.all
            rows = np.empty((2 * (len(kept) + len(new)), kept.shape[1]), np.int16)
            rows[: len(kept)] = kept
            self._rows, self._first, self._end, end = rows, 0, len(kept), len(kept) + len(new)
        self._rows[self._end : end] = new
        self._end = end

    def drop(self, frames: int) -> None:
        """Remove the first ones."""
        self._first += frames

    def replace(self, frames: np.ndarray) -> None:
        """Take others."""
        self._rows, self._first, self._end = np.ascontiguousarray(frames), 0, len(frames)


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
    rendered : int16 [reach, channels], values decoded last
    base : where lines begin and end
    linear : whether values are samples
    """

    def __init__(self, channels: int, past: int, reach: int):
        self._past, self._is_new = past, True
        self._samples, self._values = _Frames(channels), _Frames(channels)
        self.rendered = np.zeros((reach, channels), np.int16)
        self.base, self.linear = 0, False

    @property
    def samples(self) -> np.ndarray:
        """int16 [frames, channels], those that are not encoded yet."""
        return self._samples.all

    @property
    def values(self) -> np.ndarray:
        """int16 [past + frames, channels], with those in front."""
        return self._values.all

    def add(self, samples: np.ndarray, is_fresh: bool) -> bool:
        """Take int16 [frames, channels]; return whether they change the unit of values.

        is_fresh : whether nothing has been encoded yet
        """
        samples = np.ascontiguousarray(samples)
        values = samples if self.linear else look_up(_SAMPLE_TO_VALUE, samples, 1 << 15)
        changed = not self.linear and len(values) > 0 and values.min() < -HALF_CODES
        if changed:
            self._become_linear(samples, is_fresh)
            values = samples
        if self._is_new and len(values):
            self._values.replace(np.repeat(values[:1], self._past, axis=0))
            self._is_new = False
        self._values.add(values)
        self._samples.add(samples)
        return changed

    def _become_linear(self, samples: np.ndarray, is_fresh: bool) -> None:
        """Count samples instead of codes."""
        self.linear = True
        self._values.replace(CODE_TO_SAMPLE[self.values + HALF_CODES])
        if is_fresh:
            self.base = int(np.median(samples))
            self.rendered[:] = self.base
        else:
            self.base = int(CODE_TO_SAMPLE[self.base + HALF_CODES])
            self.rendered = CODE_TO_SAMPLE[self.rendered + HALF_CODES]

    def repeat_last(self, frames: int) -> None:
        """Assume that the last frame goes on."""
        self._values.add(np.repeat(self.values[-1:], frames, axis=0))

    def advance(self, rendered: np.ndarray) -> None:
        """Go on behind a block that was encoded."""
        frames = len(rendered)
        self.rendered = np.concatenate([self.rendered, rendered])[-len(self.rendered) :]
        self._samples.drop(frames)
        self._values.drop(frames)

    def restart(self) -> None:
        """Begin a new recording of the same channels."""
        self._is_new = True
        self.rendered[:] = self.base
