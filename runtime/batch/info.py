"""Facts about a coded file, without decoding it: of the header, the index, and the first bits of the first chunk."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from ..codec.coding import DecodeTask
from ..container import metadata as known
from ..container.blocks import BLOCK_HEAD, VERSION, chunk_parts, read_block
from ..container.chunk_head import CHUNK_HEAD, CODED_HEAD, SPIKES, chunk_bound
from ..container.random_access import Layout, read_layout
from ..container.records import Records
from ..core import sample_formats
from ..core.names import identity_of, printable
from ..core.terms import CHANNEL_TIME, FILES, KEPT, NPY, RAW, RECORDS, SAMPLES, TIME_CHANNEL, WAV
from ..predictor import model
from ..recording.input_file import Input
from ..recording.outputs.originals import layout_of
from ..spikes.summary import Summary
from .codings import coding_of

_SOURCES = {
    SAMPLES: "never a file",
    WAV: "WAV file",
    RAW: "raw samples",
    NPY: ".npy file",
    FILES: "one file for each channel",
    RECORDS: "file of records",
    KEPT: "kept as it is, compressed by zstd",
}
_SIDE_INFORMATION = CHUNK_HEAD.size + CODED_HEAD.size
"""Offset of the side information in a chunk (docs/format.md, section 3), which begins with 2 bits a channel."""
_LONGEST = 100
"""Characters of a text from the metadata."""


def describe(path: str) -> dict[str, Any]:
    """Return the facts about a file by name; sizes are in bytes, times in seconds."""
    with Input(path) as source:
        file = source.file if source.size is not None else io.BytesIO(source.file.read())
        layout = read_layout(file)
        size = file.seek(0, io.SEEK_END)
        value_maps = _kinds(file, layout)
        bounds = _bounds(file, layout) if layout.header.bounded else None
        kept = _spikes(file, layout) if layout.header.bounded else None
    header = layout.header
    frames = layout.index.total
    samples = frames * header.channels
    sample_bytes, others = samples * header.sample_bits // 8, _other_signals(layout)
    records = layout_of(header, layout.table).places(header.sample_bits // 8)[-1] if others else None
    return {
        "file": path,
        "format": VERSION,
        "channels": header.channels,
        "sample_rate": header.sample_rate,
        "frames": frames,
        "samples": samples,
        "seconds": frames / header.sample_rate if header.sample_rate else None,
        "sample_bits": header.sample_bits,
        "dtype": sample_formats.name(header.dtype),
        "layout": CHANNEL_TIME if header.channel_time else TIME_CHANNEL,
        "other_signals": others,
        "value_maps": value_maps,
        "lossless": not layout.header.bounded,
        "max_error": bounds,
        "spikes": kept,
        "model": header.model.hex(),
        "model_name": _model_name(header.model),
        "model_embedded": header.embedded,
        "chunks": len(layout.index.frames),
        "chunk_frames": max(layout.index.frames, default=0),
        "original_suffix": header.suffix,
        "original_mtime_ns": header.mtime,
        "source": header.source,
        "canonical_header": header.canonical,
        "sha256": layout.digest.hex() if layout.digest else None,
        "metadata": layout.metadata,
        "sample_bytes": sample_bytes,
        "record_bytes": records,
        "coded_bytes": size,
        "bits_per_sample": 8 * size / samples if samples else None,
        "ratio": (records or sample_bytes) / size,
    }


def _other_signals(layout: Layout) -> list[dict[str, float]]:
    """Return how many signals of records are no channels, by their rate in Hz (0 if unknown), the fastest first."""
    found: dict[float, int] = {}
    if layout.header.source == RECORDS:
        for part in layout_of(layout.header, layout.table).sections:
            if isinstance(part, Records):
                for group in part.groups:
                    rate = layout.header.sample_rate * group.signal.count / part.frames
                    found[rate] = max(found.get(rate, 0), len(group.places))
    return [{"signals": found[rate], "sample_rate": rate} for rate in sorted(found, reverse=True)]


def _kinds(file: BinaryIO, layout: Layout) -> dict[str, int] | None:
    """Count the channels of the first chunk by kind; None where it is stored or there is none."""
    if not layout.index.frames:
        return None
    file.seek(layout.index.first)
    payload = _chunk(file, layout, 0)
    found = coding_of(payload).describe(DecodeTask(payload, layout.header.channels, layout.header.sample_bits))
    return found if isinstance(found, dict) and found else None


def _chunk(file: BinaryIO, layout: Layout, number: int) -> bytes:
    """Read the chunk at which a file is."""
    payload, *_ = read_block(file, layout.first_sequence + number, layout.header_crc, b"C")
    return chunk_parts(payload, layout.header)[0]


def _bounds(file: BinaryIO, layout: Layout) -> dict[str, float]:
    """Return the least, mean and largest bound over the chunks; stored ones are exact."""
    bounds, offset = [], layout.index.first
    for size in layout.index.sizes:
        file.seek(offset + BLOCK_HEAD)
        bounds.append(chunk_bound(file.read(_SIDE_INFORMATION + 1)))
        offset += size
    if not bounds:
        return {"min": 0, "mean": 0.0, "max": 0}
    return {"min": min(bounds), "mean": sum(bounds) / len(bounds), "max": max(bounds)}


def _spikes(file: BinaryIO, layout: Layout) -> dict[str, float] | None:
    """Sum up what spike mode kept; None where no chunk has that mode. Bits are per sample of the recording."""
    header, total, offset = layout.header, Summary(), layout.index.first
    for number, size in enumerate(layout.index.sizes):
        file.seek(offset + BLOCK_HEAD)
        if coding_of(file.read(CHUNK_HEAD.size)).number == SPIKES:
            file.seek(offset)
            payload = _chunk(file, layout, number)
            total += coding_of(payload).describe(DecodeTask(payload, header.channels, header.sample_bits))
        offset += size
    if not total.frames:
        return None
    samples = total.frames * header.channels
    parts = ("times", "waveforms", "lfp", "rest")
    return {
        "events": total.windows,
        "events_per_second": total.windows * header.sample_rate / samples,
        "share_kept": total.kept / samples,
        "threshold": total.threshold,
        "threshold_highest": total.highest,
        "channels_raised": int(np.count_nonzero(total.raised)),
        **{f"bits_{part}": 8 * getattr(total, part) / samples for part in parts},
    }


def _model_name(identity: bytes) -> str | None:
    """Return the name of a shipped model, None for others."""
    for name, path in model.available():
        if identity_of(path.read_bytes()) == identity:
            return name
    return None


def as_text(facts: dict[str, Any]) -> str:
    """Format facts as lines of text."""
    lines = {"format": f"version {facts['format']}", "source": _source(facts)}
    if facts["source"] != KEPT:
        lines |= _sample_lines(facts)
    whole = f", {facts['record_bytes']} with other signals and all beside them" if facts["record_bytes"] else ""
    lines["bytes"] = f"{facts['coded_bytes']} for {facts['sample_bytes']} of samples{whole}"
    if facts["max_error"] is not None:
        least, mean, most = facts["max_error"].values()
        several = "" if least == most else f" ({least} to {most}, {mean:.2f} in the mean of the chunks)"
        lines["error"] = f"not lossless: at most {most}{several}, in codes of the implant's table, else in sample units"
    if facts["spikes"] is not None:
        lines |= _spike_lines(facts["spikes"])
    lines |= _metadata_lines(facts["metadata"])
    if facts["bits_per_sample"] is not None:
        lines["bytes"] += f", ratio {facts['ratio']:.3f}, {facts['bits_per_sample']:.3f} bits per sample"
    if facts["sha256"]:
        lines["SHA-256"] = f"{facts['sha256']} (of the original)"
    return "\n".join([printable(facts["file"]), *(f"  {name:11} {text}" for name, text in lines.items())])


def _source(facts: dict[str, Any]) -> str:
    """Say what the original was."""
    if facts["source"] == KEPT:
        return _SOURCES[KEPT]
    kind = _printable(str(facts["metadata"].get(known.FORMAT, _SOURCES[facts["source"]])))
    return (
        kind
        + (", canonical header" if facts["canonical_header"] else "")
        + (f", {facts['dtype']}, " + (facts["layout"] if facts["channels"] > 1 else "one channel"))
    )


def _sample_lines(facts: dict[str, Any]) -> dict[str, str]:
    """Format what is known of the samples and how they are coded."""
    length = "" if facts["seconds"] is None else f", {facts['seconds']:.3f} s"
    kinds = facts["value_maps"] or {}
    plain = "stored" if facts["spikes"] is None else "not stated"
    first = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or plain
    rates = [f"{one['sample_rate']:g} Hz" if one["sample_rate"] else "another rate" for one in facts["other_signals"]]
    others = [f"{one['signals']} at {rate}" for one, rate in zip(facts["other_signals"], rates, strict=True)]
    model = f"{facts['model_name'] or 'not one of the shipped ones'} ({facts['model']})"
    return {
        "channels": str(facts["channels"]) + (f"; other signals: {', '.join(others)}" if others else ""),
        "sample rate": f"{facts['sample_rate']} Hz" if facts["sample_rate"] else "unknown",
        "samples": f"{facts['samples']} of {facts['sample_bits']} bits, {facts['frames']} frames{length}",
        "value maps": f"{first} (channels of the first chunk)" if facts["chunks"] else "no samples",
        "model": model + (", embedded" if facts["model_embedded"] else ""),
        "chunks": _chunks(facts),
    }


def _chunks(facts: dict[str, Any]) -> str:
    frames, rate = facts["chunk_frames"], facts["sample_rate"]
    return f"{facts['chunks']}, of up to {frames} frames" + (f" ({frames / rate:.3g} s)" if rate and frames else "")


def _spike_lines(kept: dict[str, Any]) -> dict[str, str]:
    """Format what spike mode kept."""
    raised = (
        f", up to {kept['threshold_highest']:.2f} on {kept['channels_raised']} channels"
        if kept["channels_raised"]
        else ""
    )
    parts = ", ".join(f"{part} {kept[f'bits_{part}']:.5f}" for part in ("times", "waveforms", "lfp", "rest"))
    return {
        "kept": f"{kept['events']} events ({kept['events_per_second']:.2f} per second and channel), "
        f"{100 * kept['share_kept']:.2f} % of the samples within the error, all else is only sketched",
        "spikes": f"beyond {kept['threshold']:.2f} deviations{raised}",
        "bits": f"per sample: {parts}",
    }


def _metadata_lines(found: dict[str, Any]) -> dict[str, str]:
    """Format metadata, which have been checked: known keys in words, others by their names."""
    words: dict[str, Callable[[Any], str]] = {
        known.CHANNEL_IDS: lambda ids: ", ".join(map(str, ids if len(ids) <= 4 else [*ids[:3], "...", ids[-1]])),
        known.GAIN: lambda gains: _range(gains) + " uV for a unit of samples",
        known.OFFSET: lambda offsets: _range(offsets) + " uV for a sample of 0",
        known.PROBE: lambda probe: "; ".join(map(_probe, probe.get("probes", [probe]))) or "none",
        known.START_TIME: str,
        known.FORMAT: str,
        known.ANNOTATIONS: lambda values: ", ".join(f"{key} = {value}" for key, value in values.items()) or "none",
    }
    names = {
        known.CHANNEL_IDS: "channel ids",
        known.GAIN: "gain",
        known.OFFSET: "offset",
        known.START_TIME: "start time",
    }
    shown = [key for key in words if key in found and key != known.FORMAT]
    lines = {names.get(key, key): _printable(words[key](found[key])) for key in shown}
    if others := [key for key in found if key not in words]:
        lines["metadata"] = _printable("other keys: " + ", ".join(others))
    return lines


def _range(numbers: list[float]) -> str:
    least, most = min(numbers), max(numbers)
    return f"{least:g}" if least == most else f"{least:g} to {most:g}"


def _probe(probe: dict[str, Any]) -> str:
    """Describe a dictionary of probeinterface."""
    annotations = probe.get("annotations")
    known = annotations if isinstance(annotations, dict) else {}
    known_names = [known.get(key) for key in ("manufacturer", "name", "model_name")]
    name = " ".join(str(text) for text in known_names if text)
    return f"{name + ', ' if name else ''}{len(probe['contact_positions'])} contacts"


def _printable(text: str) -> str:
    clean = "".join(char if char.isprintable() else "?" for char in text)
    return clean if len(clean) <= _LONGEST else clean[:_LONGEST] + " ..."
