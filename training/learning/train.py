"""The training loop: floats first, then with the quantisation that the exported graph will have."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from runtime.core.near_lossless import implant_bins
from runtime.entropy import entropy_model as integer
from runtime.predictor.input_arithmetic import WINDOW

from ..data.dataset import Rows
from ..data.recordings import LEVELS
from ..networks.entropy import EntropyModel
from ..networks.lstm import Recurrent
from ..networks.network import Network
from ..networks.tables import SCALES
from . import state
from .progress import EVERY

FLAT_LEVELS = (np.arange(LEVELS) - (LEVELS - 1) // 2) * 64.0  # Q6 units, of linear channels
STATE_EVERY = 1000  # steps between saved states


def build(config: dict, levels: np.ndarray) -> tuple[Network, EntropyModel]:
    """Return network and entropy model of a configuration; `levels` int [1025] in Q6 units."""
    torch.manual_seed(config["training"]["seed"])
    shape = config["network"]
    inputs, window = shape["inputs"], shape.get("window", WINDOW)
    if "lstm" in shape:
        net = Recurrent(inputs, shape["lstm"], shape["predictor"], window)
    else:
        net = Network(inputs, shape["projector"], shape["predictor"], window, shape.get("messages"))
    fixed = not config["training"].get("train_levels", False)
    return net, EntropyModel(blocks(levels, config) / 64, fixed, **config.get("entropy", {}))


def blocks(levels: np.ndarray, config: dict) -> np.ndarray:
    """Return transition levels in Q6 units of every error bound that a configuration has, one block after the other.

    Behind them are flat ones for recordings off the implant's table, if it trains on arrays.
    """
    levels = np.asarray(levels, np.float64)
    made = [bin_levels(levels, bound) if bound else levels for bound in config["training"].get("bounds", [0])]
    if "shares" in config["training"]:
        made.append(FLAT_LEVELS)
    return np.concatenate(made)


def bin_levels(levels: np.ndarray, max_error: int) -> np.ndarray:
    """Return the levels of the bins of an error bound; there are no codes beyond the last bin."""
    first = implant_bins(max_error)[0]
    made = np.full(LEVELS, float(integer.FAR))
    made[: len(first)] = levels[first]
    made[0] = -integer.FAR
    return made


def bits_of(net: Network, entropy: EntropyModel, rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cost of each row in bits, and the network's output."""
    features, prediction, codes = (torch.from_numpy(a) for a in rows)
    output = net(features.float())
    return entropy.bits(output, prediction.float() / 64, codes.long()), output


def optimiser(
    net: Network, entropy: EntropyModel, options: dict
) -> tuple[torch.optim.Adam, torch.optim.lr_scheduler.OneCycleLR]:
    """Return Adam with a one-cycle schedule; transition levels learn four times as fast."""
    rate = options["rate"]
    levels = [p for n, p in entropy.named_parameters() if n == "widths"]
    shapes = [p for n, p in entropy.named_parameters() if n != "widths"]
    groups = [{"params": [*net.parameters(), *shapes], "lr": rate}]
    if levels:
        groups.append({"params": levels, "lr": 4 * rate})
    adam = torch.optim.Adam(groups, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        adam, [g["lr"] for g in groups], total_steps=options["steps"], pct_start=0.1
    )
    return adam, schedule


def fit(
    net: Network,
    entropy: EntropyModel,
    data,
    options: dict,
    report: Callable[[int, list[float]], None] = print,
    path: str | Path | None = None,
) -> list[float]:
    """Train in place on `data.batch(random, size)`; return the mean loss of every 100 steps.

    Parameters
    ----------
    options : dict
        `seed`, `steps`, `batch`, `rate` and `float_part`, the share of steps without quantisation.
    report
        Gets the step and the losses so far, every 100 steps.
    path
        Where to keep the state of the run. If the file is there, the run goes on from it, to the same end. It stays.
    """
    random = np.random.default_rng(options["seed"])
    adam, schedule = optimiser(net, entropy, options)
    steps, total = options["steps"], 0.0
    first, last = int(steps * options["float_part"]), int(steps * 0.8)
    parts = state.Parts(net, entropy, adam, schedule, random)
    run = options | {"data": data.fingerprint()} if path else {}
    begin, history = parts.restore(path, run) if path and Path(path).exists() else (0, [])
    parameters = [*net.parameters(), *entropy.parameters()]
    for step in range(begin, steps):
        if first <= step <= last and (step - first) % 500 == 0 and options["float_part"] < 1:
            net.calibrate(torch.from_numpy(data.batch(random, 32768)[0]).float())
            net.quantised = True
        loss = bits_of(net, entropy, data.batch(random, options["batch"]))[0].mean()
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        adam.step()
        schedule.step()
        total += loss.item()
        if step % EVERY == EVERY - 1:
            history.append(total / EVERY)
            total = 0.0
            report(step + 1, history)
        if path and step % STATE_EVERY == STATE_EVERY - 1:
            parts.save(path, step + 1, history, run)
    return history


@torch.no_grad()
def score(net: Network, entropy: EntropyModel, batches: Iterable[Rows]) -> tuple[float, np.ndarray]:
    """Return mean bits per sample and the usage of each scale index over batches."""
    total, count, usage = 0.0, 0, np.zeros(SCALES, np.int64)
    for batch in batches:
        bits, output = bits_of(net, entropy, batch)
        total += bits.sum().item()
        count += len(bits)
        index = output[:, 1].round().clamp(0, SCALES - 1).long().numpy()
        usage += np.bincount(index, minlength=SCALES)
    return total / count, usage


@torch.no_grad()
def score_integers(
    net: Network, tables: integer.Tables, batches: Iterable[Rows], bounds: Sequence[int] = (0,)
) -> float:
    """Return mean bits per sample under the integer tables that the runtime uses.

    `bounds` are the error bounds of the blocks of codes; behind these are codes of linear channels.
    """
    total, count, entropy = 0.0, 0, integer.EntropyModel(tables)
    models = [entropy.coarse(bound) if bound else entropy for bound in bounds]
    for features, prediction, codes in batches:
        out = net(torch.from_numpy(features).float()).numpy().astype(np.int64)
        location = prediction + 4 * out[:, 0]
        index = out[:, 1].clip(0, SCALES - 1)
        block, zero = codes // LEVELS, np.zeros(len(codes), np.int64)
        for number in np.unique(block):
            rows = block == number
            flat = number == len(models)
            arguments = (codes[rows] % LEVELS).astype(np.int64), location[rows], index[rows], zero[rows]
            arguments[-1][:] += flat * integer.LINEAR_OFFSET
            _, frequency = (entropy if flat else models[number]).intervals(*arguments)
            total += 20 * len(frequency) - np.log2(frequency).sum()
        count += len(codes)
    return total / count
