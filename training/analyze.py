"""The command `analyze`: one self-contained page that shows what recordings are made of."""

import base64
import html
import io
from pathlib import Path

from runtime.fit.topology import Topology

from . import data, plots
from .signals import Signals
from .topology import observe


def section(title, text, figures):
    """HTML of one section: `figures` is a list of (file name, PNG bytes)."""
    images = "".join(
        f'<img alt="{html.escape(name)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
        for name, png in figures
    )
    return f"<h2>{html.escape(title)}</h2><p>{html.escape(text)}</p>{images}"


def png(figure):
    """Bytes of a figure; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=90, metadata={"Software": None})
    return buffer.getvalue()


PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.5 sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em; }}
img {{ max-width: 100%; display: block; margin: 1em 0; }} table {{ border-collapse: collapse; }}
td, th {{ padding: 0.2em 0.8em; border-bottom: 1px solid #ccc; text-align: right; }}
</style></head><body><h1>{title}</h1>{body}</body></html>
"""


def sections(signals, topology):
    """All sections: titles, texts and figures by file name."""
    strong = topology.significant()
    first = f"{len(signals.names)} channels, {signals.samples:,} samples, {signals.rate or 'unknown'} Hz"
    yield "Recordings", first, {"traces": plots.traces(signals)}
    yield (
        "Spectra",
        "Power of the channels, and what their linear predictors leave: nearly white.",
        {"spectra": plots.spectra(signals)},
    )
    yield (
        "Codes",
        "How often each code occurs, all channels together. Where neighbours differ by far more than chance, the "
        "converter's codes are not equally wide. Widths are counts over a smooth histogram; lines every 32 codes.",
        {"codes": plots.codes(signals), "widths": plots.widths(signals)},
    )
    yield (
        "Autocorrelation",
        "Of the channels and of their residuals; the shaded bands hold 80 % of the channels.",
        {"autocorrelation": plots.autocorrelation(signals)},
    )
    yield (
        "Channels that belong together",
        f"Correlation of residuals within 4 samples. Only channels of one file, or files of equal length, are compared; "
        f"{len(strong)} of {len(topology.thresholds()):,} pairs are beyond chance. Channels are ordered so that partners "
        "are neighbours: a pair is a block of two on the diagonal. The histogram tells pairs from chance.",
        {"pairs": plots.pairs(topology), "strengths": plots.strengths(topology), "lags": plots.lags(topology)},
    )
    yield (
        "Spikes",
        "Residuals beyond five robust deviations: how often, and the mean signal around them in channels with many.",
        {"spikes": plots.spikes(signals), "shapes": plots.shapes(signals)},
    )
    yield (
        "Where the bits go",
        "Cost of a sample, from Gaussian entropies: white noise at the deviation of each channel, then of its residual, "
        "then of the residual with its scale known every 64 samples; and the share of all bits by size of residual.",
        {"bits": plots.bits(signals), "shares": plots.shares(signals)},
    )


def run(options):
    """Write one self-contained page with plots: spectra, codes, correlations, spikes, and where the bits go."""
    signals = Signals(data.load(options.data, data.given(options)), options.seconds)
    topology = Topology()
    observe(topology, options.data, data.given(options))
    output = Path(options.output)
    body = []
    for title, text, figures in sections(signals, topology):
        images = [(name, png(figure)) for name, figure in figures.items()]
        body.append(section(title, text, images))
        if options.png:
            for name, image in images:
                output.with_name(f"{output.stem}-{name}.png").write_bytes(image)
    name = f"Recordings in {Path(options.data).name}"
    output.write_text(PAGE.format(title=html.escape(name), body="".join(body)), encoding="utf-8")
    print(f"wrote {output}, {output.stat().st_size:,} bytes")
