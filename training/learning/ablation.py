"""The ablation table: many networks by one recipe, each row a change to it (experiments/ablation.toml).

Results are kept row by row, so that a run that was stopped goes on where it was.
"""

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..data.recordings import UNIFORM_LEVELS
from ..data.sequences import sequences
from . import train
from .checkpoint import integer_tables

COLUMNS = ("macs", "network", "tables", "one_shape", "seconds")


def row_config(config: dict, row: dict) -> dict:
    """Return the configuration of a row: the common one with the row's entries in their place."""
    made = copy.deepcopy({k: v for k, v in config.items() if k != "rows"})
    for part in ("network", "training"):
        made[part] |= row.get(part, {})
    return made


def measure(config: dict, training, validation: dict, levels: np.ndarray) -> dict:
    """Train one row; return its multiply-accumulates and bits per sample.

    `network` is as trained; `tables` under the integer tables, `one_shape` with one shape for all scales (both not for
    networks in floats). Of several validation sets (a dict of them by name): `sets`, bits by name.
    """
    start = time.time()
    net, entropy = train.build(config, levels)
    if "lstm" in config["network"]:
        training, validation = sequences(training, validation)
    train.fit(net, entropy, training, config["training"], lambda *_: None)
    net.loss_steps = 1  # of sequences
    scores = {name: train.score(net, entropy, part.fixed()) for name, part in validation.items()}
    result = {"macs": net.macs, "seconds": round(time.time() - start)}
    usage = sum(usage for _, usage in scores.values())
    if len(validation) > 1:
        tables = integer_tables(entropy, levels, usage, config["shapes"])
        bits = {name: train.score_integers(net, tables, part.fixed()) for name, part in validation.items()}
        return result | {"sets": bits}
    result["network"] = scores["validation"][0]
    if net.quantised:
        for key, shapes in (("tables", config["shapes"]), ("one_shape", 1)):
            tables = integer_tables(entropy, levels, usage, shapes)
            result[key] = train.score_integers(net, tables, validation["validation"].fixed())
    return result


def ablate(
    config: dict, open_data: Callable, levels: np.ndarray, path: str | Path, report: Callable[[str], None] = print
) -> dict:
    """Measure all rows that `path`, a JSON file, does not hold yet; return all results by name.

    Parameters
    ----------
    config
        Common entries and `rows`.
    open_data
        Returns training data, and validation sets by name, under given levels for the configuration of a row.
    levels
        For rows without `levels = false`.
    """
    path = Path(path)
    done = json.loads(path.read_text()) if path.exists() else {}
    opened, data = None, None
    for row in config["rows"]:
        if row["name"] in done:
            continue
        made = row_config(config, row)
        used = levels if row.get("levels", True) else UNIFORM_LEVELS
        needs = (used is levels, made["training"].get("cross_channel", True), "messages" in made["network"])
        if opened != needs:
            opened, data = needs, None  # the old data go before the new come
            data = open_data(used, made)
        report(f"== {row['name']}")
        done[row["name"]] = measure(made, *data, used)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(done, indent=1))
    return done


def markdown(results: dict) -> str:
    """Return the table as lines of Markdown, rows with several validation sets in one of their own."""
    plain = {name: row for name, row in results.items() if "sets" not in row}
    several = {name: row for name, row in results.items() if "sets" in row}
    lines = ["| network | MACs | as trained | integer tables | one shape | seconds |", "|---|---|---|---|---|---|"]
    lines += [_line(name, [row.get(key, "") for key in COLUMNS]) for name, row in plain.items()]
    if several:
        sets = list(dict.fromkeys(name for row in several.values() for name in row["sets"]))
        head = ["| network | MACs | " + " | ".join(sets) + " | seconds |", "|---" * (len(sets) + 3) + "|"]
        lines = (lines if plain else []) + head
        for name, row in several.items():
            lines.append(_line(name, [row["macs"], *(row["sets"].get(key, "") for key in sets), row["seconds"]]))
    return "\n".join(lines)


def _line(name: str, cells: list) -> str:
    texts = [f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in cells]
    return f"| {name} | " + " | ".join(texts) + " |"
