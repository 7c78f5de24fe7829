"""The commands that learn, write and prove models. Each imports what it needs, so that the others start fast."""

import datetime
import hashlib
import sys
from argparse import Namespace
from functools import partial
from pathlib import Path

import numpy as np

from . import config as configs

MODELS = configs.HERE.parent / "models"
RUNS = configs.HERE.parent / "runs"


def run_folder(options: Namespace, name: str) -> Path:
    """Return the folder for the state and losses of a run; emptied of an old state if `--fresh` is given."""
    folder = Path(options.runs) / name
    if options.fresh:
        (folder / "state.npz").unlink(missing_ok=True)
    return folder


def finish(folders: list[Path]) -> None:
    """Remove the states of complete runs; the losses stay."""
    for folder in folders:
        (folder / "state.npz").unlink(missing_ok=True)


def levels(options: Namespace) -> None:
    """Learn transition levels, in rounds; writes a checkpoint. A run that was stopped goes on from its last state."""
    import torch

    from .data.training_sets import open_single
    from .learning import train
    from .learning.progress import Report

    config = configs.read(options.config)
    if "rounds" not in config["training"]:
        raise ValueError("training.rounds must list the steps of each round")
    found, folders = configs.levels({}), []
    config["training"]["train_levels"] = True
    torch.set_num_threads(options.threads)
    for number, steps in enumerate(config["training"]["rounds"]):
        config["training"]["steps"] = steps
        training, validation = open_single(options, found)
        net, entropy = train.build(config, found)
        folders.append(run_folder(options, f"{config['name']}-{number}"))
        with Report(steps, folders[-1]) as report:
            history = train.fit(net, entropy, training, config["training"], report, folders[-1] / "state.npz")
        print(f"validation: {train.score(net, entropy, validation.fixed())[0]:.4f} bits")
        found = np.rint(entropy.current_levels().detach().double().numpy() * 64).astype(np.int32)
    output = options.output or configs.CHECKPOINTS / f"{config['name']}.npz"
    np.savez_compressed(output, levels=found, history=history)
    finish(folders)
    print(f"wrote {output}")


def open_data(options: Namespace, found: np.ndarray, config: dict):
    """Return training data, and validation sets by name, as a configuration asks for them."""
    from .data import training_sets, windows

    bounds = config["training"].get("bounds")
    if "shares" in config["training"]:
        return training_sets.open_mixture(options, found, config)
    if config["training"].get("windows"):
        return windows.open_windows(options, found, bounds or [0])
    if bounds:
        return training_sets.open_bounds(options, found, bounds)
    training, validation = training_sets.open_single(options, found)
    return training, {"validation": validation}


def train(options: Namespace) -> None:
    """Train a network; writes a checkpoint. A run that was stopped goes on from its last state, to the same end."""
    import torch

    from .data.sequences import sequences
    from .learning import train
    from .learning.checkpoint import Checkpoint
    from .learning.progress import Report

    config = configs.read(options.config)
    config.setdefault("tables", {"shapes": 16})
    torch.set_num_threads(options.threads)
    found = configs.levels(config)
    training, validation = open_data(options, found, config)
    if "lstm" in config["network"]:
        training, validation = sequences(training, validation)
    net, entropy = train.build(config, found)
    print(f"{net.macs} multiply-accumulates per sample")
    folder = run_folder(options, config["name"])
    with Report(config["training"]["steps"], folder) as report:
        train.fit(net, entropy, training, config["training"], report, folder / "state.npz")
    examples = training.batch(np.random.default_rng(5), 64)[0]
    net.loss_steps = training.loss_steps = 1  # of sequences
    usage = train.score(net, entropy, training.fixed(1000))[1]
    output = options.output or configs.CHECKPOINTS / f"{config['name']}.npz"
    checkpoint = Checkpoint(net, entropy, found, usage, examples, config)
    checkpoint.save(output)
    finish([folder])
    tables, bounds = checkpoint.tables(), config["training"].get("bounds", [0])
    for place, part in validation.items():
        print(f"{place}: {train.score(net, entropy, part.fixed())[0]:.4f} bits as trained")
        print(f"{place}: {train.score_integers(net, tables, part.fixed(), bounds):.4f} bits under the integer tables")
    print(f"wrote {output}; losses are in {folder}")


def ablate(options: Namespace) -> None:
    """Train every row of an ablation table by the same recipe and print the table; goes on where it was stopped."""
    import torch

    from .learning import ablation

    config = configs.read(options.config)
    torch.set_num_threads(options.threads)
    path = options.output or RUNS / "ablation.json"

    results = ablation.ablate(config, partial(open_data, options), configs.levels(config), path)
    table = ablation.markdown(results)
    print(table)
    if options.markdown:
        measured = f"`python -m training ablate {options.config}`, {datetime.date.today()}, validation bits per sample."
        Path(options.markdown).write_text(f"# Ablation\n\n{measured}\n\n{table}\n")


def export(options: Namespace) -> None:
    """Turn a checkpoint into a model file, with its certificate."""
    from .export.model_file import export
    from .learning.checkpoint import Checkpoint

    try:
        checkpoint = Checkpoint.load(options.checkpoint)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{options.checkpoint}: not a checkpoint of `train`: {error}") from error
    name = checkpoint.config["name"]
    output = Path(options.output or MODELS / f"{name}.onnx")
    print_certificate(export(output, checkpoint.net, checkpoint.tables(), name, checkpoint.examples))
    data = output.read_bytes()
    print(f"wrote {output}: {len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")


def certify(options: Namespace) -> int:
    """Prove that a model computes the same integers everywhere, or name the node that might not."""
    import onnx
    from google.protobuf.message import DecodeError

    from .exactness.certificate import certify
    from .exactness.intervals import NotExact

    try:
        print_certificate(certify(onnx.load(options.model, load_external_data=False)))
    except NotExact as error:
        print(f"not exact: {error}", file=sys.stderr)
        return 3
    except DecodeError as error:
        raise ValueError(f"{options.model}: not an ONNX file") from error
    print("exact: every intermediate value is representable")
    return 0


def print_certificate(certificate: list[tuple[str, str, float, int]]) -> None:
    """Print one line for every node."""
    print(f"{'node':<24}{'operator':<20}{'largest value':>14}  in units of")
    for name, operator, unit, bound in certificate:
        print(f"{name:<24}{operator:<20}{bound:>14}  {unit:g}")


def check(options: Namespace) -> int:
    """Report rates, ranges, value maps and flat, short or clipped channels; fails if a file can't be read or used."""
    from rich.console import Console

    from .data.check import check, report
    from .data.recordings import given

    found, unreadable = check(options.data, given(options))
    if found:
        report(found, Console(), options.all)
    for message in unreadable:
        print(f"error: {message}", file=sys.stderr)
    return 0 if any(channel.used for channel in found) and not unreadable else 1
