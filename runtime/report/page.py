"""The page: `runtime report`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from .. import __version__
from . import markup, words
from .drawing import curves, maps, style
from .findings import Findings
from .signals import Faults

MOST_FILES = 2000
"""Files of a page."""
_MARGIN = 2000
_LEFT_OUT = "Figures are left out, so that the page stays under 2 MB: make a page of this file alone."
_ONLY_ROWS = "Of the last {} files there is only the line in this table, so that the page stays under 2 MB."


@dataclass
class _Part:
    """What the page has of one file: name, state, cells of the table, HTML of the head and of the sections."""

    name: str
    state: str
    cells: list[str]
    head: str
    sections: list[str]


class Page:
    """A page on coded files, which stands alone and has less than `markup.MOST_BYTES`.

    Parameters
    ----------
    files : int
        How many will be added, at most `MOST_FILES`.
    """

    def __init__(self, files: int) -> None:
        self._single = files == 1
        self._parts: list[_Part] = []
        self._drawn = 0

    def add(self, one: Findings) -> None:
        """Add a file; nothing of its samples is kept."""
        sections = list(_drawings(one)) if self._drawn < markup.MOST_BYTES else []
        self._drawn += sum(map(len, sections))
        head = _head(one, len(self._parts), self._single)
        self._parts.append(_Part(os.path.basename(one.path), one.verdict.state, _cells(one), head, sections))

    def html(self) -> str:
        """Return the page."""
        parts, table = self._parts, "" if self._single else _overview(self._parts, 0)
        left = markup.MOST_BYTES - _MARGIN - len(markup.document("", table).encode()) - len(_LEFT_OUT) * len(parts)
        shown = []
        for part in parts:
            if len(part.head.encode()) > left:
                break
            shown.append([part.head])
            left -= len(part.head.encode())
        for part, made in zip(parts, shown, strict=False):
            left -= _fill(made, part.sections, left)
        title = parts[0].name if self._single else f"{len(parts)} recordings"
        made_by = markup.paragraph(f"middleout {__version__}, runtime report", "soft")
        table = "" if self._single else _overview(parts, len(parts) - len(shown))
        body = "".join(["".join(made) for made in shown])
        return markup.document(title, f"<h1>{markup.text(title)}</h1>{made_by}{table}{body}")


def _fill(made: list[str], sections: list[str], left: int) -> int:
    """Add sections as long as there is room; returns what they take."""
    used = 0
    for section in sections:
        if used + len(section.encode()) > left:
            made.append(markup.paragraph(_LEFT_OUT, "soft"))
            break
        made.append(section)
        used += len(section.encode())
    return used


def _overview(parts: list[_Part], missing: int) -> str:
    rows = []
    for number, part in enumerate(parts):
        name = markup.text(part.name)
        link = f'<a href="#f{number}">{name}</a>' if number < len(parts) - missing else name
        title, *cells = part.cells
        rows.append([link, f'<span class="{part.state}">{title}</span>', *cells])
    note = markup.paragraph(_ONLY_ROWS.format(missing), "soft") if missing else ""
    headings = ("file", "verdict", "channels", "length", "bits per sample", "ratio")
    return markup.card("All files", markup.table(headings, rows), note)


def _cells(one: Findings) -> list[str]:
    """Return the cells of a file's row behind its name, as HTML."""
    title, facts = markup.text(one.verdict.title), one.facts
    if facts is None:
        return [title, "", "", "", ""]
    bits = "" if facts["bits_per_sample"] is None else f"{facts['bits_per_sample']:.3f}"
    return [title, f"{facts['channels']:,}", words.duration(facts), bits, f"{facts['ratio']:.3f}"]


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


def _drawings(one: Findings) -> Iterator[str]:
    """Yield the sections of a file with their figures as HTML."""
    with style.settings():
        for title, lines, draw in _sections(one):
            yield markup.card(title, *map(markup.paragraph, lines), "" if draw is None else _image(title, draw))


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
        (lambda: maps.channel_map(costs, places, one.faults or Faults(), one.names)) if several else None,
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
