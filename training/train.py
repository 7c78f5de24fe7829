"""The training loop: floats first, then with the quantisation that the exported graph will have."""

import json
from pathlib import Path

import numpy as np
import torch

from runtime.core.near_lossless import implant_bins
from runtime.entropy import tables as runtime_model
from runtime.predictor.features import WINDOW

from . import lstm, state, tables
from .entropy import GAUSSIANS, LEVELS, SCALES, EntropyModel
from .network import Network

FLAT_LEVELS = (np.arange(LEVELS) - (LEVELS - 1) // 2) * 64.0  # Q6 units, of linear channels
EVERY, STATE_EVERY = 100, 1000  # steps between reports, and between saved states


def build(config, levels):
    """Network and entropy model of a configuration; `levels` int [1025] in Q6 units."""
    torch.manual_seed(config["training"]["seed"])
    shape = config["network"]
    inputs, window = shape["inputs"], shape.get("window", WINDOW)
    if "lstm" in shape:
        net = lstm.Recurrent(inputs, shape["lstm"], shape["predictor"], window)
    else:
        net = Network(inputs, shape["projector"], shape["predictor"], window, shape.get("peers"))
    fixed = not config["training"].get("train_levels", False)
    model = EntropyModel(blocks(levels, config) / 64, fixed, **config.get("entropy", {}))
    return net, model


def blocks(levels, config):
    """Transition levels in Q6 units of every bound that a configuration has, one block after the other; behind them flat
    ones for recordings off the implant's table, if it trains on arrays."""
    levels = np.asarray(levels, np.float64)
    made = [coarse_levels(levels, bound) if bound else levels for bound in config["training"].get("bounds", [0])]
    if "shares" in config["training"]:
        made.append(FLAT_LEVELS)
    return np.concatenate(made)


def coarse_levels(levels, max_error):
    """Levels of the bins of a bound; there are no codes beyond the last bin."""
    first = implant_bins(max_error)[0]
    made = np.full(LEVELS, float(runtime_model.FAR))
    made[: len(first)] = levels[first]
    made[0] = -runtime_model.FAR
    return made


def loss_of(net, model, batch):
    """Bits of each sample of a batch (features, reference in Q6 units, codes)."""
    features, prediction, codes = (torch.from_numpy(a) for a in batch)
    return model.bits(net(features.float()), prediction.float() / 64, codes.long())


def optimiser(net, model, options):
    """Adam with a one-cycle schedule; transition levels learn four times as fast."""
    rate = options["rate"]
    levels = [p for n, p in model.named_parameters() if n == "widths"]
    shapes = [p for n, p in model.named_parameters() if n != "widths"]
    groups = [{"params": [*net.parameters(), *shapes], "lr": rate}]
    if levels:
        groups.append({"params": levels, "lr": 4 * rate})
    adam = torch.optim.Adam(groups, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        adam, [g["lr"] for g in groups], total_steps=options["steps"], pct_start=0.1
    )
    return adam, schedule


def fit(net, model, data, options, report=print, path=None):
    """Train in place on `data.batch(random, size)`; returns the mean loss of every 100 steps.

    Parameters
    ----------
    options : dict
        `seed`, `steps`, `batch`, `rate` and `float_part`, the share of steps without quantisation.
    report : callable
        Gets the step and the losses so far, every 100 steps.
    path : str or Path, optional
        Where to keep the state of the run. If the file is there, the run goes on from it, to the same end. It stays.
    """
    random = np.random.default_rng(options["seed"])
    adam, schedule = optimiser(net, model, options)
    steps, total = options["steps"], 0.0
    first, last = int(steps * options["float_part"]), int(steps * 0.8)
    parts = state.Parts(net, model, adam, schedule, random)
    run = options | {"data": data.fingerprint()} if path else {}
    begin, history = parts.restore(path, run) if path and Path(path).exists() else (0, [])
    parameters = [*net.parameters(), *model.parameters()]
    for step in range(begin, steps):
        if first <= step <= last and (step - first) % 500 == 0 and options["float_part"] < 1:
            net.calibrate(torch.from_numpy(data.batch(random, 32768)[0]).float())
            net.quantised = True
        loss = loss_of(net, model, data.batch(random, options["batch"])).mean()
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
def score(net, model, batches):
    """Mean bits per sample and the usage of each scale index over an iterable of batches."""
    total, count, usage = 0.0, 0, np.zeros(SCALES, np.int64)
    for batch in batches:
        features, prediction, codes = (torch.from_numpy(a) for a in batch)
        out = net(features.float())
        total += model.bits(out, prediction.float() / 64, codes.long()).sum().item()
        count += len(codes)
        index = out[:, 1].round().clamp(0, SCALES - 1).long().numpy()
        usage += np.bincount(index, minlength=SCALES)
    return total / count, usage


@torch.no_grad()
def score_integers(net, integer_tables, batches, bounds=(0,)):
    """Mean bits per sample under the integer tables that the runtime uses; `bounds`: of the blocks of codes, behind
    which those of linear channels are."""
    total, count, entropy = 0.0, 0, runtime_model.EntropyModel(integer_tables)
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
            arguments[-1][:] += flat * runtime_model.LINEAR_OFFSET
            _, frequency = (entropy if flat else models[number]).intervals(*arguments)
            total += 20 * len(frequency) - np.log2(frequency).sum()
        count += len(codes)
    return total / count


def save(path, net, model, levels, usage, examples, config):
    """Write a checkpoint: plain tensors and the configuration as JSON text."""
    arrays = {f"net.{k}": v.numpy() for k, v in net.state_dict().items()}
    arrays |= {f"model.{k}": v.numpy() for k, v in model.state_dict().items() if k != "levels"}
    text = json.dumps(config, sort_keys=True)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path, levels=np.asarray(levels, np.int32), usage=usage, examples=examples, config=text, **arrays
    )


def load(path):
    """Read a checkpoint.

    Returns
    -------
    net, model, levels (Q6 units, int32 [1025]), usage (int64 [128]), examples (uint8 [N, inputs]), config (dict)
    """
    with np.load(path, allow_pickle=False) as z:
        config = json.loads(str(z["config"]))
        config["training"].pop("train_levels", None)
        net, model = build(config, z["levels"])
        net.load_state_dict({k[4:]: torch.from_numpy(z[k]) for k in z.files if k.startswith("net.")})
        own = {k[6:]: torch.from_numpy(z[k]) for k in z.files if k.startswith("model.")}
        model.load_state_dict(own, strict=False)
        net.quantised = True
        return net, model, z["levels"], z["usage"], z["examples"], config


def integer_tables(model, levels, usage, shapes):
    """Integer tables of a trained entropy model."""
    parameters = (p.detach().numpy() for p in (model.weight, model.offset, model.width))
    return tables.build(levels, tables.Shapes(*parameters, GAUSSIANS), usage, shapes)
