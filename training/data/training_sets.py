"""Training and validation data of a command's options: of single channels, or with pairs and arrays."""

from argparse import Namespace
from dataclasses import replace

import numpy as np

from runtime.core.terms import TIME_CHANNEL

from .arrays import MESSAGE_WIDTH, RowBuilder, simulated
from .dataset import Dataset, joined, prepare, views
from .mixture import Mixture
from .recordings import Recordings, given, load, paths_of, read_samples
from .splits import held_out, read_pairs

VIEWS = 2  # error bounds under which a recording is used in training


def load_split(options: Namespace) -> tuple[Recordings, Recordings]:
    """Load `options.data`; return recordings for training and for validation.

    The first is empty if all recordings belong together.
    """
    recordings = load(options.data, given(options))
    held = held_out(recordings.names, read_pairs(options.pairs) + recordings.pairs())
    parts = ([i for i, name in enumerate(recordings.names) if (name in held) == kept] for kept in (False, True))
    training, validation = (recordings.subset(part) for part in parts)
    if len(training):
        print(f"{len(training)} recordings for training, {len(validation)} for validation")
    return training, validation


def open_single(options: Namespace, levels: np.ndarray) -> tuple[Dataset, Dataset]:
    """Return data by recording, or by time if all recordings belong together."""
    training, validation = load_split(options)
    if len(training):
        return prepare(training, levels), prepare(validation, levels)
    print(f"{len(validation)} simultaneous channels: the last fifth of each is for validation")
    everything = prepare(validation, levels)
    start, end = everything.spans.T
    middle = end - (end - start) // 5
    spans = (np.stack([start, middle], 1), np.stack([middle, end], 1))
    return replace(everything, spans=spans[0]), replace(everything, spans=spans[1])


def open_bounds(options: Namespace, levels: np.ndarray, bounds: list[int]) -> tuple[Dataset, dict[str, Dataset]]:
    """Return training data, each recording under some of the error bounds, and validation data by bound."""
    training, validation = load_split(options)
    if not len(training):
        raise ValueError("training.bounds need recordings that do not all belong together")
    names = [f"validation, error of at most {bound}" for bound in bounds]
    return joined(views(training, levels, bounds, VIEWS)), dict(zip(names, views(validation, levels, bounds)))


def open_mixture(options: Namespace, levels: np.ndarray, config: dict) -> tuple[Mixture, dict[str, Mixture]]:
    """Return training rows of single channels, simultaneous pairs and arrays; and validation sets by name.

    Arrays are too few to keep any from training: their validation figures are not what new ones would give. With
    `training.held`, that share of their frames is kept, the last ones; linear predictors are fitted to all frames.
    """
    if not options.arrays:
        raise ValueError("training.shares needs recordings of arrays: --arrays")
    training = config["training"]
    shares = training["shares"]
    width = MESSAGE_WIDTH if "messages" in config["network"] else config["network"]["inputs"]
    builder = RowBuilder(levels, width, training.get("cross_channel", True))
    if shares.get("devices") and not options.devices:
        raise ValueError("training.shares.devices needs recordings of devices: --devices")
    singles, held = load_split(options)
    if not len(singles):
        raise ValueError("training.shares needs recordings in --data that do not all belong together")
    several = {path.stem: read_samples(path, given(options))[0] for path in paths_of(options.arrays)}
    parts, sizes, validation = [prepare(singles, levels)], [], {"single channels": prepare(held, levels)}
    together, held_together = (pairs_of(part, options.pairs) for part in (singles, held))
    if shares.get("pairs") and together:
        parts.append(builder.of_pairs(together))
        sizes.append(shares["pairs"])
        validation |= {"pairs": builder.of_pairs(held_together)} if held_together else {}
    if shares.get("arrays"):
        seen, held_arrays = builder.split(several, training.get("held", 0))
        parts.append(builder.of_arrays(seen | simulated()))
        sizes.append(shares["arrays"])
        validation |= held_arrays
    if shares.get("devices"):
        frame_by_frame = replace(given(options), layout=TIME_CHANNEL)
        devices = {path.stem: read_samples(path, frame_by_frame)[0] for path in paths_of(options.devices)}
        parts.append(builder.of_devices(devices))
        sizes.append(shares["devices"])
    sizes = [1 - sum(sizes), *sizes]  # single channels get what the others leave
    print(f"{len(singles)} single channels, {len(together)} pairs and {len(several)} arrays for training")
    return Mixture(parts, sizes, width), {name: Mixture([part], [1], width) for name, part in validation.items()}


def pairs_of(recordings: Recordings, pairs: str | None) -> list[list[np.ndarray]]:
    """Return the codes of all pairs whose channels are both there."""
    number = {name: i for i, name in enumerate(recordings.names)}
    known = [pair for pair in read_pairs(pairs) if all(name in number for name in pair)]
    return [[recordings[number[name]] for name in pair] for pair in known]
