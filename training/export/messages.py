"""MiddleOut in an exported graph and in int64: messages from reference channels, averaged, beside the own latent."""

from collections.abc import Iterator

import numpy as np

from runtime.predictor.channel_parameters import REFERENCES

from .arithmetic import divide, stage
from .graph_writer import GraphWriter


def add_messages(g: GraphWriter, latent: str, latent_name: str, layer: dict) -> str:
    """Add nodes that join latents uint8 [N, own] with the mean of the messages: uint8 [N, own + message].

    References become rows, so that every layer is a Gemm of two dimensions; latents are joined as integers, on the
    latents' scale.
    """
    reference, message = layer["reference"], layer["message"]
    own = message["weight"].shape[1] - reference["weight"].shape[0]
    x = g.reshape("messages", "message_rows", -1, reference["weight"].shape[1])
    x = g.gemm(g.dequantise(x, "peer", reference["input"], np.uint8(128)), "their", reference)
    repeats = g.constant("repeats", np.array([1, REFERENCES], np.int64))
    own_rows = g.reshape(g.node("Tile", [latent, repeats], "latent_tiled"), "latent_rows", -1, own)
    x = g.node("Concat", [own_rows, x], "both_quantised", axis=1)
    x = g.gemm(g.real(x, latent_name), "message", message)
    x = g.reshape(x, "message_by_peer_quantised", -1, REFERENCES, message["weight"].shape[0])
    x = g.node("ReduceMean", [g.real(x, "message")], "message_mean", axes=[1], keepdims=0)
    return g.node("Concat", [latent, g.quantise(x, "mean", layer["output"])], "heard_quantised", axis=1)


def mean_message(layer: dict, latent: np.ndarray, inputs: np.ndarray, ties: Iterator[str]) -> np.ndarray:
    """Return the mean message int64 [N, message] of latents [N, own] and the references' inputs [N, 4, 8]."""
    reference = stage(layer["reference"], inputs, next(ties))
    both = np.concatenate([np.repeat(latent[:, None], REFERENCES, axis=1), reference], axis=2)
    total = stage(layer["message"], both, next(ties)).sum(axis=1)
    return np.clip(divide(total, REFERENCES * layer["output"] / layer["message"]["output"], next(ties)), 0, 255)
