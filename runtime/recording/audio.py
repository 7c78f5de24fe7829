"""The samples of FLAC, AIFF, CAF, W64 and other audio files; the files themselves are not restored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..core.errors import FileFormatError
from ..core.terms import SAMPLES

_EXACT = ("PCM_16", "PCM_S8")
"""Encodings whose samples are int16 without loss; those of 8 bits fill the upper byte."""


class AudioReader:
    """The samples of an audio file; attributes and methods are those of `sources.Source`.

    Parameters
    ----------
    path : str

    Raises
    ------
    FileFormatError
        The file is no audio file, or its samples are not integers of at most 16 bits.
    """

    kind = SAMPLES
    dtype = "<i2"
    canonical = channel_time = False
    front = b""
    outside = 0

    def __init__(self, path: str) -> None:
        import soundfile  # takes a while, and few files need it

        try:
            self._file = soundfile.SoundFile(path)
        except (soundfile.SoundFileError, TypeError) as error:
            raise FileFormatError(f"this is no audio file with a header: {error}") from None
        if self._file.subtype not in _EXACT:
            self._file.close()
            raise FileFormatError(f"samples of type {self._file.subtype}; supported are integers of 8 or 16 bits")
        self.channels, self.sample_rate = self._file.channels, self._file.samplerate
        self.frames = self._file.frames

    def read(self, frames: int) -> np.ndarray:
        """Read the next frames, int16 [frames, channels]; fewer only at the end of the samples."""
        return np.asarray(self._file.read(frames, dtype="int16", always_2d=True))

    def skip(self, frames: int) -> None:
        """Pass over frames, which must be there."""
        self._file.seek(frames, 1)

    def back(self) -> Iterator[bytes]:
        """Give nothing: only the samples are kept."""
        self._file.close()
        return iter(())
