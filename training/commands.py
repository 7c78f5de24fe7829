"""The commands that learn, write and prove models; analysis and evaluation have modules of their own."""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from . import config as configs

MODELS = configs.HERE.parent / "models"
RUNS = configs.HERE.parent / "runs"


TURNS = 2  # bounds of the error under which a recording is seen in training


def open_data(options, levels, bounds=None):
    """Training and validation datasets under the given levels: by recording, or by time if all belong together.

    With `bounds` of the error, each training recording is there under some of them; validation is a list of datasets,
    one for each bound.
    """
    from . import data, dataset

    recordings = data.load(options.data, data.given(options))
    held = data.held(recordings.names, data.read_pairs(options.pairs) + recordings.pairs())
    validation = [i for i, name in enumerate(recordings.names) if name in held]
    training = [i for i, name in enumerate(recordings.names) if name not in held]
    if bounds:
        if not training:
            raise ValueError("training.bounds need recordings that do not all belong together")
        print(f"{len(training)} recordings for training, {len(validation)} for validation; bounds {bounds}")
        seen = dataset.joined(dataset.views(recordings.of(training), levels, bounds, TURNS))
        return seen, dataset.views(recordings.of(validation), levels, bounds)
    everything = dataset.prepare(recordings, levels)
    if training:
        print(f"{len(training)} recordings for training, {len(validation)} for validation")
        return everything.of(training), everything.of(validation)
    print(f"{len(recordings)} simultaneous channels: the last fifth of each is for validation")
    start, end = everything.spans.T
    reconstruction = end - (end - start) // 5
    return replace(everything, spans=np.stack([start, reconstruction], 1)), replace(
        everything, spans=np.stack([reconstruction, end], 1)
    )


def open_mixture(options, levels, config):
    """Training rows of single channels, simultaneous pairs and arrays; and validation sets by name.

    Arrays are too few to keep any from training: what is printed for them is not what new ones would give. With
    `training.held`, that share of their frames is kept, the last ones; linear predictors are fitted to all frames.
    """
    from . import arrays, data, dataset

    if not options.arrays:
        raise ValueError("training.shares needs recordings of arrays: --arrays")
    recordings = data.load(options.data, data.given(options))
    pairs = data.read_pairs(options.pairs)
    held = data.held(recordings.names, pairs)
    number = {name: i for i, name in enumerate(recordings.names)}
    shares, hearing = config["training"]["shares"], config["training"].get("hearing", "order_levels")
    width = arrays.ROWS if "peers" in config["network"] else config["network"]["inputs"]

    def part(kept):
        singles = dataset.prepare(recordings.of([i for n, i in number.items() if (n in held) == kept]), levels)
        known = [p for p in pairs if all(n in number and (n in held) == kept for n in p)]
        return singles, [[recordings[number[n]] for n in p] for p in known]

    (singles, together), (held_singles, held_together) = part(False), part(True)
    several = {path.stem: data.read_samples(path, data.given(options))[0] for path in data.paths_of(options.arrays)}
    parts, sizes = [singles], []  # single channels get what the others leave
    validation = {"single channels": held_singles}
    if shares.get("pairs") and together:
        parts.append(arrays.of_pairs(together, levels, width, hearing))
        sizes.append(shares["pairs"])
        validation |= {"pairs": arrays.of_pairs(held_together, levels, width, hearing)} if held_together else {}
    if shares.get("arrays"):
        seen, held_arrays = arrays.split(several, levels, width, hearing, config["training"].get("held", 0))
        parts.append(arrays.of_arrays(seen | arrays.simulated(), levels, width, hearing))
        sizes.append(shares["arrays"])
        validation |= held_arrays
    sizes = [1 - sum(sizes), *sizes]
    print(f"{len(singles.spans)} single channels, {len(together)} pairs and {len(several)} arrays for training")
    return arrays.Mixture(parts, sizes, width), {n: arrays.Mixture([d], [1], width) for n, d in validation.items()}


def run_folder(options, name):
    """Folder for the state and losses of a run; emptied of an old state if `--fresh` is given."""
    folder = Path(options.runs) / name
    if options.fresh:
        (folder / "state.npz").unlink(missing_ok=True)
    return folder


def finish(folders):
    """Remove the states of complete runs; the losses stay."""
    for folder in folders:
        (folder / "state.npz").unlink(missing_ok=True)


