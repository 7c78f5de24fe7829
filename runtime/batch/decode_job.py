"""One coded file on its way back to its original."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from functools import partial

import numpy as np

from ..codec.coding import DecodeTask
from ..container.blocks import BlockReader
from ..container.chunk_head import chunk_frames
from ..container.header import Header, parse_foreign, parse_model
from ..container.record_bytes import Packed
from ..container.records import Layout
from ..core.errors import CorruptError
from ..core.terms import FILES, RECORDS, SAMPLES
from ..predictor import model as models
from ..recording.input_file import Input
from ..recording.outputs import paths, removal
from ..recording.outputs.originals import MembersSink, Sink, layout_of, members_of, sink_of, wav_front
from ..recording.outputs.output_file import Output
from .coders import Decoder, model_of
from .jobs import Job
from .outcome import Settings
from .pipeline import Back, Chunk, Front


def work_of(decoder: Decoder, header: Header, chunk: bytes, kept: Packed | None) -> Iterator[Chunk]:
    """Yield what there is to decode in a block `C`: other signals, then the chunk of the recording's channels."""
    for payload, channels in (*(kept.chunks if kept else ()), (chunk, header.channels)):
        samples = chunk_frames(payload, channels) * channels
        yield Chunk(decoder, DecodeTask(payload, channels, header.sample_bits), samples)


class DecodeJob(Job):
    """A coded file on its way back.

    Parameters
    ----------
    files : one path
    settings : Settings
    network : model for files whose model is neither shipped nor embedded
    embedded_model : whether a model in the file may be used
    """

    def __init__(
        self, files: list[str], settings: Settings, network: models.Model | None, embedded_model: bool = True
    ) -> None:
        super().__init__(files, settings)
        self._network, self._embedded_model = network, embedded_model
        self._original = Sink()
        self._expected: bytes | None = None
        self._kept: deque[Packed] = deque()

    def items(self) -> Iterator[Front | Chunk | Back]:
        """Read the coded file."""
        self._begun = time.perf_counter()
        with Input(self._files[0]) as source:
            self._inputs = [source.seen] if source.seen is not None else []
            blocks = BlockReader(source.file)
            header = blocks.header
            self._note(blocks.header_crc.to_bytes(4, "little"))
            self._mtime = header.mtime
            if header.source != FILES:
                self._open_single(header)
            embedded, opened, coder = None, header.source not in (FILES, RECORDS), None
            layout, frames = Layout(()), 0
            if header.canonical or header.source == SAMPLES:
                yield Front(wav_front(header, source))
            for block in blocks:
                self._note(block.payload)
                self._note(block.kept)
                if not opened and block.tag in b"CBSE":
                    opened = True
                    if header.source == RECORDS:
                        layout = layout_of(header, blocks.table)
                        yield Front(blocks.table)
                    else:
                        self._open_several(header, blocks.table)
                if block.tag == b"M":
                    embedded = parse_model(block.payload, header.model)
                elif block.tag == b"F" and header.source not in (FILES, RECORDS):
                    yield Front(parse_foreign(block.payload))
                elif block.tag == b"B":
                    yield Back(parse_foreign(block.payload))
                elif block.tag == b"C":
                    start, frames = frames, frames + chunk_frames(block.payload, header.channels)
                    coder = coder or Decoder(model_of(header, embedded, self._network, self._embedded_model))
                    kept = Packed(block.kept, layout, list(layout.begun(start, frames)), header.dtype)
                    self._kept.append(kept)
                    yield from work_of(coder, header, block.payload, kept)
            self.outcome.coded_bytes, self._expected = blocks.offset, None if header.bounded else blocks.digest

    def put_front(self, data: bytes) -> None:
        """Restore bytes in front of the samples, or of records all that is in front of the first one."""
        self._original.front(data)

    def put_chunk(self, samples: np.ndarray) -> None:
        """Restore samples, once those of other signals in the same block have come."""
        if self._kept[0].take(samples):
            return
        self.outcome.samples += samples.size
        self._original.samples(samples, self._kept.popleft().rows)

    def put_back(self, data: bytes) -> None:
        """Restore bytes behind the samples."""
        self._original.back(data)

    def finish(self) -> None:
        """Complete the original."""
        digest, self.outcome.original_bytes = self._original.digest, self._original.size
        if self._expected is not None and digest != self._expected:
            raise CorruptError("what was decoded is not the original: its SHA-256 is another one")
        self.outcome.sha256 = None if digest is None else digest.hex()
        self._close(Output.check if self._settings.remove else None, partial(removal.coded_contents, self._files[0]))

    def _open_single(self, header: Header) -> None:
        """Find out where an original of one file goes."""
        outputs, target = self._settings.outputs, ""
        if outputs is not None:
            target = outputs.claim(self._files[0], partial(paths.original_name, suffix=header.suffix))
            self.outcome.output = target
        self._output = self._original = sink_of(outputs, target, header, header.summed or self._settings.sums)

    def _open_several(self, header: Header, table: bytes) -> None:
        """Find out where the files go that an original consists of."""
        outputs, members, targets = self._settings.outputs, members_of(header, table), list[str]()
        if outputs is not None:
            self.outcome.output, targets = outputs.claim_several(self._files[0], [member.name for member in members])
        self._output = self._original = MembersSink(outputs, targets, header, members)
