"""Commands that print facts: `runtime info | topology | models`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..core.errors import UsageError, as_error
from .outcomes import complain
from .progress import Progress
from .shared_options import add_command, given_by, input_options


def add(commands: Any, epilog: str) -> None:
    """Add the commands to those of a parser."""
    info = add_command(commands, "info", _info, "print the facts of header and index", epilog)
    info.add_argument("files", nargs="+", metavar="FILE")
    info.add_argument("--json", action="store_true", help="as a JSON list with one object per file")
    topology = add_command(commands, "topology", _topology, "find out which channels are correlated", epilog)
    topology.add_argument("files", nargs="+", metavar="FILE")
    topology.add_argument("-o", "--output", required=True, metavar="OUT", help="file to write, for encode --topology")
    topology.add_argument("-f", "--force", action="store_true", help="overwrite an existing file")
    topology.add_argument("--update", metavar="OLD", help="topology to go on from, e.g. of the day before")
    input_options(topology)
    models = add_command(commands, "models", _models, "list the models that are available", epilog)
    models.add_argument("--check", action="store_true", help="load each, and tell which engine it gets here and why")


def _info(options: argparse.Namespace) -> int:
    import json

    from ..batch.info import as_text, describe

    worst, facts = 0, []
    for file in options.files:
        try:
            facts.append(describe(file))
        except Exception as error:
            worst = max(worst, complain(as_error(error), file))
    if options.json:
        print(json.dumps(facts, indent=2))
    elif facts:
        print("\n".join(map(as_text, facts)))
    return worst


def _topology(options: argparse.Namespace) -> int:
    from ..batch.observe import observe
    from ..core.terms import STREAM
    from ..fit.topology import Topology, load
    from ..recording.outputs import paths
    from ..recording.sources import Given

    given = given_by(options)
    found = Topology() if options.update is None else load(options.update)
    overwrite = options.force or options.output == options.update
    outputs = paths.Outputs(options.output, force=overwrite)
    target = outputs.claim(STREAM, str, options.files)
    with Progress("topology", len(options.files), shown=sys.stderr.isatty()) as progress:
        observe(found, options.files, Given(**given), options.array, lambda path: progress.advance(1))
    if not found.channels:
        raise UsageError("no recordings that are long enough to compare channels")
    outputs.open(target).complete(found.to_json().encode())
    count = f"{len(found.channels)} channels, {len(found.recordings)} recordings"
    print(f"{count}: {len(found.significant())} pairs are correlated", file=sys.stderr)
    return 0


def _models(options: argparse.Namespace) -> int:
    from ..compiled import choice
    from ..core.names import identity_of
    from ..predictor import model

    uses = {model.resolve(model.default(max_error=255)): " (default for large errors and target rates)"}
    uses[model.resolve(model.default())] = " (default)"
    for name, path in model.available():
        data = path.read_bytes()
        default = uses.get(path, "")
        print(f"{name}  {identity_of(data).hex()}  {len(data)} bytes{default}")
        if options.check:
            print(f"  {choice.explain(model.load(name))}")
    return 0
