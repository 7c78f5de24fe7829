"""What is there of a damaged file, and what is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..container import metadata as metadata_block
from ..container.blocks import BLOCK_HEAD
from ..container.chunk_head import CHUNK_HEAD, chunk_frames
from ..container.header import BLOCK_OVERHEAD, Header, parse_foreign, parse_model, parse_sum
from ..container.index import Index
from ..core.errors import CorruptError
from ..core.terms import FILES, KEPT, NPY, RECORDS, SAMPLES, WAV
from ..recording.outputs.originals import layout_of, members_of
from .block_search import DamagedFile, Found, FoundHeader
from .timeline import Chunks, Evidence, Stretch, arrange, usable

OPEN_END = "the end of the file is missing; how much was in it is not known"
"""Damage beside which no number of frames is that of the recording."""
_FRONTS = {
    WAV: "the header of the WAV file is",
    NPY: "the header of the .npy file is",
    FILES: "the names and headers of the files are",
    RECORDS: "the layout of the original is",
}


@dataclass
class Inventory:
    """What a damaged file is worth.

    original : header of the file
    header : of what can be restored: of an array where the form of the original is lost
    stretches : chunks and holes
    front : bytes in front of the samples, of records their layout; None where there are none
    model : that is embedded; None where it is lost, or there is none
    back : blocks of bytes behind the samples; None for one that is lost
    digest : SHA-256 of the original; None where it is lost, or there is none
    damage : what is damaged besides chunks, in words
    """

    original: Header
    header: Header
    stretches: list[Stretch] = field(default_factory=list)
    front: bytes | None = None
    back: list[Found | None] = field(default_factory=list)
    model: bytes | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    digest: bytes | None = None
    damage: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether all is there but for chunks."""
        return self.header == self.original and None not in self.back


