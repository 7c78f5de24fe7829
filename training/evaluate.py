"""The command `evaluate`: bits per sample through the real encoder, beside FLAC and WavPack, per channel and in total."""

import json
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table

import runtime
from runtime.batch.files import encode_files

from . import baselines, data

OURS = "middleout"


def choose(options):
    """Paths of the recordings to evaluate: all, or those that the split keeps from training."""
    paths = data.paths_of(options.data)
    if options.validation:
        stems = [p.stem for p in paths]
        held = data.held(stems, data.read_pairs(options.pairs))
        paths = [p for p in paths if p.stem in held]
    return paths[: options.first]


def as_wavs(path, folder, given):
    """Names and WAVs of the single channels of a recording, and a WAV of the whole; written to `folder` where needed."""
    samples, rate = data.read_samples(path, given)
    count = samples.shape[1]
    if path.suffix == ".wav" and count == 1:
        return [path.stem], [path], path, samples.size
    names = [path.stem if count == 1 else f"{path.stem}:{i:04d}" for i in range(count)]
    wavs = [folder / f"{path.stem}-{i:04d}.wav" for i in range(count)]
    for i, wav in enumerate(wavs):
        soundfile.write(wav, samples[:, i], rate or 1, subtype="PCM_16")
    whole = wavs[0]
    if count > 1:
        whole = folder / f"{path.stem}.wav"
        soundfile.write(whole, samples, rate or 1, subtype="PCM_16")
    return names, wavs, whole, samples.size


def our_bytes(wavs, model, folder):
    """Size of each WAV's `.mdo` file; verified by decoding. Raises what went wrong with the first bad one."""
    outcomes = encode_files(wavs, model=model, folder=str(folder), jobs=1)
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    return [(folder / f"{wav.stem}.mdo").stat().st_size for wav in wavs]


def sizes_of(wavs, model, folder, jobs):
    """Bytes of every coder for every WAV, by the coder's name."""
    others = baselines.measure_all(wavs, baselines.AUDIO_BASELINES, jobs=jobs)
    return {OURS: our_bytes(wavs, model, folder)} | {k: [m.bytes for m in v] for k, v in others.items()}


def evaluate(paths, model, given=data.NOTHING, jobs=1):
    """Bits per sample of recordings.

    Returns
    -------
    by_channel : dict of coder to list of float
        Each channel coded on its own, `names` (list of str) among the keys.
    total : dict of coder to float
        Recordings coded as they are, with all their channels.
    """
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        (work / "wavs").mkdir()
        made = [as_wavs(path, work / "wavs", given) for path in paths]
        names, wavs = (sum((m[k] for m in made), []) for k in (0, 1))
        singles = sizes_of(wavs, model, work / "mdo", jobs)
        wholes = [m[2] for m in made]
        whole = singles if wholes == wavs else sizes_of(wholes, model, work / "whole", jobs)
        each = np.array([soundfile.info(wav).frames for wav in wavs])
    samples = sum(m[3] for m in made)
    by_channel = {"names": names} | {k: (8 * np.array(v) / each).tolist() for k, v in singles.items()}
    return by_channel, {k: 8 * sum(v) / samples for k, v in whole.items()}


def table(by_channel, total, lines):
    """A rich table: totals, mean over channels, and the `lines` channels at either end of our advantage."""
    coders = list(total)
    made = Table("", *coders, "smaller than the best peer by")
    made.columns[0].overflow = "fold"
    best = np.min([by_channel[k] for k in coders if k != OURS] or [by_channel[OURS]], axis=0)
    margin = 1 - np.array(by_channel[OURS]) / best

    def row(name, values, advantage):
        made.add_row(name, *(f"{v:.4f}" for v in values), f"{advantage:.2%}")

    least = min([total[k] for k in coders if k != OURS] or [total[OURS]])
    row("whole files", [total[k] for k in coders], 1 - total[OURS] / least)
    row("mean of channels", [np.mean(by_channel[k]) for k in coders], margin.mean())
    order = np.argsort(margin)
    shown = order if len(order) <= 2 * lines else np.concatenate([order[:lines], order[-lines:]])
    for i in shown:
        row(by_channel["names"][i], [by_channel[k][i] for k in coders], margin[i])
    return made


def plot(by_channel, path):
    """Our bits per sample against each peer's, one dot per channel, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    for coder in by_channel.keys() - {"names", OURS}:
        axes.scatter(by_channel[coder], by_channel[OURS], s=8, label=coder)
    limits = [min(by_channel[OURS]), max(by_channel[OURS])]
    axes.plot(limits, limits, "k", lw=0.5, label="equal")
    axes.set(xlabel="bits per sample of the peer", ylabel="bits per sample of middleout")
    axes.legend()
    figure.savefig(path, dpi=100)


def run(options):
    """Bits per sample of every channel and in total through the real encoder, beside FLAC and WavPack on the codes."""
    console = Console(highlight=False)
    if absent := baselines.missing(baselines.AUDIO_BASELINES):
        console.print("not installed, left out: " + ", ".join(absent))
    paths = choose(options)
    try:
        by_channel, total = evaluate(paths, options.model, data.given(options), options.jobs)
    except runtime.MiddleoutError as error:
        raise ValueError(str(error)) from error
    console.print(f"{len(paths)} files, {len(by_channel['names'])} channels, bits per sample, all bytes counted")
    console.print(table(by_channel, total, options.lines))
    if options.output:
        output = Path(options.output)
        output.write_text(json.dumps({"total": total, "channels": by_channel}, indent=1))
        plot(by_channel, output.with_suffix(".png"))
        console.print(f"wrote {output} and {output.with_suffix('.png')}")
