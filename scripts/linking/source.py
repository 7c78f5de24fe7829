"""A source that keeps to the clock, as a process: frame k exists at k / rate, and not before.

    source.py RECORDING.npy CHANNELS RATE LEAD FRAMES PIECE LOG.npy

The first LEAD frames come at once, so that others can start. A line on standard input then gives the moment of frame 0
on the monotonic clock. The recording begins anew at its end.
"""

from __future__ import annotations

import sys
import time

import numpy as np


def main() -> None:
    """Write frames to standard output, and to the log how late each piece was written."""
    channels, rate, lead, frames, piece = map(int, sys.argv[2:7])
    recording = np.ascontiguousarray(np.load(sys.argv[1], mmap_mode="r")[:, :channels])
    late = []
    put(recording, 0, lead)
    begin = float(sys.stdin.readline())
    for first in range(0, frames, piece):
        end = min(first + piece, frames)
        time.sleep(max(0.0, begin + end / rate - time.monotonic()))
        put(recording, lead + first, end - first)
        late.append(time.monotonic() - begin - end / rate)
    sys.stdout.buffer.close()
    np.save(sys.argv[7], late)


def put(recording: np.ndarray, first: int, count: int) -> None:
    """Write frames of a recording that is repeated."""
    while count:
        at = first % len(recording)
        part = recording[at : at + count]
        sys.stdout.buffer.write(part.astype("<i2", copy=False).data)
        first, count = first + len(part), count - len(part)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
