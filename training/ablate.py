"""The ablation table: many networks by one recipe, each row a change to it (experiments/ablation.toml).

Results are kept row by row, so that a run that was stopped goes on where it was.
"""

import copy
import json
import time
from pathlib import Path

import numpy as np

from . import lstm, train

NO_LEVELS = (np.arange(1025) - 512) * 64
COLUMNS = ("macs", "network", "tables", "one_shape", "seconds")


def row_config(config, row):
    """The configuration of a row: the common one with the row's entries in their place."""
    made = copy.deepcopy({k: v for k, v in config.items() if k != "rows"})
    for part in ("network", "training"):
        made[part] |= row.get(part, {})
    return made


def measure(config, training, validation, levels):
    """Train one row; a dict of its multiply-accumulates and bits per sample on the validation recordings.

    `network` is as trained; `tables` under the integer tables, `one_shape` with one shape for all scales (both not for
    networks in floats).
    """
    start = time.time()
    net, model = train.build(config, levels)
    if "lstm" in config["network"]:
        training, validation = (lstm.Sequences.of_rows(*a) for a in ((training, lstm.KEPT), (validation, 1)))
    train.fit(net, model, training, config["training"], lambda *_: None)
    net.kept = 1  # of sequences
    bits, usage = train.score(net, model, validation.fixed())
    result = {"macs": net.macs, "network": bits, "seconds": round(time.time() - start)}
    if net.quantised:
        for key, shapes in (("tables", config["shapes"]), ("one_shape", 1)):
            tables = train.integer_tables(model, levels, usage, shapes)
            result[key] = train.score_integers(net, tables, validation.fixed())
    return result


def ablate(config, open_data, levels, path, report=print):
    """Measure all rows that `path`, a JSON file, does not hold yet; returns all results by name.

    Parameters
    ----------
    config : dict
        Common entries and `rows`.
    open_data : callable
        Training and validation datasets under given levels.
    levels : int array [1025]
        For rows without `levels = false`.
    """
    path = Path(path)
    done = json.loads(path.read_text()) if path.exists() else {}
    opened = (None, None)
    for row in config["rows"]:
        if row["name"] in done:
            continue
        used = levels if row.get("levels", True) else NO_LEVELS
        if opened[0] is not used:
            opened = (used, open_data(used))
        report(f"== {row['name']}")
        done[row["name"]] = measure(row_config(config, row), *opened[1], used)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(done, indent=1))
    return done


def markdown(results):
    """The table as lines of Markdown."""
    lines = ["| network | MACs | as trained | integer tables | one shape | seconds |", "|---|---|---|---|---|---|"]
    for name, row in results.items():
        cells = [f"{row[k]:.4f}" if isinstance(row.get(k), float) else str(row.get(k, "")) for k in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
