"""What a coded file says about itself, without decoding it: the header, the index, and the first chunk's first bits."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from . import paths
from .container import VERSION, read_block
from .errors import CorruptError
from .layout import Layout, read_layout
from .records import CHUNK_HEAD, CODED_HEAD, RANS, identity_of

_KINDS = ("constant", "lattice", "grid", "unknown")
_SIDE_INFORMATION = CHUNK_HEAD.size + CODED_HEAD.size
"""Offset of the side information in a chunk (docs/format.md, section 3), which begins with 2 bits a lead."""


def describe(path: str) -> dict[str, Any]:
    """The facts about a file, by name; sizes in bytes, times in seconds."""
    with paths.Input(path) as source:
        file = source.file if source.size is not None else io.BytesIO(source.file.read())
        layout = read_layout(file)
        size = file.seek(0, io.SEEK_END)
        lattice = _kinds(file, layout)
    header = layout.header
    frames = layout.index.total
    samples = frames * header.leads
    original = samples * header.sample_bits // 8
    return {
        "file": path,
        "format": VERSION,
        "leads": header.leads,
        "rate": header.rate,
        "frames": frames,
        "samples": samples,
        "seconds": frames / header.rate if header.rate else None,
        "sample_bits": header.sample_bits,
        "lattice": lattice,
        "model": header.model.hex(),
        "model_name": _model_name(header.model),
        "model_embedded": header.embedded,
        "chunks": len(layout.index.frames),
        "original_suffix": header.suffix,
        "original_mtime_ns": header.mtime,
        "wav": header.is_wav,
        "canonical_header": header.canonical,
        "sample_bytes": original,
        "coded_bytes": size,
        "bits_per_sample": 8 * size / samples if samples else None,
        "ratio": original / size,
    }


def _kinds(file: BinaryIO, layout: Layout) -> dict[str, int] | None:
    """How many leads of the first chunk are of which kind; None where it is stored or there is none."""
    if not layout.index.frames:
        return None
    file.seek(layout.index.first)
    payload, *_ = read_block(file, layout.first_sequence, layout.header_crc, b"C")
    if payload[4] != RANS:
        return None
    leads = layout.header.leads
    coded = payload[_SIDE_INFORMATION : _SIDE_INFORMATION + (leads + 3) // 4]
    if len(coded) < (leads + 3) // 4:
        raise CorruptError("the first chunk is too short")
    kinds = [_KINDS[coded[lead // 4] >> (6 - lead % 4 * 2) & 3] for lead in range(leads)]
    return {kind: kinds.count(kind) for kind in _KINDS if kind in kinds}


def _model_name(identity: bytes) -> str | None:
    """The name of a shipped model."""
    from . import model

    for name, path in model.available():
        if identity_of(path.read_bytes()) == identity:
            return name
    return None


def as_text(facts: dict[str, Any]) -> str:
    """Lines for people."""
    length = "" if facts["seconds"] is None else f", {facts['seconds']:.3f} s"
    kinds = facts["lattice"] or {}
    first = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "stored"
    model = f"{facts['model_name'] or 'not one of the shipped ones'} ({facts['model']})"
    lines = {
        "format": f"version {facts['format']}, {'WAV file' if facts['wav'] else 'samples'}"
        f"{', canonical header' if facts['canonical_header'] else ''}",
        "leads": str(facts["leads"]),
        "rate": f"{facts['rate']} Hz" if facts["rate"] else "unknown",
        "samples": f"{facts['samples']} of {facts['sample_bits']} bits, {facts['frames']} frames{length}",
        "lattice": f"{first} (leads of the first chunk)" if facts["chunks"] else "no samples",
        "model": model + (", embedded" if facts["model_embedded"] else ""),
        "chunks": str(facts["chunks"]),
        "bytes": f"{facts['coded_bytes']} for {facts['sample_bytes']}, ratio {facts['ratio']:.3f}",
    }
    if facts["bits_per_sample"] is not None:
        lines["bytes"] += f", {facts['bits_per_sample']:.3f} bits per sample"
    return "\n".join([facts["file"], *(f"  {name:8} {text}" for name, text in lines.items())])
