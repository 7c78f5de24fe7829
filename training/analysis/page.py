"""The command `analyze`: one self-contained page of plots."""

import base64
import html
import io
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from runtime.batch.observe import observe
from runtime.core.errors import MiddleoutError
from runtime.fit.topology import Topology

from ..data.recordings import given, load, paths_of
from . import plots
from .signals import Signals

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.5 sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em; }}
img {{ max-width: 100%; display: block; margin: 1em 0; }}
</style></head><body><h1>{title}</h1>{body}</body></html>
"""


def section(title: str, text: str, figure: Figure) -> str:
    """Return one section as HTML; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=90, metadata={"Software": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    image = f'<img alt="{html.escape(title)}" src="data:image/png;base64,{data}">'
    return f"<h2>{html.escape(title)}</h2><p>{html.escape(text)}</p>{image}"


def sections(signals: Signals, topology: Topology) -> Iterator[tuple[str, str, Figure]]:
    """Yield titles, texts and figures."""
    text = f"{len(signals.names)} channels, {signals.samples:,} samples, {signals.sample_rate or 'unknown'} Hz. "
    text += "Power of the channels, and of the residuals of their linear predictors, which are nearly white."
    yield "Spectra", text, plots.spectra(signals)
    yield "Codes", "Counts of each code in all channels, and over a smooth histogram.", plots.codes(signals)
    found = f"{len(topology.significant())} of {len(topology.thresholds()):,} pairs are beyond chance."
    text = f"Correlation of residuals in files of equal length: {found} Partners are neighbours in the matrix."
    yield "Channels that belong together", text, plots.pairs(topology)
    text = "Residuals beyond five robust deviations: how often, and the mean signal around them in channels with many."
    yield "Spikes", text, plots.spikes(signals)
    yield "Bits", "Gaussian entropy at the deviation of each channel, and of its residual.", plots.bits(signals)


def run(options: Namespace) -> None:
    """Write the page."""
    known = given(options)
    signals, topology = Signals(load(options.data, known), options.seconds), Topology()
    try:
        observe(topology, [str(path) for path in paths_of(options.data)], known)
    except MiddleoutError as error:
        raise ValueError(str(error)) from error
    output, title = Path(options.output), html.escape(f"Recordings in {Path(options.data).name}")
    body = "".join(section(*part) for part in sections(signals, topology))
    output.write_text(PAGE.format(title=title, body=body), encoding="utf-8")
    print(f"wrote {output}, {output.stat().st_size:,} bytes")
