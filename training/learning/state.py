"""The state of a training run as plain arrays in an .npz file: a run that was stopped goes on to the same end."""

import json
import os
from pathlib import Path

import numpy as np
import torch


class Parts:
    """Save and restore all that changes while a network trains.

    Parameters
    ----------
    net, entropy : torch.nn.Module
    adam : torch.optim.Adam
    schedule : torch.optim.lr_scheduler.OneCycleLR
    random : numpy.random.Generator
    """

    def __init__(self, net, entropy, adam, schedule, random):
        self.net, self.entropy, self.adam, self.schedule, self.random = net, entropy, adam, schedule, random

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return every tensor of the state by a name of its own, to be read or written in place."""
        found = {f"net.{k}": v for k, v in self.net.state_dict().items()}
        found |= {f"entropy.{k}": v for k, v in self.entropy.state_dict().items()}
        for i, parameter in enumerate(p for group in self.adam.param_groups for p in group["params"]):
            moments = self.adam.state[parameter]
            if not moments:
                zeros = torch.zeros_like(parameter)
                moments.update(step=torch.tensor(0.0), exp_avg=zeros, exp_avg_sq=zeros.clone())
            found |= {f"adam.{i}.{k}": moments[k] for k in ("step", "exp_avg", "exp_avg_sq")}
        return found

    def save(self, path: str | Path, step: int, history: list[float], options: dict) -> None:
        """Write the state after `step` steps; the file is replaced in one go."""
        numbers = {
            "step": step,
            "history": history,
            "options": options,
            "quantised": self.net.quantised,
            "random": self.random.bit_generator.state,
            "groups": [{k: group[k] for k in ("lr", "betas")} for group in self.adam.param_groups],
        }
        arrays = {k: v.detach().numpy() for k, v in self.tensors().items()}
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(path.name + ".new.npz")
        np.savez(new, numbers=json.dumps(numbers), **arrays)
        os.replace(new, path)

    def restore(self, path: str | Path, options: dict) -> tuple[int, list[float]]:
        """Put a saved state in place; return its step and history.

        Raises
        ------
        ValueError
            If it belongs to a run with other options or another network.
        """
        with np.load(path, allow_pickle=False) as saved:
            numbers = json.loads(str(saved["numbers"]))
            arrays = {k: saved[k] for k in saved.files if k != "numbers"}
        tensors = self.tensors()
        shapes = {k: tuple(v.shape) for k, v in tensors.items()}
        if numbers["options"] != options or shapes != {k: v.shape for k, v in arrays.items()}:
            raise ValueError(f"{path} is the state of another run: remove it, or use --fresh")
        with torch.no_grad():
            for name, tensor in tensors.items():
                tensor.copy_(torch.from_numpy(arrays[name]))
        self.net.quantised = numbers["quantised"]
        self.random.bit_generator.state = numbers["random"]
        for group, values in zip(self.adam.param_groups, numbers["groups"]):
            group.update(lr=values["lr"], betas=tuple(values["betas"]))
        self.schedule.last_epoch = numbers["step"]
        self.schedule._step_count = numbers["step"] + 1
        return numbers["step"], numbers["history"]
