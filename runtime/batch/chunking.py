"""How a recording is cut into chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..core.errors import FileFormatError
from ..core.limits import CHUNK_FRAMES, CHUNK_SAMPLES


def plan(frames: int, channels: int) -> list[int]:
    """Return the frames of every chunk of a recording of known length: nearly equal, none tiny."""
    chunks = max(-(-frames // _most(channels)), round(frames / CHUNK_FRAMES))
    return [frames * (i + 1) // chunks - frames * i // chunks for i in range(chunks)]


def cut(read: Callable[[int], np.ndarray], frames: int | None, channels: int) -> Iterator[np.ndarray]:
    """Cut what `read(frames)` gives into chunks; with `frames` unknown, one chunk is read ahead.

    `read` gives fewer frames than asked for only at the end.
    """
    if frames is not None:
        for count in plan(frames, channels):
            chunk = read(count)
            if len(chunk) < count:
                raise FileFormatError("the file is shorter than its header says, or changed while it was read")
            yield chunk
        return
    most = _most(channels)
    aim = min(CHUNK_FRAMES, most)
    ahead = read(most)
    while len(ahead) == most:
        yield ahead[:aim]
        ahead = np.concatenate([ahead[aim:], read(most - len(ahead[aim:]))])
    if len(ahead):
        yield ahead


def _most(channels: int) -> int:
    return max(1, min(CHUNK_FRAMES * 5 // 4, CHUNK_SAMPLES // channels))