class Sorter:
    """Sort the blocks of a damaged file into an inventory.

    Parameters
    ----------
    file : DamagedFile
    found : its header
    blocks : all others that were found, in their order
    """

    def __init__(self, file: DamagedFile, found: FoundHeader, blocks: Sequence[Found]) -> None:
        self._file, self._found, self._blocks = file, found, blocks
        self._made = Inventory(found.header, found.header, damage=[found.how] if found.how else [])

    def run(self) -> Inventory:
        """Return the inventory."""
        made, header = self._made, self._found.header
        index, ended = self._index()
        known = self._evidence(index)
        timeline = arrange(self._chunks(), known)
        made.stretches = timeline.stretches
        certain = timeline.blocks is not None or header.source == KEPT
        self._sort_front(timeline.first)
        self._sort_back(timeline.first + (timeline.blocks or 0) if certain else None)
        if timeline.open_end:
            made.damage.append(OPEN_END)
        elif not ended:
            made.damage.append("the end of the file, with its index, is missing or damaged")
        if not made.damage and not any(stretch.block is None for stretch in made.stretches) and not self._contiguous():
            made.damage.append("there are bytes in the file that do not belong to it; they are left out")
        return made

    def _of(self, *tags: bytes) -> list[Found]:
        return [block for block in self._blocks if block.tag in tags]

    def _chunks(self) -> Chunks:
        """Return the chunks and their frames."""
        found = {}
        for block in self._of(b"C"):
            with contextlib.suppress(CorruptError):
                start = self._file.read(block.offset + BLOCK_HEAD, CHUNK_HEAD.size)
                found[block.sequence] = block, chunk_frames(start, self._found.header.channels)
        return found

    def _index(self) -> tuple[Index | None, bool]:
        """Return the index if there is one that can be, and whether the end block is there and as it should be."""
        header, index = self._found.header, None
        for block in self._of(b"E"):
            try:
                index = Index.parse(block.payload(self._file))
            except CorruptError:
                return None, False
            fits = usable(index, header.channels, header.frames)
            return (index, True) if fits else (None, index is None)
        return None, False

    def _evidence(self, index: Index | None) -> Evidence:
        """Return what is known of the chunks."""
        header = self._found.header
        front, back = self._of(b"M", b"J", b"F"), self._of(b"B", b"S", b"E")
        ahead = 1 + max((block.sequence for block in front), default=0)
        needed = (header.embedded and not self._of(b"M")) + (header.has_front and not self._of(b"F"))
        if not self._of(b"J"):
            needed += self._looks_like(max((block.end for block in self._of(b"M")), default=self._found.end), b"J")
        behind, chunks = None, self._of(b"C")
        if back:
            behind = back[0].sequence - (back[0].tag == b"E" and header.summed)
        elif header.frames is None and chunks and self._looks_like(chunks[-1].end, b"BSE"):
            behind = chunks[-1].sequence + 1
        exact = not header.may_have_back
        return Evidence(index, header.frames, ahead, needed, behind, exact)

    def _looks_like(self, offset: int, tags: bytes) -> bool:
        """Tell whether a block of one of some kinds is at an offset, by its first bytes only."""
        head = self._file.read(offset, BLOCK_HEAD)
        size = int.from_bytes(head[1:], "little")
        return len(head) == BLOCK_HEAD and head[0] in tags and offset + size + BLOCK_OVERHEAD <= self._file.size

    def _sort_front(self, first: int) -> None:
        """Take model, metadata and the bytes in front of the samples; the first chunk has a sequence number."""
        made, header, damage = self._made, self._found.header, self._made.damage
        there = {block.sequence for block in self._blocks}
        missing = [sequence for sequence in range(1, first) if sequence not in there]
        models, fronts = self._of(b"M"), self._of(b"F")
        if header.embedded:
            try:
                made.model = parse_model(models[0].payload(self._file), header.model)
            except (CorruptError, IndexError):
                damage.append("the model in the file is lost")
        spare = len([number for number in missing if not fronts or number < fronts[0].sequence])
        spare -= header.embedded and not models
        if header.has_front:
            spare -= not fronts
            whole = bool(fronts) and not [sequence for sequence in missing if sequence > fronts[0].sequence]
            self._take_front(fronts if whole and spare <= 1 else [])
        try:
            for block in self._of(b"J"):
                made.metadata = metadata_block.parse(block.payload(self._file), header.channels)
                spare = 0
        except CorruptError:
            spare = 1
        if spare > 0:
            damage.append("the metadata are lost")

    def _take_front(self, fronts: list[Found]) -> None:
        """Take the bytes in front of the samples; without these, what is left is an array."""
        made, header = self._made, self._found.header
        try:
            front = b"".join(parse_foreign(block.payload(self._file)) for block in fronts)
            if header.source == FILES:
                members_of(header, front)
            if header.source == RECORDS:
                layout_of(header, front)
            if not front:
                raise CorruptError("nothing is there")
            made.front = front
        except CorruptError:
            dtype = header.dtype.replace(">", "<")
            made.header = replace(header, source=SAMPLES, dtype=dtype, suffix=".wav", channel_time=False)
            made.damage.append(f"{_FRONTS[header.source]} lost; the samples are restored as a WAV file")

    def _sort_back(self, start: int | None) -> None:
        """Take the bytes behind the samples, which begin at a sequence number if it is certain, and the checksum."""
        made, header = self._made, self._found.header
        sums, ends, backs = self._of(b"S"), self._of(b"E"), self._of(b"B")
        if sums:
            made.digest = parse_sum(sums[0].payload(self._file))[0]
        elif header.summed and ends:
            made.damage.append("the checksum of the original is lost")
        stop = sums[0].sequence if sums else ends[0].sequence - header.summed if ends else None
        if start is None:
            start = backs[0].sequence if backs else stop
        if stop is None:
            stop = backs[-1].sequence + 1 if backs else start
        if not header.may_have_back or start is None or stop is None:
            return
        there = {block.sequence: block for block in backs}
        made.back = [there.get(sequence) for sequence in range(start, stop)]
        if lost := made.back.count(None):
            made.damage.append(f"{lost} of {len(made.back)} blocks of bytes behind the samples are lost")
        if made.header.source == SAMPLES:
            made.back = []

    def _contiguous(self) -> bool:
        """Tell whether the file is these blocks and nothing else."""
        at = self._found.end
        for number, block in enumerate(self._blocks, 1):
            if (block.offset, block.sequence) != (at, number):
                return False
            at = block.end
        return at == self._file.size
