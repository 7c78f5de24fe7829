"""Everything that a page shows of a file, before anything is drawn."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..access.reader import Reader
from ..batch.info import describe
from ..core.errors import MiddleoutError
from ..core.sample_formats import from_plain
from . import baselines, excerpt, fidelity, layout, signals
from .costs import Costs, costs
from .verdict import BAD, Verdict, check, failed, open_original

_EXCERPT = 1 << 21
"""Samples of the excerpt, at least; it is whole chunks from the beginning."""
_SPIKE_RATE, _SPIKE_SECONDS = 6000, 0.1
"""Hz and length of recordings in which spikes are compared."""


@dataclass
class Findings:
    """What is known of a file; all but path and verdict may be missing of a damaged one.

    Attributes
    ----------
    path : of the coded file
    verdict : Verdict
    facts : of `batch.info.describe`
    names : of the channels
    places : where they are drawn
    costs, signal : see there
    faults : of channels; None where the signal is not known, in spike mode
    own_bytes, sizes : of this codec and of others, for the excerpt
    codes : whether others were given the implant's codes
    excerpt_samples : how many samples the sizes are of
    spikes : figures of `fidelity.summary`; empty where spikes are not compared
    """

    path: str
    verdict: Verdict
    facts: dict[str, Any] | None = None
    names: list[str] = field(default_factory=list)
    places: layout.Layout | None = None
    costs: Costs | None = None
    signal: excerpt.Excerpt | None = None
    faults: signals.Faults | None = None
    own_bytes: int = 0
    sizes: list[baselines.Size] = field(default_factory=list)
    codes: bool = False
    excerpt_samples: int = 0
    spikes: dict[str, float] = field(default_factory=dict)


def gather(
    path: str,
    original: str | None = None,
    model: str | None = None,
    folder: str | None = None,
    advance: Callable[[int], None] = lambda samples: None,
) -> Findings:
    """Return what a page shows of a coded file.

    Parameters
    ----------
    path : of the coded file
    original : path of its original, a folder where it is several files
    model : name or path of the model, where it is neither shipped nor in the file
    folder : where the decoded original is put for a while; None for the system's folder for such files
    advance : called with numbers of samples as they are decoded

    Raises
    ------
    OSError, MiddleoutError
        The file is not there, or the disk for temporary files is full. What is wrong with the file is in the verdict.
    """
    facts = None
    try:
        facts = describe(path)
        with tempfile.TemporaryDirectory(prefix=".middleout-report-", dir=folder) as work:
            verdict = check(path, facts, original, work, model, advance)
    except MiddleoutError as error:
        verdict = failed(error)
    found = Findings(path, verdict, facts)
    if facts is None or not verdict.digests:
        verdict.lines.extend(_readable(path, model))
        return found
    with Reader(path, model=model) as reader:
        found.names = [str(name) for name in reader.channel_ids.tolist()]
        found.places = layout.of_recording(reader.metadata, reader.channels)
        found.costs = costs(reader.payloads(), reader.channels, reader.header.sample_bits)
        if found.costs is not None:
            _add_signal(found, reader, original)
    return found


def _readable(path: str, model: str | None) -> list[str]:
    """Tell what can be read of a damaged file."""
    try:
        with Reader(path, model=model, rebuild_index=True) as reader:
            length = f"{reader.frames:,} frames"
            if reader.sample_rate:
                length += f" ({reader.frames / reader.sample_rate:.3f} s)"
            return [f"In front of the damage are {length}: runtime.open(path, rebuild_index=True) reads them."]
    except MiddleoutError:
        return ["Nothing of it can be read."]


def _add_signal(found: Findings, reader: Reader, original: str | None) -> None:
    assert found.costs is not None and found.facts is not None
    frames = size = 0
    for length, coded in found.costs.chunks:
        if frames * reader.channels >= _EXCERPT:
            break
        frames, size = frames + length, size + coded
    plain = reader.read(0, frames)
    found.own_bytes = found.facts["coded_bytes"] if frames == reader.frames else size
    found.excerpt_samples = plain.size
    before = None
    if original is not None and not found.facts["lossless"] and found.verdict.state != BAD:
        with open_original(original, found.path, found.facts) as source:
            before = from_plain(source.read(frames), reader.header.dtype)
    values = plain if before is None else before
    codes = baselines.as_codes(values)
    found.codes, found.sizes = codes is not values, baselines.sizes(codes)
    samples = np.nan_to_num(plain) if plain.dtype.kind == "f" else plain
    looked_at = samples if found.facts["spikes"] is None else before  # there is no signal between windows
    if looked_at is not None:
        found.faults = signals.find_faults(looked_at, reader.sample_rate)
    found.signal = excerpt.of_samples(samples, before, reader, found.faults or signals.Faults())
    if before is not None and reader.sample_rate >= _SPIKE_RATE and found.signal.seconds >= _SPIKE_SECONDS:
        pairs = [(before[:, channel], samples[:, channel]) for channel in found.signal.candidates]
        compared = [fidelity.Channel(first, reader.sample_rate).compare(second) for first, second in pairs]
        found.spikes = fidelity.summary(compared) if compared else {}
