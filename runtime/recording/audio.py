"""The samples of FLAC, AIFF, CAF, W64 and other audio files; the files themselves are not restored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..core import sample_formats
from ..core.errors import FileFormatError
from ..core.terms import SAMPLES
from .source import Source

_FORMATS = {
    **{"PCM_16": "<i2", "PCM_S8": "<i2", "PCM_U8": "<i2", "PCM_24": "<i3", "PCM_32": "<i4"},
    **{"FLOAT": "<f4", "DOUBLE": "<f8"},
}
"""Sample formats of encodings that are read without loss; samples of 8 bits fill the upper byte of int16."""


class AudioReader(Source):
    """The samples of an audio file.

    Parameters
    ----------
    path : str

    Raises
    ------
    FileFormatError
        The file is no audio file, or its samples are neither integers of at most 32 bits nor floats.
    """

    kind, restored_as = SAMPLES, ".wav"

    def __init__(self, path: str) -> None:
        import soundfile  # takes a while, and few files need it

        try:
            self._file = soundfile.SoundFile(path)
        except (soundfile.SoundFileError, TypeError) as error:
            raise FileFormatError(f"this is no audio file with a header: {error}") from None
        if self._file.subtype not in _FORMATS:
            self._file.close()
            raise FileFormatError(
                f"samples of type {self._file.subtype}; supported are integers of 8 to 32 bits, and floats"
            )
        self.dtype = _FORMATS[self._file.subtype]
        self.channels, self.sample_rate = self._file.channels, self._file.samplerate
        self.frames = self._file.frames

    def read(self, frames: int) -> np.ndarray:
        """Read the next frames, plain samples [frames, channels]; fewer only at the end of the samples."""
        plain = sample_formats.plain_type(self.dtype)
        samples = np.asarray(self._file.read(frames, dtype=plain.name, always_2d=True))
        return samples >> 8 if self.dtype == "<i3" else samples

    def skip(self, frames: int) -> None:
        """Pass over frames, which must be there."""
        self._file.seek(frames, 1)

    def back(self) -> Iterator[bytes]:
        """Give nothing: only the samples are kept."""
        self._file.close()
        return iter(())
