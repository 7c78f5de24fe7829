"""Where the contents of a damaged file go: to its original, or to a new coded file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ..batch.coders import Encoder
from ..batch.encoding import check_coded
from ..codec.coding import EncodeTask
from ..container import metadata
from ..container.blocks import BlockWriter, chunk_parts
from ..container.record_bytes import Packed
from ..core.terms import FILES, SAMPLES
from ..predictor.model import Model
from ..recording.outputs import paths
from ..recording.outputs.originals import MembersSink, Sink, canonical_front, members_of, sink_of
from .block_search import DamagedFile, Found
from .inventory import Inventory


@dataclass(frozen=True)
class Hole:
    """Frames that are lost, of all channels, from `start` up to `stop`.

    assumed : whether how many they are is no more than likely
    """

    start: int
    stop: int
    assumed: bool = False


@dataclass(frozen=True)
class End:
    """What an output gets when all is written.

    mode, mtime : permissions and time
    digest : SHA-256 of the original, if all of it was found and that is known
    holes : list of Hole
    """

    mode: int | None
    mtime: int | None
    digest: bytes | None
    holes: Sequence[Hole]


class Target(Protocol):
    """An output, which takes chunks and holes in the order of time, then what is behind the samples."""

    def chunk(self, block: Found, samples: np.ndarray, kept: Packed) -> None:
        """Take a chunk: where it is, its plain samples [frames, channels], and what it holds of records."""

    def hole(self, samples: np.ndarray, kept: Packed) -> None:
        """Take plain samples [frames, channels] and bytes of records in the place of lost ones."""

    def back(self, data: bytes) -> None:
        """Take bytes behind the samples."""

    def commit(self, end: End) -> bool:
        """Complete the output. Returns whether it has the SHA-256 that it should have, as far as both are known."""

    def abort(self) -> None:
        """Remove what was written."""


class OriginalTarget:
    """The original of a damaged file, or a WAV file where its form is lost.

    Parameters
    ----------
    outputs : paths.Outputs
    path : of the damaged file
    found : Inventory
    """

    def __init__(self, outputs: paths.Outputs, path: str, found: Inventory) -> None:
        header, front = found.header, found.front
        self._sink: Sink
        self._compare = False
        if header.source == FILES:
            members = members_of(header, front or b"")
            targets = outputs.claim_several(path, [member.name for member in members])[1]
            self._sink = MembersSink(outputs, targets, header, members)
            return
        target = outputs.claim(path, str)
        self._sink = sink_of(outputs, target, header, hashed=True)
        if header.canonical or header.source == SAMPLES:
            front = canonical_front(header, sum(stretch.frames for stretch in found.stretches))
        self._compare = not header.bounded
        try:
            self._sink.front(front or b"")
        except BaseException:
            self.abort()
            raise

    def chunk(self, block: Found, samples: np.ndarray, kept: Packed) -> None:
        """Take a chunk."""
        self._sink.samples(samples, kept.rows)

    def hole(self, samples: np.ndarray, kept: Packed) -> None:
        """Take what is in the place of lost samples."""
        self._sink.samples(samples, kept.rows)

    def back(self, data: bytes) -> None:
        """Take bytes behind the samples."""
        self._sink.back(data)

    def commit(self, end: End) -> bool:
        """Complete the output. Returns whether it has the right SHA-256, as far as that is known."""
        found = self._sink.digest
        self._sink.commit(end.mode, end.mtime, None)
        return not self._compare or None in (end.digest, found) or found == end.digest

    def abort(self) -> None:
        """Remove what was written."""
        self._sink.abort()


class CodedTarget:
    """A new coded file, with the chunks of a damaged one as they are.

    It is written in the end, because its metadata tell of all holes: `annotations.holes`, first frames and ends.

    Parameters
    ----------
    outputs : paths.Outputs
    path : of the damaged file
    file : DamagedFile
    found : Inventory
    model : of the chunks; None where there are none
    """

    def __init__(
        self,
        outputs: paths.Outputs,
        path: str,
        file: DamagedFile,
        found: Inventory,
        model: Model | None,
    ) -> None:
        target = outputs.claim(path, str)
        self._file, self._found = file, found
        self._model_data = found.model if model is None else model.data
        self._encoder = None if model is None else Encoder(model)
        self._parts: list[tuple[Found | bytes, bytes]] = []
        self._back: list[bytes] = []
        self._output = outputs.open(target)

    def chunk(self, block: Found, samples: np.ndarray, kept: Packed) -> None:
        """Take a chunk."""
        self._parts.append((block, kept.packed))

    def hole(self, samples: np.ndarray, kept: Packed) -> None:
        """Take what is in the place of lost samples."""
        assert self._encoder is not None  # since there are samples
        (payload,) = self._encoder.run([EncodeTask(samples, self._found.header.sample_bits)])
        if isinstance(payload, Exception):
            raise payload
        self._parts.append((payload, kept.packed))

    def back(self, data: bytes) -> None:
        """Take bytes behind the samples."""
        self._back.append(data)

    def commit(self, end: End) -> bool:
        """Write the file."""
        found, embedded = self._found, self._found.header.embedded and self._model_data is not None
        header, about = replace(found.header, embedded=embedded), dict(found.metadata)
        if end.holes:
            about = metadata.with_holes(about, [[hole.start, hole.stop] for hole in end.holes])
        packed = metadata.pack(about, header.channels) if about else b""
        writer = BlockWriter(self._output.file, header, self._model_data, packed)
        writer.front(found.front or b"")
        for part, kept in self._parts:
            payload = part if isinstance(part, bytes) else chunk_parts(part.payload(self._file), found.original)[0]
            writer.chunk(payload, kept)
        for data in self._back:
            writer.back(data)
        writer.end(end.digest)
        self._output.commit(end.mode, end.mtime, check_coded)
        return True

    def abort(self) -> None:
        """Remove what was written."""
        self._output.abort()
