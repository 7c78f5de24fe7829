"""Every change of one byte, and every length, of small files: each must be refused, or change nothing."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.access.reader import Reader
from runtime.container.blocks import BlockReader
from runtime.core.errors import MiddleoutError
from runtime.predictor import model as models
from runtime.streaming import StreamDecoder

from .vectors import model_of_file, model_of_stream

BITS, VALUES = "bits", "values"
"""Changes of a byte: each of its 8 bits alone, or to each of the 255 other values."""


def changes(data: bytes, how: str) -> Iterator[bytes]:
    """Yield the bytes with each byte changed, taken out and doubled, and all their beginnings."""
    for at, old in enumerate(data):
        others = (old ^ 1 << bit for bit in range(8)) if how == BITS else (old ^ flip for flip in range(1, 256))
        for new in others:
            yield data[:at] + bytes([new]) + data[at + 1 :]
        yield data[:at] + data[at + 1 :]
        yield data[:at] + data[at : at + 1] + data[at:]
        yield data[:at]
    yield data + b"\0"


def file_facts(data: bytes) -> Any:
    """Return everything that a coded file holds."""
    blocks = BlockReader(io.BytesIO(data))
    others = [(block.tag, block.payload) for block in blocks if block.tag not in b"CE"]
    with Reader(io.BytesIO(data), model=model_of_file(data), cache_bytes=0) as reader:
        samples = reader.read()
        return blocks.header, others, reader.metadata, samples.dtype, samples.shape, samples.tobytes()


def model_facts(data: bytes) -> Any:
    """Return what a model computes."""
    return models.Model(data).run(np.arange(2000, dtype=np.uint64).astype(np.uint8).reshape(-1, 20)).tobytes()


class Wrong(Exception):
    """Something else was decoded, without an error."""


def stream_facts(original: bytes) -> Callable[[bytes], Any]:
    """Return a function that decodes a damaged stream.

    It raises `Wrong` for frames that are not the original's or come twice, and where some are missing without an event.
    """
    right, _ = _frames(original)

    def facts(data: bytes) -> None:
        found, events = _frames(data)
        for first, row in found.items():
            if right.get(first) != row:
                raise Wrong(f"frame {first} is another one")
        if len(found) < len(right) and not events:
            raise Wrong("frames are missing, and no event says so")

    return facts


def _frames(data: bytes) -> tuple[dict[int, bytes], int]:
    """Return the bytes of each frame by number, and how many events there were."""
    decoder, found = StreamDecoder(model=model_of_stream(data)), dict[int, bytes]()
    for first, samples in decoder.push(data) + decoder.finish():
        for number, row in enumerate(samples, first):
            if number in found:
                raise Wrong(f"frame {number} came twice")
            found[number] = row.tobytes()
    return found, len(decoder.events)


@dataclass
class Counts:
    """What became of changed files.

    Attributes
    ----------
    equal, refused, wrong, untyped : int
        Those that decode to the same (of streams: to right frames, and the others are said to be missing), that raise
        an error of the package, that decode to something else, and that raise another error.
    slowest : float
        Seconds.
    example : str
        Of one of those that are wrong or untyped.
    """

    equal: int = 0
    refused: int = 0
    wrong: int = 0
    untyped: int = 0
    slowest: float = 0.0
    example: str = ""

    @property
    def total(self) -> int:
        """All of them."""
        return self.equal + self.refused + self.wrong + self.untyped

    def add(self, facts: Callable[[bytes], Any], expected: Any, data: bytes) -> None:
        """Count what becomes of one."""
        begun = time.perf_counter()
        try:
            if facts(data) == expected:
                self.equal += 1
            else:
                self._note("wrong", data, "decodes to something else")
        except MiddleoutError:
            self.refused += 1
        except Wrong as error:
            self._note("wrong", data, str(error))
        except Exception as error:
            self._note("untyped", data, f"{type(error).__name__}: {error}")
        self.slowest = max(self.slowest, time.perf_counter() - begun)

    def _note(self, kind: str, data: bytes, text: str) -> None:
        setattr(self, kind, getattr(self, kind) + 1)
        self.example = self.example or f"{text}: {data.hex()}"


def kind_of(name: str, data: bytes) -> Callable[[bytes], Any]:
    """Return what decodes files of a suffix."""
    if name.endswith(".mds"):
        return stream_facts(data)
    return model_facts if name.endswith(".onnx") else file_facts


def count(name: str, data: bytes, how: str = VALUES) -> Counts:
    """Return what becomes of all changes of a file."""
    facts, counts = kind_of(name, data), Counts()
    expected = facts(data)
    for changed in changes(data, how):
        counts.add(facts, expected, changed)
    return counts
