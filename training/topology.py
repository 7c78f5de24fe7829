"""The command `topology`: which leads of recordings belong together, written down for encoder and training."""

from pathlib import Path

import numpy as np
from rich.console import Console

from runtime.correlation import LAG, whiten
from runtime.topology import Topology

from . import data


def observe(topology, source, leads=None, rate=0):
    """Add all recordings of a folder or file to a topology.

    Leads of a file with several are named by their number; single files by their stem, and those of equal length are
    taken for simultaneous, which the correlation then confirms or not.
    """
    groups = {}
    for path in data.paths_of(source):
        samples, _ = data.read_samples(path, leads, rate)
        if samples.shape[1] > 1:
            rows = np.stack([whiten(np.ascontiguousarray(samples[:, i])) for i in range(samples.shape[1])])
            topology.observe([f"{i:04d}" for i in range(samples.shape[1])], rows)
        elif data.usable(samples[:, 0]):
            groups.setdefault(len(samples), []).append((path.stem, whiten(samples[:, 0])))
    for length in sorted(groups):
        names, rows = zip(*groups[length])
        topology.observe(list(names), np.stack(rows))


def gain(correlation, heard):
    """Bits per sample, mean of all leads, that linear prediction of whitened leads from their peers saves."""
    bits = []
    for lead, peers in enumerate(heard):
        own = correlation[lead, peers]
        among = correlation[np.ix_(peers, peers)] + 1e-6 * np.eye(len(peers))
        explained = own @ np.linalg.solve(among, own) if peers else 0.0
        bits.append(-0.5 * np.log2(1 - np.clip(explained, 0, 0.999)))
    return float(np.mean(bits))


def compare(topology, pairs):
    """Precision and recall of the significant pairs against known ones (pairs of names), and the pairs not known."""
    found = {frozenset((topology.leads[i], topology.leads[j])) for i, j in topology.significant()}
    known = {frozenset(pair) for pair in pairs}
    right = len(found & known)
    return right / max(len(found), 1), right / max(len(known), 1), sorted(map(sorted, found - known))


def run(options):
    """Estimate which leads have activity in common, choose peers and tiers, and write them as JSON."""
    console = Console(highlight=False)
    topology = Topology.from_json(Path(options.update).read_text()) if options.update else Topology()
    observe(topology, options.data, options.leads, options.rate)
    if not topology.leads:
        raise ValueError(f"{options.data}: no leads that can be used")
    Path(options.output).write_text(topology.to_json(options.tiers, options.peers))
    passed, tested = topology.significant(), len(topology.thresholds())
    console.print(f"{len(topology.leads)} leads, {len(topology.recordings)} recordings, {tested:,} pairs tested")
    console.print(f"{len(passed)} pairs correlate beyond chance within {LAG} samples")
    correlation = topology.matrix()
    made = topology.arrangement(options.tiers, options.peers)
    heard = [[lead for lead in row if lead >= 0] for row in made.peers.tolist()]
    counts = ", ".join(map(str, np.bincount(made.tier)))
    console.print(f"leads by tier: {counts}; {sum(map(len, heard)) / len(heard):.1f} peers in the mean")
    console.print(f"same-time peers may save {gain(correlation, heard):.3f} bits per sample (linear estimate)")
    if options.pairs:
        precision, recall, others = compare(topology, data.read_pairs(options.pairs))
        console.print(f"against the known pairs: precision {precision:.4f}, recall {recall:.4f}")
        for pair in others[:20]:
            console.print("not in the list: " + " ".join(pair))
    console.print(f"wrote {options.output}")
