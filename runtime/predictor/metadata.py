"""What a model file says beside its network: tables and known answers (docs/format.md section 9)."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np

from ..core.compressed_bytes import ZSTD, parse_blob
from ..core.errors import CorruptError, ModelError
from ..core.limits import MAX_MODEL_BYTES
from ..entropy.entropy_model import SCALES, TABLE, Tables
from .channel_parameters import REFERENCES
from .input_arithmetic import FEATURES, ZERO
from .networks.messages import INPUTS

_LEVELS = 1025
_MAX_SHAPES = 64
_MAX_LAYERS, _MAX_WIDTH, _MAX_SHIFT = 16, 1024, 30
_OUTPUTS = 2
_MAX_ANSWERS = 1024
_EXACT = 1 << 24
"""float32 holds all integers below."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer of a plain network, in integers (docs/format.md section 9).

    Attributes
    ----------
    weights : int32 [inputs, outputs]
    bias : int32 [outputs]
    shift : int
        The sums are divided by 2^shift.
    """

    weights: np.ndarray
    bias: np.ndarray
    shift: int

    def problem(self, low: np.ndarray, high: np.ndarray) -> str | None:
        """What is wrong with it for inputs between these, or None."""
        if not 0 <= self.shift <= _MAX_SHIFT:
            return f"a shift of {self.shift}"
        weights, bias = self.weights.astype(np.int64), self.bias.astype(np.int64)
        most = (np.maximum(-low, high) @ np.abs(weights) + np.abs(bias)).max()
        return f"sums may reach {most}" if most >= _EXACT else None

    def interval(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest outputs of a hidden layer, int64 [outputs], for inputs between these."""
        weights = self.weights.astype(np.int64)
        positive, negative = np.maximum(weights, 0), np.minimum(weights, 0)
        sums = low @ positive + high @ negative + self.bias, high @ positive + low @ negative + self.bias
        least, most = (np.clip(np.rint(part * 2.0**-self.shift), 0, 255).astype(np.int64) for part in sums)
        return least, most


def _blob(metadata: dict[str, str], key: str) -> bytes:
    try:
        return parse_blob(ZSTD, base64.b64decode(metadata[key], validate=True), MAX_MODEL_BYTES)
    except (KeyError, ValueError, CorruptError) as error:
        raise ModelError(f"the model's {key} is missing or damaged") from error


def parse_tables(metadata: dict[str, str]) -> Tables:
    """The tables. Raises `ModelError` if they are missing, damaged or wrong."""
    blob = _blob(metadata, "middleout.tables")
    head = 4 * _LEVELS + SCALES + 4 * SCALES + 4
    shapes = int.from_bytes(blob[head - 4 : head], "little")
    if not 1 <= shapes <= _MAX_SHAPES or len(blob) != head + 4 * shapes * TABLE:
        raise ModelError("the model's tables have the wrong size")
    levels = np.frombuffer(blob, "<i4", _LEVELS)
    shape = np.frombuffer(blob, np.uint8, SCALES, 4 * _LEVELS)
    multiplier = np.frombuffer(blob, "<i4", SCALES, 4 * _LEVELS + SCALES)
    second = np.frombuffer(blob, "<i4", shapes * TABLE, head).reshape(shapes, TABLE)
    cumulative = np.cumsum(np.cumsum(second, axis=1, dtype=np.int64), axis=1)
    tables = Tables(levels, shape, multiplier, cumulative)
    if problem := tables.problem():
        raise ModelError(f"the model's tables are wrong: {problem}")
    return tables


def parse_network(metadata: dict[str, str]) -> tuple[Layer, ...] | None:
    """The layers of a plain network, the last of which gives `distribution`; None if the model does not list them.
    Raises `ModelError` if they are damaged or wrong."""
    if "middleout.network" not in metadata:
        return None
    blob = _blob(metadata, "middleout.network")
    values = np.frombuffer(blob, "<i4", len(blob) // 4)
    count = int(values[0]) if len(values) else 0
    sizes = values[1 : count + 2].tolist() if 1 <= count <= _MAX_LAYERS else []
    shapes = list(zip(sizes, sizes[1:]))
    right = len(shapes) == count and sizes[:1] == [FEATURES] and sizes[-1:] == [_OUTPUTS]
    right = right and all(1 <= size <= _MAX_WIDTH for size in sizes)
    if not right or len(blob) != 4 * (count + 2 + sum(1 + (a + 1) * b for a, b in shapes)):
        raise ModelError("the model's network has the wrong size")
    layers, at = [], count + 2
    for inputs, outputs in shapes:
        shift, bias, weights = np.split(values[at : at + 1 + (inputs + 1) * outputs], [1, 1 + outputs])
        layers.append(Layer(weights.reshape(inputs, outputs).astype(np.int32), bias.astype(np.int32), int(shift[0])))
        at += 1 + (inputs + 1) * outputs
    low, high = np.full(FEATURES, -ZERO), np.full(FEATURES, 255 - ZERO)
    for number, layer in enumerate(layers):
        if problem := layer.problem(low, high):
            raise ModelError(f"the model's network is wrong: layer {number}: {problem}")
        low, high = layer.interval(low, high)
    return tuple(layers)


def parse_answers(metadata: dict[str, str], messages: bool, state: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The network's inputs, and its outputs for them, of a network with messages or not, with a state of that size.
    Raises `ModelError` if they are missing or damaged."""
    blob = _blob(metadata, "middleout.answers")
    count, offset, parts = int.from_bytes(blob[:4], "little"), 4, []
    kinds = [("u1", FEATURES + messages * REFERENCES * INPUTS), ("<f4", state), ("<i4", 2), ("<f4", state)]
    if not 1 <= count <= _MAX_ANSWERS or len(blob) != 4 + count * sum(
        np.dtype(kind).itemsize * width for kind, width in kinds
    ):
        raise ModelError("the model's known answers have the wrong size")
    for kind, width in kinds:
        values = np.frombuffer(blob, kind, count * width, offset).reshape(count, width)
        parts.append(np.ascontiguousarray(values))
        offset += values.nbytes
    own, before, *expected = parts
    return (_split(own), expected[:1]) if not state else ([own, before], expected)


def _split(rows: np.ndarray) -> list[np.ndarray]:
    """The network's inputs from rows of known answers: features, and behind them the messages."""
    parts = [rows[:, :FEATURES], rows[:, FEATURES:].reshape(len(rows), -1, INPUTS)]
    return [np.ascontiguousarray(part) for part in parts if part.size]
