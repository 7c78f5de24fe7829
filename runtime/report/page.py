"""The page: `runtime report`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from matplotlib.figure import Figure

from .. import __version__
from . import markup, words
from .drawing import curves, maps, style
from .findings import Findings

_TITLE = "Report"
_LEFT_OUT = "Its figures are left out, so that the page stays under 2 MB: make a page of this file alone."


def page(found: list[Findings]) -> str:
    """Return a page on coded files, which stands alone and has less than `markup.MOST_BYTES`."""
    single = len(found) == 1
    title = os.path.basename(found[0].path) if single else f"{len(found)} recordings"
    made = f"middleout {__version__}, runtime report"
    body = [f"<h1>{markup.text(title)}</h1>", markup.paragraph(made, "soft")]
    if not single:
        body.append(markup.card("All files", _overview(found)))
    heads = [_head(one, number, single) for number, one in enumerate(found)]
    left = markup.MOST_BYTES - len(markup.document(title, "".join([*body, *heads])).encode()) - 1000 * len(found)
    for one, head in zip(found, heads, strict=True):
        body.append(head)
        drawn, size = _figures(one, left)
        body.append(drawn)
        left -= size
    return markup.document(title, "".join(body))


def _overview(found: list[Findings]) -> str:
    rows = []
    for number, one in enumerate(found):
        name = f'<a href="#f{number}">{markup.text(os.path.basename(one.path))}</a>'
        verdict = f'<span class="{one.verdict.state}">{markup.text(one.verdict.title)}</span>'
        facts = one.facts
        cells = [""] * 4
        if facts is not None:
            bits = facts["bits_per_sample"]
            cells = [f"{facts['channels']:,}", words.duration(facts), "" if bits is None else f"{bits:.3f}"]
            cells.append(f"{facts['ratio']:.3f}")
        rows.append([name, verdict, *cells])
    return markup.table(("file", "verdict", "channels", "length", "bits per sample", "ratio"), rows)


def _head(one: Findings, number: int, single: bool) -> str:
    """Return what needs no figures: verdict, numbers, sizes."""
    verdict = one.verdict
    lines = [markup.paragraph(line) for line in verdict.lines]
    parts = ["" if single else f'<h2 id="f{number}">{markup.text(os.path.basename(one.path))}</h2>']
    parts.append(markup.card(verdict.title, *lines, _digests(verdict.digests), kind=f"verdict {verdict.state}"))
    if one.facts is not None:
        parts.append(markup.numbers(words.numbers(one.facts)))
        parts.append(markup.card("What it is", markup.facts(words.recording(one.facts))))
    if one.signal is not None:
        parts.append(markup.card("Sizes", markup.bars(words.size_rows(one), words.SIZE_HEADINGS), _sizes_note(one)))
    return "".join(parts)


def _digests(digests: dict[str, str]) -> str:
    if not digests:
        return ""
    if len(digests) == 1:
        return f"<p>SHA-256 of the decoded original: <code>{next(iter(digests.values()))}</code></p>"
    rows = "".join(f"<br><code>{digest}</code> {markup.text(name)}" for name, digest in digests.items())
    return f"<details><summary>SHA-256 of the {len(digests)} decoded files</summary>{rows}</details>"


def _sizes_note(one: Findings) -> str:
    return markup.paragraph(words.sizes_note(one), "soft")


def _figures(one: Findings, left: int) -> tuple[str, int]:
    """Return the figures of a file as HTML, and how much they take; words only where they do not fit."""
    if one.signal is None:
        return "", 0
    made: list[str] = []
    size = 0
    with style.settings():
        for title, lines, draw in _sections(one):
            image = "" if draw is None else _image(title, draw)
            part = markup.card(title, *map(markup.paragraph, lines), image)
            if size + len(part) > left:
                part = markup.paragraph(_LEFT_OUT, "soft")
                return "".join([*made, part]), size + len(part)
            made.append(part)
            size += len(part.encode())
    return "".join(made), size


def _image(title: str, draw: Callable[[], Figure | None]) -> str:
    figure = draw()
    return "" if figure is None else markup.picture(title, style.as_uri(figure))


Section = tuple[str, list[str], Callable[[], Figure | None] | None]
"""Title, lines of text, and what draws the figure."""


def _sections(one: Findings) -> Iterator[Section]:
    costs, signal, places = one.costs, one.signal, one.places
    if costs is None or signal is None or places is None or one.facts is None:
        return
    facts: dict[str, Any] = one.facts
    several = facts["channels"] > 1
    title = "Channels on the probe" if places.on_probe else "Channels"
    yield (
        title,
        words.channels(one),
        (lambda: maps.channel_map(costs, places, one.faults, one.names)) if several else None,
    )
    timeline = (lambda: maps.bits_over_time(costs, signal.rate)) if len(costs.bits) > 1 else None
    yield "Bits over time", words.over_time(one), timeline
    if signal.drawn:
        yield "Signal and residual", words.traces(signal), lambda: curves.traces(signal, one.names)
        yield "Spectrum and noise", words.spectrum(one), lambda: curves.spectra(signal)
    if one.spikes:
        yield "Spikes before and after", words.spikes(one), lambda: curves.spikes(signal, one.names)
    if several:
        drawing = (lambda: maps.references(costs, places)) if costs.references else None
        yield "References", words.references(one), drawing
