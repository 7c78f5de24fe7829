"""The sentences of a page."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..batch.info import as_text
from . import signals
from .excerpt import Excerpt
from .findings import Findings

SIZE_HEADINGS = ("compressor", "bytes", "bits per sample", "ratio")
_MOST_NAMES = 24
"""Channels that are named in a sentence."""
_MEANINGS = {
    "dead": "one value only",
    "saturated": "stays at its highest or lowest value",
    "duplicated": "equal to another channel",
    "humming": "lines of the mains are a large part of its power",
}


def duration(facts: dict[str, Any]) -> str:
    """Return the length of a recording."""
    seconds = facts["seconds"]
    if seconds is None:
        return f"{facts['frames']:,} frames"
    if seconds < 120:
        return f"{seconds:.3g} s" if seconds < 1 else f"{seconds:.2f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """Return a number of bytes."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.2f} {unit}"


def numbers(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the large figures, and what they are."""
    bits, rate = facts["bits_per_sample"], facts["sample_rate"]
    return [
        (f"{facts['ratio']:.3f}", f"ratio to the samples{' and other signals' if facts['other_signals'] else ''}"),
        ("-" if bits is None else f"{bits:.3f}", "bits per sample"),
        (size(facts["coded_bytes"]), f"of {size(facts['record_bytes'] or facts['sample_bytes'])}"),
        (f"{facts['channels']:,}", "channels" if facts["channels"] > 1 else "channel"),
        (duration(facts), "length"),
        (f"{rate:,.6g} Hz" if rate else "unknown", "sample rate"),
    ]


def recording(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the facts of `runtime info` that the large figures leave out, by name."""
    wanted = ("source", "value maps", "model", "chunks", "channel ids", "gain", "probe", "start time", "annotations")
    lines = as_text(facts).splitlines()[1:]
    return [(name, line.strip().removeprefix(name).strip()) for line in lines for name in wanted if _is_of(line, name)]


def _is_of(line: str, name: str) -> bool:
    return line.strip().startswith(f"{name} ")


def size_rows(one: Findings) -> list[tuple[str, float | None, list[str]]]:
    """Return the rows of the table of sizes: name, bits per sample, cells."""
    facts = one.facts or {}
    plain = one.excerpt_samples * facts["sample_bits"] / 8
    rows: list[tuple[str, float | None, list[str]]] = []
    for name, count, note in [("middleout", one.own_bytes, ""), *((s.name, s.bytes, s.note) for s in one.sizes)]:
        if count is None:
            rows.append((name, None, [note, "", ""]))
            continue
        bits = 8 * count / max(one.excerpt_samples, 1)
        rows.append((name, bits, [f"{count:,}", f"{bits:.3f}", f"{plain / max(count, 1):.3f}"]))
    return rows


def sizes_note(one: Findings) -> str:
    """Return what the sizes are of."""
    facts = one.facts or {}
    what = "all samples" if one.excerpt_samples == facts["samples"] else f"the first {one.excerpt_samples:,} samples"
    note = f"Sizes are those of {what}, whatever all of them write included; the ratio is to the bare samples."
    if one.codes:
        note += " The others were given the implant's 10-bit codes."
    if not facts["lossless"]:
        before = one.signal is not None and one.signal.original is not None
        note += f" This file is not lossless; the others are, of the {'original' if before else 'decoded'} samples."
    return note


def _names(one: Findings, channels: list[int]) -> str:
    names = [one.names[channel] for channel in channels[:_MOST_NAMES]]
    more = f" and {len(channels) - len(names)} more" if len(channels) > len(names) else ""
    return ", ".join(names) + more


def channels(one: Findings) -> list[str]:
    """Return words on the channels."""
    lines, faults = [], one.faults
    assert one.costs is not None and one.places is not None
    if len(one.names) > 1:
        values = one.costs.by_channel
        least, most = int(values.argmin()), int(values.argmax())
        lines.append(
            f"Bits per sample: {values.mean():.2f} in the mean, from {values[least]:.2f} (channel {one.names[least]}) "
            f"to {values[most]:.2f} (channel {one.names[most]})."
        )
        if not one.places.on_probe:
            lines.append("The metadata have no probe, so that channels lie on a grid in their order.")
        elif away := np.flatnonzero(np.isnan(one.places.places).any(axis=1)).tolist():
            lines.append(f"On no contact of the probe, and not drawn: {_names(one, away)}.")
    if one.costs.windows is not None:
        lines.append("In spike mode the bits of a channel go by its samples in windows.")
    if faults is None:
        return [*lines, "Without --original, nothing tells whether channels are dead, saturated or duplicated."]
    for word, numbers in faults.words().items():
        line = f"{word.capitalize()} ({_MEANINGS[word]}): {_names(one, numbers)}."
        if word == "duplicated":
            pairs = [f"{one.names[a]} = {one.names[b]}" for a, b in list(faults.duplicated.items())[:_MOST_NAMES]]
            more = len(faults.duplicated) - len(pairs)
            line = f"Duplicated ({_MEANINGS[word]}): {', '.join(pairs)}{f' and {more} more' if more else ''}."
        if word == "humming":
            share = 100 * float(np.median(list(faults.humming.values())))
            line = f"Humming at {faults.mains} Hz, {share:.0f} % of the power in the median: {_names(one, numbers)}."
        lines.append(line)
    looked = [word for word in _MEANINGS if word != "humming" or faults.hum_known]
    if missing := [word for word in looked if word not in faults.words()]:
        lines.append(
            f"No channel is {' or '.join([', '.join(missing[:-1]), missing[-1]] if missing[1:] else missing)}."
        )
    if not faults.hum_known:
        lines.append("Too short, or of unknown sample rate, to tell whether the mains hum.")
    return lines


def over_time(one: Findings) -> list[str]:
    """Return words on bits over time."""
    assert one.costs is not None
    values = one.costs.by_time
    pieces, chunks = len(values), len(one.costs.chunks)
    what = f"{chunks} chunk{'s' * (chunks > 1)}" + (f", in {pieces} pieces" if pieces != chunks else "")
    return [f"From the sizes in the file: {what}. From {values.min():.2f} to {values.max():.2f} bits per sample."]


def traces(signal: Excerpt) -> list[str]:
    """Return words on the traces."""
    part = signal.window
    frames, unit = signal.time_unit
    length = f"{(part.stop - part.start) / frames:,.3g} {unit}"
    below = (
        "decoded less original."
        if signal.original is not None
        else "what an order-16 linear predictor leaves; reference channels and the network leave less."
    )
    gain = "" if signal.unit == "µV" else " The metadata have no gain, so that samples are in their own units."
    return [f"{length} around a large deflection, means taken off. Below is {below} Each has its own scale.{gain}"]


def spectrum(one: Findings) -> list[str]:
    """Return words on noise and the converter's step."""
    assert one.signal is not None
    signal = one.signal
    noise, step, unit = signal.noise, signal.adc_step, signal.unit
    if not step:
        return ["Amplitude density of the channels."]
    line = "The line is the median channel, the band holds 80 % of them. " if signal.channels > 1 else ""
    return [
        f"{line}Linear prediction leaves {noise:,.4g} {unit} (robust deviation), which is {noise / step:.2f} steps of "
        f"the converter ({step:,.4g} {unit} each). Rounding to these steps adds {signal.rounding:,.3g} {unit}. "
        f"Gaussian noise of that size takes {signals.gaussian_bits(noise / step):.2f} bits per sample without loss; a "
        "codec can only be better by what it predicts beyond that."
    ]


def spikes(one: Findings) -> list[str]:
    """Return how spikes came through."""
    found, signal = one.spikes, one.signal
    assert signal is not None
    count, channels = int(found["spikes"]), len(signal.candidates)
    first = (
        f"{count:,} crossings of -4.5 robust deviations in the band of 300 to 3000 Hz, on {channels} channel"
        f"{'s' * (channels > 1)} of the excerpt."
    )
    if not count:
        return [first]
    figures = {
        name: f"{100 * found[name]:.1f} %" for name in ("recall", "precision", "clear_recall", "clear_precision")
    }
    return [
        first,
        f"Found again: {figures['recall']} ({figures['clear_recall']} of the clear ones, which go 5 % beyond the "
        f"threshold). Of the crossings in the decoded signal, {figures['precision']} were there before "
        f"({figures['clear_precision']} of the clear ones).",
        f"Their times move by {1e6 * found['shift']:.1f} µs in the mean; their waveforms correlate by "
        f"{found['waveform']:.4f}. The signal is {found['snr']:.1f} dB above the error; the field potential below "
        f"200 Hz correlates by {found['lfp']:.4f}.",
    ]


def references(one: Findings) -> list[str]:
    """Return words on references."""
    assert one.costs is not None
    users = {user for _, user in one.costs.references}
    if not users:
        return ["No channel is predicted from another one."]
    count = len(one.names)
    return [
        f"{len(users)} of {count} channels are predicted from others, by {len(one.costs.references)} different pairs; "
        "a pair is drawn fainter where not all chunks have it. Colours are order levels: a channel is predicted from "
        f"lower levels only, and level 0 from nothing but its own past. The highest is {int(one.costs.levels.max())}."
    ]
