"""Configurations: one small TOML file per experiment, checked before anything runs."""

import tomllib
from pathlib import Path

import numpy as np

from runtime.core.near_lossless import MAX_ERROR
from runtime.predictor.input_arithmetic import FEATURES, WINDOW

from .data.recordings import UNIFORM_LEVELS

HERE = Path(__file__).parent
EXPERIMENTS, CHECKPOINTS = HERE / "experiments", HERE / "checkpoints"


def read(path: str | Path) -> dict:
    """Read a configuration by path, or by the name of a file in training/experiments.

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


def check(config: dict, path: Path) -> None:
    """Refuse what would fail later, with the entry's name."""
    for part in ("network", "training"):
        need(isinstance(config.get(part), dict), path, f"a section [{part}] is needed")
    check_network(config["network"], path)
    alone = "lstm" not in config["network"] or not {"shares", "bounds"} & set(config["training"])
    need(alone, path, "a network with an LSTM trains on single channels, without bounds")
    check_training(config["training"], path)


def need(condition: bool, path: Path, text: str) -> None:
    """Raise ValueError unless the condition holds."""
    if not condition:
        raise ValueError(f"{path}: {text}")


def whole(values, low: int, high: int) -> bool:
    """Return whether values are a list of integers from low to high."""
    return isinstance(values, list) and all(isinstance(n, int) and low <= n <= high for n in values)


def check_network(network: dict, path: Path) -> None:
    """Check the section [network]."""
    need(network.get("inputs") == FEATURES, path, f"network.inputs must be {FEATURES}, as in format 1")
    recurrent = "lstm" in network
    for key in ("predictor",) if recurrent else ("projector", "predictor"):
        need(whole(network.get(key), 1, 512), path, f"network.{key} must be a list of layer sizes, 1 to 512 each")
    if recurrent:
        need(whole([network["lstm"]], 1, 512), path, "network.lstm must be a number of cells, 1 to 512")
        need(network["predictor"], path, "a network with an LSTM needs one layer behind it at least")
        need("messages" not in network, path, "a network with an LSTM has no messages")
    else:
        need(network["projector"] or network["predictor"], path, "the network needs one hidden layer at least")
    need(1 <= network.get("window", WINDOW) <= WINDOW, path, f"network.window must be 1 to {WINDOW}")
    sizes = network.get("messages", [8, 8])
    text = "network.messages must be the sizes of a reference's latent and of a message, 1 to 64 each"
    need(whole(sizes, 1, 64) and len(sizes) == 2, path, text)
    need("messages" not in network or network["projector"], path, "messages need a projector")


def check_training(training: dict, path: Path) -> None:
    """Check the section [training]."""
    shares, bounds = training.get("shares", {}), training.get("bounds", [0])
    fine = isinstance(shares, dict) and set(shares) <= {"pairs", "arrays", "devices"}
    fine = fine and all(isinstance(s, int | float) and s >= 0 for s in shares.values()) and sum(shares.values()) < 1
    need(
        fine,
        path,
        "training.shares must give the shares of `pairs`, `arrays` and `devices` in a batch, below 1 together",
    )
    need(not (shares and training.get("bounds")), path, "training.shares and training.bounds do not go together")
    need(isinstance(training.get("cross_channel", True), bool), path, "training.cross_channel must be true or false")
    need(isinstance(training.get("windows", False), bool), path, "training.windows must be true or false")
    need(0 <= training.get("held", 0) <= 0.5, path, "training.held must be a share of the arrays' frames, 0 to 0.5")
    for key in ("seed", "batch", "rate", "float_part"):
        need(isinstance(training.get(key), int | float), path, f"training.{key} must be a number")
    need("rounds" in training or isinstance(training.get("steps"), int), path, "training.steps must be a whole number")
    need(training.get("steps", 100) >= 100, path, "training.steps must be 100 or more")
    fine = whole(bounds, 0, MAX_ERROR) and 0 < len(bounds) < 64
    need(fine, path, f"training.bounds must be a list of at most 63 bounds, 0 to {MAX_ERROR} each")
    need(0 <= training["float_part"] <= 1, path, "training.float_part must be from 0 to 1")


def levels(config: dict) -> np.ndarray:
    """Return transition levels int [1025] in Q6 units that a configuration names: a checkpoint, or `uniform`."""
    name = config.get("levels")
    if name in (None, "uniform"):
        return UNIFORM_LEVELS
    path = Path(name) if str(name).endswith(".npz") else CHECKPOINTS / f"{name}.npz"
    if not path.exists():
        raise ValueError(f"levels {name}: no file {path}; make it with `python -m training levels`, or say `uniform`")
    with np.load(path, allow_pickle=False) as checkpoint:
        return checkpoint["levels"]
