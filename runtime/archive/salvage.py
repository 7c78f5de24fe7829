"""What can be saved of a damaged, cut or incomplete file."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..batch.coders import Decoder, model_of
from ..batch.decode_job import work_of
from ..batch.pipeline import Back, Chunk, Front, Runner, default_threads
from ..codec.coding import DecodeTask
from ..container.blocks import chunk_parts
from ..container.header import parse_foreign
from ..container.record_bytes import Packed, Unpacked
from ..container.records import Layout
from ..core import limits, sample_formats
from ..core.errors import CorruptError, MiddleoutError, ModelError, UsageError, as_error
from ..core.terms import FILLS, HOLD, RECORDS, ZEROS
from ..predictor import model as models
from ..recording.input_file import Input
from ..recording.outputs import paths
from ..recording.outputs.originals import layout_of
from .block_search import DamagedFile, Found, Search, find_header
from .inventory import Inventory, Sorter
from .restored import CodedTarget, End, Hole, OriginalTarget, Target

_PIECE = 1 << 22
"""Samples of a hole that are made at a time."""


@dataclass(frozen=True)
class Salvaged:
    """What was saved of a damaged file.

    Attributes
    ----------
    path, output : names of the input and the output
    channels, sample_rate : of the recording; Hz, 0 if unknown
    frames : of the recording, lost ones included
    holes : frames that are lost
    damage : what else is lost or damaged, in words
    """

    path: str
    output: str
    channels: int
    sample_rate: float
    frames: int
    holes: tuple[Hole, ...]
    damage: tuple[str, ...]

    @property
    def intact(self) -> bool:
        """Whether the file was not damaged at all."""
        return not self.holes and not self.damage


def salvage_file(
    path: str | os.PathLike,
    output: str | os.PathLike,
    *,
    fill: str = ZEROS,
    force: bool = False,
    model: str | os.PathLike | bytes | None = None,
    embedded_model: bool = True,
    jobs: int | None = None,
) -> Salvaged:
    """Restore what is left of a damaged, cut or incomplete coded file: all parts that their checksums prove.

    Parameters
    ----------
    path : str or os.PathLike
        Of the damaged file, which stays as it is.
    output : str or os.PathLike
        A new coded file if the name ends in `.mdo`, with the chunks as they are; else the original, which is a WAV file
        where its own form is lost, and a folder where it was several files.
    fill : {"zeros", "hold"}
        What takes the place of lost frames, so that the time of others stays: zeros (of unsigned samples, the middle of
        their range), or the last frame in front.
    force : bool
        Replace an existing file.
    model : str, os.PathLike, bytes or None
        Name, path or bytes of the model, where it is neither shipped nor left in the file.
    embedded_model : bool
        Whether a model in the file may be used.
    jobs : int or None
        Threads; None for one per core.

    Returns
    -------
    Salvaged

    Raises
    ------
    FileFormatError
        No header of a coded file is left.
    ModelError, UsageError, MiddleoutError
    """
    if fill not in FILLS:
        raise UsageError(f"fill {fill!r}; possible are {', '.join(FILLS)}")
    given = None if model is None else models.load(model)
    outputs = paths.Outputs(os.fspath(output), force=force, tidy=False)  # what a killed process left may be the input
    try:
        with Input(os.fspath(path)) as source:
            job = _job(source, os.fspath(output), outputs, fill == HOLD, partial(_decoder, given, embedded_model))
            Runner(jobs or default_threads()).run([job])
    except MiddleoutError:
        raise
    except Exception as error:
        raise as_error(error) from error
    if job.error is not None:
        raise job.error
    found, holes = job.found, tuple(job.holes)
    form, damage = found.header, tuple(found.damage)
    return Salvaged(os.fspath(path), os.fspath(output), form.channels, form.sample_rate, job.frames, holes, damage)


def _job(
    source: Input,
    output: str,
    outputs: paths.Outputs,
    hold: bool,
    decoder_of: Callable[[Inventory], Decoder | None],
) -> _Job:
    """Take the inventory of a file, and open its output."""
    if source.seen is None:
        raise UsageError("only a file can be searched for what is left, not a pipe")
    file = DamagedFile(source.file)
    header = find_header(file)
    found = Sorter(file, header, Search(file, header).blocks()).run()
    decoder = decoder_of(found)
    target: Target
    if output.endswith(paths.SUFFIX):
        target = CodedTarget(outputs, source.path, file, found, None if decoder is None else decoder.model)
    else:
        target = OriginalTarget(outputs, source.path, found)
    job = _Job(file, found, decoder, target, hold)
    job.mode = source.seen.mode
    return job


def _decoder(given: models.Model | None, embedded_model: bool, found: Inventory) -> Decoder | None:
    """Return a decoder of a file's chunks; None if there is nothing to decode."""
    if not found.stretches:
        return None
    try:
        return _Tolerant(model_of(found.header, found.model, given, embedded_model))
    except ModelError as error:
        if given is None and found.header.embedded and found.model is None:
            raise ModelError("the model in the file is lost, and no shipped one; supply it (--model PATH)") from error
        raise


