"""Streams in real time: frames in, packets out, and back; each channel is coded alone.

encoder = StreamEncoder(channels=256, sample_rate=20000, calibration="day1.mdc")
for frames in source:                      # int16 [frames, channels], any number of frames
    for packet in encoder.push(frames):
        send(packet)

decoder = StreamDecoder()
for first, samples in decoder.push(received):
    ...                                    # samples of the frames from number `first` on
decoder.events                             # what is missing, and why
"""

from __future__ import annotations

from ..core.imports import getter as _getter

_HOMES = {
    "SpikeCounter": "spike_events",
    "SpikeEventDecoder": "spike_events",
    "SpikeStreamEncoder": "spikes",
    "Calibration": "calibration",
    "Event": "decoder",
    "ParityEncoder": "parity",
    "Radio": "radio",
    "RateShare": "parity",
    "StreamDecoder": "decoder",
    "StreamEncoder": "encoder",
}

__all__ = list(_HOMES)  # noqa: PLE0605

__getattr__ = _getter(globals(), _HOMES)
