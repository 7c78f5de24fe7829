"""The conformance vectors, and the models that they are made with."""

from __future__ import annotations

import contextlib
import io
from functools import cache
from pathlib import Path

from runtime.container.blocks import BlockReader
from runtime.core.errors import MiddleoutError
from runtime.core.names import identity_of
from runtime.predictor import model as models
from runtime.streaming.packets import Description, PacketReader

TESTS = Path(__file__).resolve().parents[2] / "tests"
_LARGEST = 6000
"""Bytes of the largest files that are taken to begin with."""


def files(pattern: str) -> list[bytes]:
    """Return the contents of files of the tests, small ones only."""
    return [path.read_bytes() for path in sorted(TESTS.glob(pattern)) if path.stat().st_size <= _LARGEST]


@cache
def vector_models() -> dict[bytes, bytes]:
    """Return the models of the vectors, by identity."""
    found = [path.read_bytes() for path in sorted(TESTS.glob("vectors/*.onnx"))]
    return {identity_of(data): data for data in found}


@cache
def chunk_models() -> list[models.Model]:
    """Return the models that chunks are decoded with."""
    return [models.load(), models.load(models.DEVICES), *map(models.load, vector_models().values())]


def model_of_file(data: bytes) -> bytes | None:
    """Return the model that a coded file names, if it is one of the vectors'."""
    with contextlib.suppress(MiddleoutError):
        header = BlockReader(io.BytesIO(data)).header
        return None if header.embedded else vector_models().get(header.model)
    return None


def model_of_stream(data: bytes) -> bytes | None:
    """Return the model that the first key packet of a stream names, if it is one of the vectors'."""
    reader = PacketReader()
    reader.push(data)
    while (packet := reader.next()) is not None:
        if packet.key:
            with contextlib.suppress(MiddleoutError):
                return vector_models().get(Description.parse(packet.payload).model)
    return None
