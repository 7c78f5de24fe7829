"""Rounding that gradients pass, and grids of powers of two: docs/determinism.md."""

import numpy as np
import torch

INPUT_SCALE = 2.0**-6  # of the uint8 features
ZERO = 128  # of the uint8 features
QUANTILE = 0.9995  # of activations that their scale covers


def rounded(x: torch.Tensor) -> torch.Tensor:
    """Round with the gradient of the identity."""
    with torch.no_grad():
        change = torch.round(x) - x
    return x + change


def power_of_two(x: float) -> float:
    """Return the smallest power of two that is not below x > 0."""
    return 2.0 ** float(np.ceil(np.log2(max(float(x), 2.0**-24))))


def activation_scale(*activations: torch.Tensor) -> float:
    """Return the scale of uint8 activations: the next power of two of a quantile over 255."""
    return max(power_of_two(torch.quantile(a.flatten()[: 1 << 20], QUANTILE) / 255) for a in activations)


def real_inputs(features: torch.Tensor) -> torch.Tensor:
    """Return uint8 features as real numbers."""
    return (features - ZERO) * INPUT_SCALE


def dense(layer: torch.nn.Linear, x: torch.Tensor, scale: float, after: float, quantised: bool) -> torch.Tensor:
    """Compute a layer with Relu, given the scales of its input and output."""
    w, b = layer.weight, layer.bias
    if quantised:
        w, b = quantise_weights(w, b, scale)
    return to_scale(torch.relu(torch.nn.functional.linear(x, w, b)), after, quantised)


def to_scale(x: torch.Tensor, scale: float, quantised: bool) -> torch.Tensor:
    """Round activations to a scale's 256 values, once quantised."""
    return rounded((x / scale).clamp(0, 255)) * scale if quantised else x


def quantise_weights(w: torch.Tensor, b: torch.Tensor, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Round weights and biases to their grids, given the scale of the layer's input."""
    step = power_of_two(w.detach().abs().max() / 64)
    return rounded(w / step) * step, rounded(b / (step * scale)) * (step * scale)


def integers_of(layer: torch.nn.Linear, scale: float, after: float) -> dict:
    """Return a layer as `weight` int8 [out, in], `bias` int32 [out], scales `input`, `step` (of weights), `output`."""
    step = power_of_two(layer.weight.abs().max() / 64)
    weight = torch.round(layer.weight / step).numpy().astype(np.int8)
    bias = torch.round(layer.bias / (step * scale)).numpy().astype(np.int32)
    return {"weight": weight, "bias": bias, "input": scale, "step": step, "output": after}
