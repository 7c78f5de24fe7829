"""How a recording is cut into chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..core.errors import FileFormatError, UsageError
from ..core.limits import CHUNK_FRAMES, CHUNK_SAMPLES, LONG_CHUNK_SAMPLES, MAX_CHUNK_FRAMES, MAX_CHUNKS
from .options import EncodeOptions


@dataclass(frozen=True)
class ChunkLength:
    """Frames of a chunk: those that are aimed for, and a quarter more at most."""

    aim: int
    most: int

    @classmethod
    def of(cls, options: EncodeOptions, channels: int, sample_rate: float, frames: int | None = None) -> ChunkLength:
        """Return what options ask for, or the usual length.

        Parameters
        ----------
        frames : int or None
            Length of the recording, where it is known.

        Raises
        ------
        UsageError
            They ask for chunks that are too long or too many, or in seconds where no sample rate is known.
        """
        aim = options.chunk_frames
        if options.chunk_duration is not None:
            if not sample_rate:
                raise UsageError("a chunk length in seconds needs a sample rate: give that, or a number of frames")
            aim = max(1, round(options.chunk_duration * sample_rate))
        longest = max(1, (CHUNK_SAMPLES if aim is None else LONG_CHUNK_SAMPLES) // channels)
        longest = min(longest, MAX_CHUNK_FRAMES)
        if aim is None:
            aim = min(CHUNK_FRAMES, longest)
        elif aim > longest:
            raise UsageError(f"chunks of {aim} frames are too long: with {channels} channels at most {longest}")
        elif frames is not None and frames > aim * MAX_CHUNKS:
            raise UsageError(f"chunks of {aim} frames are too short: a file holds at most {MAX_CHUNKS} chunks")
        return cls(aim, min(max(aim, aim * 5 // 4), longest))

    def plan(self, frames: int) -> list[int]:
        """Return the frames of every chunk of a recording of known length: nearly equal, none tiny."""
        chunks = max(-(-frames // self.most), round(frames / self.aim))
        return [frames * (i + 1) // chunks - frames * i // chunks for i in range(chunks)]

    def cut(self, read: Callable[[int], np.ndarray], frames: int | None) -> Iterator[np.ndarray]:
        """Cut what `read(frames)` gives into chunks; with `frames` unknown, one chunk is read ahead.

        `read` gives fewer frames than asked for only at the end.
        """
        if frames is not None:
            for count in self.plan(frames):
                chunk = read(count)
                if len(chunk) < count:
                    raise FileFormatError("the file is shorter than its header says, or changed while it was read")
                yield chunk
            return
        ahead = read(self.most)
        while len(ahead) == self.most:
            yield ahead[: self.aim]
            ahead = np.concatenate([ahead[self.aim :], read(self.most - len(ahead[self.aim :]))])
        if len(ahead):
            yield ahead


def beginning(chunks: Iterator[np.ndarray], frames: int) -> list[np.ndarray]:
    """Take chunks until they have so many frames together, or there are no more."""
    taken: list[np.ndarray] = []
    while sum(map(len, taken)) < frames and (chunk := next(chunks, None)) is not None:
        taken.append(chunk)
    return taken
