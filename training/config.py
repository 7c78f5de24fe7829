"""Configurations: one small TOML file per experiment, checked before anything runs."""

import tomllib
from pathlib import Path

import numpy as np

from runtime.core.near_lossless import MAX_ERROR
from runtime.predictor.features import FEATURES, WINDOW

from .data import UNIFORM_LEVELS

HERE = Path(__file__).parent
HEARING = ("none", "past", "order_levels")  # what channels hear of others: nothing, up to the last step, up to now
EXPERIMENTS, CHECKPOINTS = HERE / "experiments", HERE / "checkpoints"


def read(path):
    """A configuration by path, or by the name of a file in training/experiments.

    Raises
    ------
    ValueError
        If there is none, or it is no valid TOML, or an entry is missing or wrong.
    """
    path, name = Path(path), path
    if not path.exists():
        path = EXPERIMENTS / f"{name}.toml"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in EXPERIMENTS.glob("*.toml")))
        raise ValueError(f"no configuration {name}: neither a file nor one of {known}")
    try:
        config = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not valid TOML: {error}") from error
    check(config, path)
    return config


def check(config, path):
    """Refuse what would fail later, with the entry's name."""

    def need(condition, text):
        if not condition:
            raise ValueError(f"{path}: {text}")

    for part in ("network", "training"):
        need(isinstance(config.get(part), dict), f"a section [{part}] is needed")
    network, training = config["network"], config["training"]
    need(network.get("inputs") == FEATURES, f"network.inputs must be {FEATURES}, as in format 1")
    recurrent = "lstm" in network
    for key in ("predictor",) if recurrent else ("projector", "predictor"):
        sizes = network.get(key)
        fine = isinstance(sizes, list) and all(isinstance(n, int) and 1 <= n <= 512 for n in sizes)
        need(fine, f"network.{key} must be a list of layer sizes, 1 to 512 each")
    if recurrent:
        cells = network["lstm"]
        need(isinstance(cells, int) and 1 <= cells <= 512, "network.lstm must be a number of cells, 1 to 512")
        need(network["predictor"], "a network with an LSTM needs one layer behind it at least")
        need("peers" not in network, "a network with an LSTM hears no messages")
        need(
            not {"shares", "bounds"} & set(training), "a network with an LSTM trains on single channels, without bounds"
        )
    else:
        need(network["projector"] or network["predictor"], "the network needs one hidden layer at least")
    need(1 <= network.get("window", WINDOW) <= WINDOW, f"network.window must be 1 to {WINDOW}")
    references = network.get("peers", [8, 8])
    fine = (
        isinstance(references, list)
        and len(references) == 2
        and all(isinstance(n, int) and 1 <= n <= 64 for n in references)
    )
    need(fine, "network.peers must be the sizes of a peer's latent and of a message, 1 to 64 each")
    need("peers" not in network or network["projector"], "messages need a projector")
    shares = training.get("shares", {})
    fine = isinstance(shares, dict) and set(shares) <= {"pairs", "arrays"}
    fine = fine and all(isinstance(s, int | float) and s >= 0 for s in shares.values()) and sum(shares.values()) < 1
    need(fine, "training.shares must give the shares of `pairs` and `arrays` in a batch, below 1 together")
    need(not (shares and training.get("bounds")), "training.shares and training.bounds do not go together")
    hearing = training.get("hearing", HEARING[-1])
    need(hearing in HEARING, f"training.hearing must be one of {', '.join(HEARING)}")
    need(0 <= training.get("held", 0) <= 0.5, "training.held must be a share of the arrays' frames, 0 to 0.5")
    for key in ("seed", "batch", "rate", "float_part"):
        need(isinstance(training.get(key), int | float), f"training.{key} must be a number")
    need("rounds" in training or isinstance(training.get("steps"), int), "training.steps must be a whole number")
    need(training.get("steps", 100) >= 100, "training.steps must be 100 or more")
    bounds = training.get("bounds", [0])
    fine = isinstance(bounds, list) and bounds and all(isinstance(n, int) and 0 <= n <= MAX_ERROR for n in bounds)
    need(fine and len(bounds) < 64, f"training.bounds must be a list of at most 63 bounds, 0 to {MAX_ERROR} each")
    need(0 <= training["float_part"] <= 1, "training.float_part must be from 0 to 1")


def levels(config):
    """Transition levels int [1025] in Q6 units that a configuration names: a checkpoint, or `uniform`."""
    name = config.get("levels")
    if name in (None, "uniform"):
        return UNIFORM_LEVELS
    path = Path(name) if str(name).endswith(".npz") else CHECKPOINTS / f"{name}.npz"
    if not path.exists():
        raise ValueError(f"levels {name}: no file {path}; make it with `python -m training levels`, or say `uniform`")
    with np.load(path, allow_pickle=False) as checkpoint:
        return checkpoint["levels"]
