"""Commands of the training section: `python -m training COMMAND --help`."""

import argparse
import sys
import tomllib
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
CHECKPOINTS = HERE / "checkpoints"
MODELS = HERE.parent / "models"


def read_config(path):
    """A configuration by path, or by the name of a file in training/experiments."""
    path = Path(path)
    if not path.exists():
        path = HERE / "experiments" / f"{path}.toml"
    return tomllib.loads(path.read_text())


def open_data(options, levels):
    """Training and validation datasets under the given levels."""
    from . import data, dataset

    recordings = data.load(options.data)
    held = set(data.split(recordings.names, data.read_pairs(options.pairs))[1])
    validation = [i for i, name in enumerate(recordings.names) if name in held]
    training = [i for i, name in enumerate(recordings.names) if name not in held]
    print(f"{len(training)} recordings for training, {len(validation)} for validation; computing features")
    everything = dataset.prepare(recordings, levels)
    return everything.of(training), everything.of(validation)


def command_levels(options):
    """Learn transition levels, in rounds; writes checkpoints/NAME.npz."""
    import torch

    from . import train

    config = read_config(options.config)
    levels = (np.arange(1025) - 512) * 64
    config["training"]["train_levels"] = True
    torch.set_num_threads(options.threads)
    for steps in config["training"]["rounds"]:
        config["training"]["steps"] = steps
        training, validation = open_data(options, levels)
        net, model = train.build(config, levels)
        history = train.fit(net, model, training, config["training"])
        print(f"validation: {train.score(net, model, validation.fixed())[0]:.4f} bits")
        levels = np.rint(model.current_levels().detach().double().numpy() * 64).astype(np.int32)
    np.savez_compressed(options.output or CHECKPOINTS / f"{config['name']}.npz", levels=levels, history=history)


def command_train(options):
    """Train a network; writes a checkpoint."""
    import torch

    from . import train

    config = read_config(options.config)
    torch.set_num_threads(options.threads)
    levels = np.load(CHECKPOINTS / f"{config['levels']}.npz")["levels"]
    training, validation = open_data(options, levels)
    net, model = train.build(config, levels)
    print(f"{net.macs} multiply-accumulates per sample")
    train.fit(net, model, training, config["training"])
    usage = train.score(net, model, training.fixed(1000))[1]
    examples = training.batch(np.random.default_rng(5), 64)[0]
    output = options.output or CHECKPOINTS / f"{config['name']}.npz"
    train.save(output, net, model, levels, usage, examples, config)
    tables = train.integer_tables(model, levels, usage, config["tables"]["shapes"])
    print(f"validation: {train.score(net, model, validation.fixed())[0]:.4f} bits as trained")
    print(f"validation: {train.score_integers(net, tables, validation.fixed()):.4f} bits under the integer tables")
    print(f"wrote {output}")


def command_export(options):
    """Turn a checkpoint into a model file, with its certificate."""
    import hashlib

    from . import export, train

    net, model, levels, usage, examples, config = train.load(options.checkpoint)
    tables = train.integer_tables(model, levels, usage, config["tables"]["shapes"])
    output = Path(options.output or MODELS / f"{config['name']}.onnx")
    certificate = export.export(output, net, tables, config["name"], examples)
    print_certificate(certificate)
    data = output.read_bytes()
    print(f"wrote {output}: {len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")


def command_certify(options):
    """Prove that a model computes the same integers everywhere, or name the node that might not."""
    import onnx

    from .certify import NotExact, certify

    try:
        print_certificate(certify(onnx.load(options.model, load_external_data=False)))
    except NotExact as error:
        print(f"not exact: {error}", file=sys.stderr)
        return 3
    print("exact: every intermediate value is representable")


def print_certificate(certificate):
    print(f"{'node':<24}{'operator':<20}{'largest value':>14}  in units of")
    for name, operator, unit, bound in certificate:
        print(f"{name:<24}{operator:<20}{bound:>14}  {unit:g}")


def parser():
    p = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = p.add_subparsers(required=True, metavar="COMMAND")

    def add(name, run, argument, text):
        c = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        c.add_argument(argument, help=text)
        c.add_argument("-o", "--output", help="file to write (default: by the experiment's name)")
        c.set_defaults(run=run)
        return c

    for name, run in (("levels", command_levels), ("train", command_train)):
        c = add(name, run, "config", "TOML file, or the name of one in training/experiments")
        c.add_argument("--data", required=True, help="folder of WAV files")
        c.add_argument(
            "--pairs", help="JSON list of names recorded at the same time; these stay on one side of the split"
        )
        c.add_argument("--threads", type=int, default=1, help="threads of PyTorch (default: 1)")
    add("export", command_export, "checkpoint", "what `train` wrote")
    add("certify", command_certify, "model", "an .onnx file")
    return p


def main(arguments=None):
    options = parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except (OSError, ValueError, KeyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
