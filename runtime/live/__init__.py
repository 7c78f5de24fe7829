"""Streams in real time: frames in, packets out, and back; each lead is coded alone.

encoder = StreamEncoder(leads=256, rate=20000, calibration="day1.json")
for frames in source:                      # int16 [frames, leads], any number of frames
    for packet in encoder.push(frames):
        send(packet)

decoder = StreamDecoder()
for first, samples in decoder.push(received):
    ...                                    # samples of the frames from number `first` on
decoder.events                             # what is missing, and why
"""

from __future__ import annotations

import importlib

_HOMES = {
    "ActivityStreamEncoder": "activity",
    "Calibration": "calibration",
    "Event": "decoder",
    "StreamDecoder": "decoder",
    "StreamEncoder": "encoder",
}

__all__ = list(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> object:
    """Public names, imported when they are first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value
