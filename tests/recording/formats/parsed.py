"""A file, described and put together again."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.core import sample_formats
from runtime.recording.formats.found import Found
from runtime.recording.formats.table import describe
from runtime.recording.records import Assembler, Description, RecordsReader


@dataclass
class Parsed:
    """What `describe` gave, the samples in the file's own type, and the bytes that come back.

    kept : bytes that are kept of the records, as they are coded where no signal is a chunk
    """

    described: Description
    samples: np.ndarray
    back: bytes
    kept: int
    tail: int


def describe_data(data: bytes, path: Path | str | None = None) -> Description | None:
    return describe(Found.of(io.BytesIO(data), None if path is None else str(path)))


def parse(data: bytes, path: Path | str | None = None, step: int = 997) -> Parsed | None:
    """Describe a file and put it together again, `step` frames at a time; None if it is not described."""
    described = describe_data(data, path)
    if described is None:
        return None
    reader, assembler = RecordsReader(io.BytesIO(data), described), Assembler(described.layout, described.dtype)
    back, read, kept = list(assembler.start()), [], 0
    while len(samples := reader.read(step)):
        unpacked = reader.record_bytes(len(samples))
        back += assembler.add(samples, unpacked.rows)
        read.append(samples)
        kept += len(unpacked.pack())
    tail = list(reader.back())
    samples = sample_formats.from_plain(np.concatenate(read), described.dtype)
    return Parsed(described, samples, b"".join([*back, *tail]), kept, sum(map(len, tail)))
