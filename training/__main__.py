"""Commands of the training section: `python -m training COMMAND --help`."""

import argparse
import sys
from collections.abc import Callable

from runtime.core.terms import CHANNEL_TIME, LAYOUTS, TYPES

from . import commands


def add_data(parser: argparse.ArgumentParser, name: str = "data", **more) -> None:
    """Add options that say where recordings are and how to read them."""
    parser.add_argument(
        name, help="folder of recordings, or one file: .wav, .npy, or raw samples (.bin, .raw, .dat)", **more
    )
    parser.add_argument("--channels", type=int, help="of raw files")
    parser.add_argument("--dtype", default="int16", choices=TYPES, help="of raw files (default: int16)")
    parser.add_argument("--sample-rate", type=int, default=0, help="Hz, of files without a header")
    layout = parser.add_mutually_exclusive_group()
    layout.add_argument("--layout", choices=LAYOUTS, help="order of the axes of .npy and raw files")
    same = "the same as --layout channel-time"
    layout.add_argument("--channels-first", dest="layout", action="store_const", const=CHANNEL_TIME, help=same)


def add_training(commands_, name: str, run: Callable) -> None:
    """Add a command that trains by a configuration."""
    c = commands_.add_parser(name, help=run.__doc__, description=run.__doc__)
    c.add_argument("config", help="TOML file, or the name of one in training/experiments")
    add_data(c, "--data", required=True)
    c.add_argument("--pairs", help="JSON list of names recorded at the same time; these stay on one side of the split")
    c.add_argument("-o", "--output", help="file to write (default: by the experiment's name)")
    c.add_argument("--threads", type=int, default=1, help="threads of PyTorch (default: 1)")
    c.set_defaults(run=run)
    c.add_argument(
        "--arrays", metavar="DATA", help="recordings of several channels, where the configuration has shares"
    )
    c.add_argument("--devices", metavar="DATA", help="recordings of other devices, where the configuration has shares")
    if run is commands.ablate:
        c.add_argument("--markdown", metavar="FILE.md", help="write the table too, e.g. docs/results/ablation.md")
        return
    c.add_argument("--runs", default=commands.RUNS, help="folder for states and losses (default: runs)")
    c.add_argument("--fresh", action="store_true", help="start anew where the state of a stopped run is there")


def run_analyze(options: argparse.Namespace) -> None:
    """Write one self-contained page with plots: codes, and which channels are correlated."""
    from .analysis import page  # needs matplotlib

    page.run(options)


def run_evaluate(options: argparse.Namespace) -> None:
    """Print bits per sample of every channel and in total through the real encoder, beside FLAC and WavPack."""
    from .evaluation import evaluate

    evaluate.run(options)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    p = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    sub = p.add_subparsers(required=True, metavar="COMMAND")

    def add(name, run):
        c = sub.add_parser(name, help=run.__doc__, description=run.__doc__)
        c.set_defaults(run=run)
        return c

    c = add("check", commands.check)
    add_data(c)
    c.add_argument("--all", action="store_true", help="print a line for every channel")
    c = add("analyze", run_analyze)
    add_data(c)
    c.add_argument("-o", "--output", required=True, metavar="REPORT.html", help="file to write")
    for name in ("levels", "train", "ablate"):
        add_training(sub, name, getattr(commands, name))
    c = add("export", commands.export)
    c.add_argument("checkpoint", help="what `train` wrote")
    c.add_argument("-o", "--output", help="file to write (default: models/NAME.onnx)")
    add("certify", commands.certify).add_argument("model", help="an .onnx file")
    c = add("evaluate", run_evaluate)
    add_data(c)
    c.add_argument("--model", default="implant", help="name or path of a model (default: n1)")
    c.add_argument("--validation", action="store_true", help="only recordings that the split keeps from training")
    c.add_argument("--pairs", help="JSON list of names recorded at the same time, as for `train`")
    c.add_argument("--first", type=int, metavar="N", help="only the first N files")
    c.add_argument("--lines", type=int, default=5, metavar="N", help="print the N best and worst channels (default: 5)")
    c.add_argument("--jobs", type=int, default=1, help="baselines to run at the same time")
    c.add_argument("-o", "--output", metavar="FILE.json", help="write all figures")
    return p


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return its exit code."""
    options = parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
