"""From recordings to a topology: what is read of them, and what their channels are called.

Channels of a recording with several are called by their numbers, files of one channel by their names without suffix.
Files of one channel and equal length are taken for simultaneous, which the correlation then confirms or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..core.errors import MiddleoutError, UsageError
from ..fit.correlation import whiten
from ..fit.topology import Topology
from ..recording.sources import NOTHING, Given, Recording
from ..wide.wide_coding import narrowed

SECONDS = 30
"""Of a recording, in pieces spread over it; more tells little about which channels belong together."""
_FRAMES = 1 << 20
"""The same where the sample rate is unknown."""
_SAMPLES = 1 << 26
"""Samples of all channels that are looked at together, which bounds the memory."""
_SHORTEST = 1000
"""Frames of the shortest recording that is used."""


def observe(
    topology: Topology,
    files: Sequence[str],
    given: Given = NOTHING,
    array: bool = False,
    done: Callable[[str], None] = lambda path: None,
) -> None:
    """Add recordings to a topology.

    Parameters
    ----------
    files : paths; with `array` they hold one channel each of the same recording
    given : what the files do not say
    done : called with the path of every recording as it has been read

    Raises
    ------
    UsageError, FileFormatError, OSError
    """
    if array:
        with _opened(files, given, array) as recording:
            _add(topology, recording)
        done(files[0])
        return
    single: dict[int, list[str]] = {}
    for path in files:
        with _opened([path], given) as recording:
            if recording.source.channels > 1:
                _add(topology, recording)
                done(path)
            elif recording.source.frames is not None:
                single.setdefault(recording.source.frames, []).append(path)
    for frames in sorted(single):
        group = single[frames]
        with _opened(group, given, array=True) as recording:
            _add(topology, recording)
        for path in group:
            done(path)


def _opened(files: Sequence[str], given: Given, array: bool = False) -> Recording:
    try:
        return Recording(files, given, array)
    except OSError as error:
        raise UsageError(f"{files[0]}: {error.strerror or error}") from None
    except MiddleoutError as error:
        raise error if array else type(error)(f"{files[0]}: {error}") from None


def _excerpt(recording: Recording) -> np.ndarray:
    source = recording.source
    frames = round(SECONDS * source.sample_rate) or _FRAMES
    return recording.excerpt(min(frames, max(_SAMPLES // source.channels, _SHORTEST)))


def _add(topology: Topology, recording: Recording) -> None:
    rows = _whitened(_excerpt(recording))
    if rows.shape[1] >= _SHORTEST:
        topology.observe(recording.names, rows)


def _whitened(samples: np.ndarray) -> np.ndarray:
    rows = np.empty(samples.T.shape, np.float32)
    samples = narrowed(samples)
    for channel, row in enumerate(rows if len(samples) >= _SHORTEST else ()):
        row[:] = whiten(np.ascontiguousarray(samples[:, channel]))
    return rows
