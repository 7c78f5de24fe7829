"""The command `analyze`: one self-contained page on a folder of recordings. `runtime report` shows single ones."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from runtime.batch.observe import observe
from runtime.core.errors import MiddleoutError
from runtime.fit.topology import Topology
from runtime.report import markup
from runtime.report.drawing import style

from ..data.recordings import Recordings, given, load, paths_of
from . import plots


def sections(recordings: Recordings, topology: Topology) -> Iterator[tuple[str, str, Figure]]:
    """Yield titles, texts and figures."""
    text = f"{len(recordings.names)} channels, {len(recordings.codes):,} samples, "
    text += (
        f"{recordings.sample_rate or 'unknown'} Hz. Counts of each code in all channels, and over a smooth histogram."
    )
    yield "Codes", text, plots.codes(recordings.codes)
    found = f"{len(topology.significant())} of {len(topology.thresholds()):,} pairs are beyond chance."
    text = f"Correlation of residuals in files of equal length: {found} Partners are neighbours in the matrix."
    yield "Channels that belong together", text, plots.pairs(topology)


def run(options: Namespace) -> None:
    """Write the page."""
    known = given(options)
    recordings, topology = load(options.data, known), Topology()
    try:
        observe(topology, [str(path) for path in paths_of(options.data)], known)
    except MiddleoutError as error:
        raise ValueError(str(error)) from error
    output, title = Path(options.output), f"Recordings in {Path(options.data).name}"
    with style.settings():
        parts = [
            markup.card(name, markup.paragraph(text), markup.picture(name, style.as_uri(figure)))
            for name, text, figure in sections(recordings, topology)
        ]
    body = f"<h1>{markup.text(title)}</h1>" + "".join(parts)
    output.write_text(markup.document(title, body), encoding="utf-8")
    print(f"wrote {output}, {output.stat().st_size:,} bytes")
