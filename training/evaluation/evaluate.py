"""The command `evaluate`: bits per sample through the real encoder, beside FLAC and WavPack."""

import json
import tempfile
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table

import runtime
from runtime.recording.sources import NOTHING, Given

from ..data.recordings import given, paths_of, read_samples
from ..data.splits import held_out, read_pairs
from . import baselines

OURS = "middleout"

Sizes = dict[str, list[int]]
"""Bytes of every recording, by the coder's name."""


@dataclass
class Wavs:
    """Hold a recording as WAVs: one for each channel, and one of the whole (the same for a single channel)."""

    names: list[str]
    channels: list[Path]
    whole: Path
    frames: int


def choose(options: Namespace) -> list[Path]:
    """Return the recordings to evaluate: all, or those that the split keeps from training."""
    paths = paths_of(options.data)
    if options.validation:
        held = held_out([path.stem for path in paths], read_pairs(options.pairs))
        paths = [path for path in paths if path.stem in held]
    return paths[: options.first]


def as_wavs(path: Path, folder: Path, known: Given) -> Wavs:
    """Return a recording as WAVs, written to `folder` where needed."""
    samples, sample_rate = read_samples(path, known)
    frames, count = samples.shape
    if path.suffix == ".wav" and count == 1:
        return Wavs([path.stem], [path], path, frames)
    names = [path.stem if count == 1 else f"{path.stem}:{i:04d}" for i in range(count)]
    channels = [folder / f"{path.stem}-{i:04d}.wav" for i in range(count)]
    whole = channels[0] if count == 1 else folder / f"{path.stem}.wav"
    for wav, part in zip([*channels, whole], [*samples.T, samples]):
        soundfile.write(wav, part, round(sample_rate) or 1, subtype="PCM_16")
    return Wavs(names, channels, whole, frames)


def sizes_of(wavs: list[Path], model: str, folder: Path, jobs: int) -> Sizes:
    """Return the bytes of every coder for every WAV; ours are verified by decoding.

    Raises
    ------
    MiddleoutError
        What went wrong with the first bad recording.
    """
    others = baselines.measure_all(wavs, baselines.AUDIO_BASELINES, jobs=jobs)
    for outcome in runtime.encode_files(wavs, model=model, folder=str(folder), jobs=1):
        if outcome.error is not None:
            raise outcome.error
    ours = [(folder / f"{wav.stem}.mdo").stat().st_size for wav in wavs]
    return {OURS: ours} | {name: [m.bytes for m in found] for name, found in others.items()}


def evaluate(
    paths: list[Path], model: str, known: Given = NOTHING, jobs: int = 1
) -> tuple[dict[str, list], dict[str, float]]:
    """Return bits per sample of each channel coded on its own (and `names`), and of all recordings as they are."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "wavs").mkdir()
        made = [as_wavs(path, work / "wavs", known) for path in paths]
        channels = [wav for part in made for wav in part.channels]
        frames = np.array([part.frames for part in made for _ in part.channels])
        singles = sizes_of(channels, model, work / "mdo", jobs)
        wholes = [part.whole for part in made]
        whole = singles if wholes == channels else sizes_of(wholes, model, work / "whole", jobs)
    by_channel = {"names": [name for part in made for name in part.names]}
    by_channel |= {coder: (8 * np.array(sizes) / frames).tolist() for coder, sizes in singles.items()}
    return by_channel, {coder: 8 * sum(sizes) / int(frames.sum()) for coder, sizes in whole.items()}


def table(by_channel: dict[str, list], total: dict[str, float], lines: int) -> Table:
    """Return totals, mean over channels, and the `lines` channels at either end of our advantage."""
    coders = list(total)
    made = Table("", *coders, "smaller than the best baseline by")
    made.columns[0].overflow = "fold"
    others = [coder for coder in coders if coder != OURS] or [OURS]
    margin = 1 - np.array(by_channel[OURS]) / np.min([by_channel[coder] for coder in others], axis=0)

    def row(name: str, values: list[float], advantage: float) -> None:
        made.add_row(name, *(f"{v:.4f}" for v in values), f"{advantage:.2%}")

    row("whole files", list(total.values()), 1 - total[OURS] / min(total[coder] for coder in others))
    row("mean of channels", [np.mean(by_channel[coder]) for coder in coders], margin.mean())
    order = np.argsort(margin)
    shown = order if len(order) <= 2 * lines else np.concatenate([order[:lines], order[-lines:]])
    for i in shown:
        row(by_channel["names"][i], [by_channel[coder][i] for coder in coders], margin[i])
    return made


def run(options: Namespace) -> None:
    """Run the command."""
    console = Console(highlight=False)
    if absent := baselines.missing(baselines.AUDIO_BASELINES):
        console.print("not installed, left out: " + ", ".join(absent))
    paths = choose(options)
    try:
        by_channel, total = evaluate(paths, options.model, given(options), options.jobs)
    except runtime.MiddleoutError as error:
        raise ValueError(str(error)) from error
    console.print(f"{len(paths)} files, {len(by_channel['names'])} channels, bits per sample, all bytes counted")
    console.print(table(by_channel, total, options.lines))
    if options.output:
        Path(options.output).write_text(json.dumps({"total": total, "channels": by_channel}, indent=1))
        console.print(f"wrote {options.output}")
