"""The command `topology`: which channels of recordings belong together, written down for encoder and training."""

from pathlib import Path

import numpy as np
from rich.console import Console

from runtime.batch.observe import observe as observe_files
from runtime.core.errors import MiddleoutError
from runtime.fit.correlation import LAG
from runtime.fit.topology import Topology

from . import data


def observe(topology, source, given=data.NOTHING):
    """Add all recordings of a folder or file to a topology, as `runtime topology` does."""
    paths = [str(path) for path in data.paths_of(source)]
    try:
        observe_files(topology, paths, given)
    except MiddleoutError as error:
        raise ValueError(str(error)) from error


def gain(correlation, heard):
    """Bits per sample, mean of all channels, that linear prediction of whitened channels from their peers saves."""
    bits = []
    for channel, references in enumerate(heard):
        own = correlation[channel, references]
        among = correlation[np.ix_(references, references)] + 1e-6 * np.eye(len(references))
        explained = own @ np.linalg.solve(among, own) if references else 0.0
        bits.append(-0.5 * np.log2(1 - np.clip(explained, 0, 0.999)))
    return float(np.mean(bits))


def compare(topology, pairs):
    """Precision and recall of the significant pairs against known ones (pairs of names), and the pairs not known."""
    found = {frozenset((topology.channels[i], topology.channels[j])) for i, j in topology.significant()}
    known = {frozenset(pair) for pair in pairs}
    right = len(found & known)
    return right / max(len(found), 1), right / max(len(known), 1), sorted(map(sorted, found - known))


def run(options):
    """Estimate which channels have activity in common, choose peers and order levels, and write them as JSON."""
    console = Console(highlight=False)
    topology = Topology.from_json(Path(options.update).read_text()) if options.update else Topology()
    observe(topology, options.data, data.given(options))
    if not topology.channels:
        raise ValueError(f"{options.data}: no channels that can be used")
    Path(options.output).write_text(topology.to_json(options.order_levels, options.references))
    passed, tested = topology.significant(), len(topology.thresholds())
    console.print(f"{len(topology.channels)} channels, {len(topology.recordings)} recordings, {tested:,} pairs tested")
    console.print(f"{len(passed)} pairs correlate beyond chance within {LAG} samples")
    correlation = topology.matrix()
    made = topology.arrangement(options.order_levels, options.references)
    heard = [[channel for channel in row if channel >= 0] for row in made.references.tolist()]
    counts = ", ".join(map(str, np.bincount(made.order_level)))
    console.print(f"channels by order level: {counts}; {sum(map(len, heard)) / len(heard):.1f} peers in the mean")
    console.print(f"same-time peers may save {gain(correlation, heard):.3f} bits per sample (linear estimate)")
    if options.pairs:
        precision, recall, others = compare(topology, data.read_pairs(options.pairs))
        console.print(f"against the known pairs: precision {precision:.4f}, recall {recall:.4f}")
        for pair in others[:20]:
            console.print("not in the list: " + " ".join(pair))
    console.print(f"wrote {options.output}")
