"""Trained networks as plain tensors in an .npz file."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from runtime.entropy.entropy_model import Tables

from ..networks import tables
from ..networks.entropy import GAUSSIANS, EntropyModel
from ..networks.network import Network
from .train import build


@dataclass
class Checkpoint:
    """Hold all that export needs.

    Attributes
    ----------
    levels : int [1025], Q6 units
    usage : int64 [128], of each scale index in training
    examples : uint8 [N, inputs], rows for the known answers
    config : dict
        The configuration that it was trained by.
    """

    net: Network
    entropy: EntropyModel
    levels: np.ndarray
    usage: np.ndarray
    examples: np.ndarray
    config: dict

    def tables(self) -> Tables:
        """Return the integer tables of the trained entropy model."""
        return integer_tables(self.entropy, self.levels, self.usage, self.config["tables"]["shapes"])

    def save(self, path: str | Path) -> None:
        """Write the file."""
        arrays = {f"net.{k}": v.numpy() for k, v in self.net.state_dict().items()}
        arrays |= {f"entropy.{k}": v.numpy() for k, v in self.entropy.state_dict().items() if k != "levels"}
        arrays |= {"levels": np.asarray(self.levels, np.int32), "usage": self.usage, "examples": self.examples}
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, config=json.dumps(self.config, sort_keys=True), **arrays)

    @classmethod
    def load(cls, path: str | Path) -> "Checkpoint":
        """Read the file.

        Raises
        ------
        KeyError, ValueError
            If it is none.
        """
        with np.load(path, allow_pickle=False) as z:
            config = json.loads(str(z["config"]))
            config["training"].pop("train_levels", None)
            net, entropy = build(config, z["levels"])
            net.load_state_dict(tensors(z, "net."))
            entropy.load_state_dict(tensors(z, "entropy."), strict=False)
            net.quantised = True
            return cls(net, entropy, z["levels"], z["usage"], z["examples"], config)


def tensors(arrays, prefix: str) -> dict[str, torch.Tensor]:
    """Return the arrays whose names begin with a prefix, as tensors by the rest of their names."""
    return {k.removeprefix(prefix): torch.from_numpy(arrays[k]) for k in arrays.files if k.startswith(prefix)}


def integer_tables(entropy: EntropyModel, levels: np.ndarray, usage: np.ndarray, shapes: int) -> Tables:
    """Return integer tables of a trained entropy model."""
    parameters = (p.detach().numpy() for p in (entropy.weight, entropy.offset, entropy.width))
    return tables.build(levels, tables.Shapes(*parameters, GAUSSIANS), usage, shapes)
