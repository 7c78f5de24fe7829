"""Lossless codec for recordings of brain implants: a small network predicts, an entropy coder writes the rest.

Arrays are int16, or integers and floats of other widths, [time, channel]:

    data = runtime.encode(samples, sample_rate=20000)
    samples, sample_rate = runtime.decode(data)

    runtime.encode_file("day1.wav")                  # writes day1.mdo
    with runtime.open("day1.mdo") as recording:      # reads only what it needs
        part = recording.read(20000, 40000)
"""

from __future__ import annotations

from .core.imports import getter as _getter

__version__ = "0.1.0"

_HOMES = {
    "CorruptError": "core.errors",
    "Destination": "batch.options",
    "EncodeOptions": "batch.options",
    "FileFormatError": "core.errors",
    "Given": "recording.sources",
    "MiddleoutError": "core.errors",
    "ModelError": "core.errors",
    "Outcome": "batch.outcome",
    "RateError": "core.errors",
    "Reader": "access.reader",
    "Salvaged": "archive.salvage",
    "UsageError": "core.errors",
    "Writer": "access.writer",
    "append": "access.append:Appender",
    "decode": "api",
    "decode_file": "api",
    "decode_files": "batch.files",
    "encode": "api",
    "encode_file": "api",
    "encode_files": "batch.files",
    "open": "access.reader:Reader",
    "salvage_file": "archive.salvage",
    "verify_files": "batch.files",
}

__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604

__getattr__ = _getter(globals(), _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