class _Tolerant(Decoder):
    """A decoder that gives no frames for a chunk that is damaged."""

    def run(self, tasks: list[DecodeTask]) -> list[np.ndarray | MiddleoutError]:
        """Return the plain samples [frames, channels] of each task, or its error."""
        made = super().run(tasks)
        return [np.empty((0, 0)) if isinstance(result, CorruptError) else result for result in made]


@dataclass(frozen=True)
class _Waiting:
    """A stretch of frames in work; `kept` is what its block holds of records, None where this is damaged."""

    block: Found | None
    frames: int
    assumed: bool
    kept: Packed | None


class _Job:
    """A damaged file on its way through the pipeline.

    Attributes
    ----------
    found : what is there of the file
    mode : permissions of the output
    frames, holes : of the recording so far
    error : what went wrong, None if nothing did
    """

    def __init__(
        self, file: DamagedFile, found: Inventory, decoder: Decoder | None, target: Target, hold: bool
    ) -> None:
        self.mode: int | None = None
        self.frames = 0
        self.holes: list[Hole] = []
        self.error: Exception | None = None
        self._file, self.found, self._decoder = file, found, decoder
        self._target, self._hold = target, hold
        header = found.header
        self._layout = layout_of(header, found.front or b"") if header.source == RECORDS else Layout(())
        self._last = np.zeros((1, header.channels), sample_formats.plain_type(header.dtype))
        self._queue: deque[_Waiting] = deque()

    def items(self) -> Iterator[Front | Chunk | Back]:
        """Read chunks, then the bytes behind them."""
        found, start = self.found, 0
        for stretch in found.stretches:
            block, kept = stretch.block, None
            if block is not None:
                try:
                    payload, packed = chunk_parts(block.payload(self._file), found.original)
                except CorruptError:
                    block = None
                else:
                    kept = self._packed(packed, start, stretch.frames)
            start += stretch.frames
            self._queue.append(_Waiting(block, stretch.frames, stretch.assumed, kept))
            if block is not None and self._decoder is not None:
                yield from work_of(self._decoder, found.header, payload, kept)
        last = max((number for number, part in enumerate(found.back) if part is not None), default=-1)
        for part in found.back[: last + 1]:
            yield Back(bytes(limits.MAX_FOREIGN_PIECE) if part is None else parse_foreign(part.payload(self._file)))

    def put_front(self, data: bytes) -> None:
        """Take nothing: what is in front of the samples is written already."""

    def put_chunk(self, result: np.ndarray) -> None:
        """Take the samples of a chunk; none where it is damaged."""
        self._put_holes()
        next_one = self._queue[0]
        block, kept = next_one.block, next_one.kept
        if kept is not None and kept.take(result):
            return
        self._queue.popleft()
        if len(result) != next_one.frames:
            self._put_hole(next_one.frames, next_one.assumed)
            return
        if kept is None or not kept.whole:
            kept = self._zeros(next_one.frames)
            self.found.damage.append(f"bytes beside the samples are lost from frame {self.frames} on")
        assert block is not None  # holes are done with
        self._target.chunk(block, result, kept)
        self.frames += next_one.frames
        self._last = result[-1:]

    def put_back(self, data: bytes) -> None:
        """Take bytes behind the samples."""
        self._put_holes()
        self._target.back(data)

    def finish(self) -> None:
        """Complete the output."""
        self._put_holes()
        found = self.found
        digest = found.digest if found.whole and not self.holes else None
        if not self._target.commit(End(self.mode, found.header.mtime, digest, self.holes)):
            found.damage.append("what was restored is not the original: its SHA-256 is another one")

    def fail(self, error: Exception | None) -> None:
        """Give up and tidy up."""
        self.error = error
        self._target.abort()

    def _put_holes(self) -> None:
        """Fill the holes that come next."""
        while self._queue and self._queue[0].block is None:
            hole = self._queue.popleft()
            self._put_hole(hole.frames, hole.assumed)

    def _put_hole(self, frames: int, assumed: bool) -> None:
        start, stop = self.frames, self.frames + frames
        if self.holes and self.holes[-1].stop == start:
            last = self.holes.pop()
            start, assumed = last.start, assumed or last.assumed
        self.holes.append(Hole(start, stop, assumed))
        value = self._last if self._hold else np.zeros_like(self._last)
        step = max(1, _PIECE // self._last.shape[1])
        for left in range(frames, 0, -step):
            count = min(left, step)
            self._target.hole(np.repeat(value, count, axis=0), self._zeros(count))
            self.frames += count

    def _zeros(self, frames: int) -> Packed:
        """Return zeros for what belongs to the next frames of records besides their samples."""
        parts = []
        for run in self._layout.begun(self.frames, self.frames + frames):
            records = self._layout.records(run)
            parts.append((records, np.zeros((run.count, records.kept), np.uint8)))
        zeros = self._packed(Unpacked(parts, self.found.header.dtype).pack(), self.frames, frames)
        assert zeros is not None  # since it was packed here
        return zeros

    def _packed(self, packed: bytes, start: int, frames: int) -> Packed | None:
        """Read what a chunk holds of records, if the original is to be of these; None where it is damaged."""
        if self.found.header.source != RECORDS:
            packed = b""
        try:
            runs = list(self._layout.begun(start, start + frames))
            return Packed(packed, self._layout, runs, self.found.header.dtype)
        except CorruptError:
            return None