def levels(options):
    """Learn transition levels, in rounds; writes a checkpoint. A run that was stopped goes on from its last state."""
    import torch

    from . import progress, train

    config = configs.read(options.config)
    if "rounds" not in config["training"]:
        raise ValueError("training.rounds must list the steps of each round")
    found, folders = configs.levels({}), []
    config["training"]["train_levels"] = True
    torch.set_num_threads(options.threads)
    for number, steps in enumerate(config["training"]["rounds"]):
        config["training"]["steps"] = steps
        training, validation = open_data(options, found)
        net, model = train.build(config, found)
        folders.append(run_folder(options, f"{config['name']}-{number}"))
        with progress.Report(steps, folders[-1]) as report:
            history = train.fit(net, model, training, config["training"], report, folders[-1] / "state.npz")
        print(f"validation: {train.score(net, model, validation.fixed())[0]:.4f} bits")
        found = np.rint(model.current_levels().detach().double().numpy() * 64).astype(np.int32)
    output = options.output or configs.CHECKPOINTS / f"{config['name']}.npz"
    np.savez_compressed(output, levels=found, history=history)
    finish(folders)
    print(f"wrote {output}")


def train(options):
    """Train a network; writes a checkpoint. A run that was stopped goes on from its last state, to the same end."""
    import torch

    from . import lstm, progress, train

    config = configs.read(options.config)
    config.setdefault("tables", {"shapes": 16})
    torch.set_num_threads(options.threads)
    found = configs.levels(config)
    bounds = config["training"].get("bounds")
    if "shares" in config["training"]:
        training, validation = open_mixture(options, found, config)
    else:
        training, validation = open_data(options, found, bounds)
        names = [f"validation, error of at most {bound}" for bound in bounds] if bounds else ["validation"]
        validation = dict(zip(names, validation if bounds else [validation]))
    net, model = train.build(config, found)
    if "lstm" in config["network"]:
        training, validation = lstm.sequences(training, validation)
    print(f"{net.macs} multiply-accumulates per sample")
    folder = run_folder(options, config["name"])
    with progress.Report(config["training"]["steps"], folder) as report:
        train.fit(net, model, training, config["training"], report, folder / "state.npz")
    examples = training.batch(np.random.default_rng(5), 64)[0]
    net.kept = training.kept = 1  # of sequences
    usage = train.score(net, model, training.fixed(1000))[1]
    output = options.output or configs.CHECKPOINTS / f"{config['name']}.npz"
    train.save(output, net, model, found, usage, examples, config)
    finish([folder])
    tables = train.integer_tables(model, found, usage, config["tables"]["shapes"])
    for place, part in validation.items():
        integers = train.score_integers(net, tables, part.fixed(), bounds or [0])
        print(f"{place}: {train.score(net, model, part.fixed())[0]:.4f} bits as trained")
        print(f"{place}: {integers:.4f} bits under the integer tables")
    print(f"wrote {output}; losses are in {folder}")


def ablate(options):
    """Train every row of an ablation table by the same recipe and print the table; goes on where it was stopped."""
    import torch

    from . import ablate

    config = configs.read(options.config)
    torch.set_num_threads(options.threads)
    path = options.output or RUNS / "ablation.json"

    def opened(levels, row):
        if "shares" in row["training"]:
            return open_mixture(options, levels, row)
        training, validation = open_data(options, levels)
        return training, {"validation": validation}

    results = ablate.ablate(config, opened, configs.levels(config), path)
    print(ablate.markdown(results))


def export(options):
    """Turn a checkpoint into a model file, with its certificate."""
    from . import export, train

    try:
        net, model, found, usage, examples, config = train.load(options.checkpoint)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{options.checkpoint}: not a checkpoint of `train`: {error}") from error
    tables = train.integer_tables(model, found, usage, config["tables"]["shapes"])
    output = Path(options.output or MODELS / f"{config['name']}.onnx")
    print_certificate(export.export(output, net, tables, config["name"], examples))
    data = output.read_bytes()
    print(f"wrote {output}: {len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")


def certify(options):
    """Prove that a model computes the same integers everywhere, or name the node that might not."""
    import onnx
    from google.protobuf.message import DecodeError

    from .certify import NotExact, certify

    try:
        print_certificate(certify(onnx.load(options.model, load_external_data=False)))
    except NotExact as error:
        print(f"not exact: {error}", file=sys.stderr)
        return 3
    except DecodeError as error:
        raise ValueError(f"{options.model}: not an ONNX file") from error
    print("exact: every intermediate value is representable")


def print_certificate(certificate):
    print(f"{'node':<24}{'operator':<20}{'largest value':>14}  in units of")
    for name, operator, unit, bound in certificate:
        print(f"{name:<24}{operator:<20}{bound:>14}  {unit:g}")


def check(options):
    """Report rates, ranges, lattice and flat, short or clipped channels of recordings; fails if none can be used."""
    from rich.console import Console

    from . import check, data

    found = check.check(options.data, data.given(options))
    check.report(found, Console(), options.all)
    return 0 if any(channel.used for channel in found) else 1
