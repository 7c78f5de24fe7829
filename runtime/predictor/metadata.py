"""What a model file says beside its network: tables and known answers (docs/format.md section 9)."""

from __future__ import annotations

import base64

import numpy as np

from ..core.compressed_bytes import ZSTD, parse_blob
from ..core.errors import CorruptError, ModelError
from ..core.limits import MAX_MODEL_BYTES
from ..entropy.entropy_model import SCALES, TABLE, Tables
from .channel_parameters import REFERENCES
from .input_arithmetic import FEATURES
from .messages import INPUTS

_LEVELS = 1025
_MAX_SHAPES = 64


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


def parse_answers(metadata: dict[str, str], messages: bool, state: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The network's inputs, and its outputs for them, of a network with messages or not, with a state of that size.
    Raises `ModelError` if they are missing or damaged."""
    blob = _blob(metadata, "middleout.answers")
    count, offset, parts = int.from_bytes(blob[:4], "little"), 4, []
    kinds = [("u1", FEATURES + messages * REFERENCES * INPUTS), ("<f4", state), ("<i4", 2), ("<f4", state)]
    if count < 1 or len(blob) != 4 + count * sum(np.dtype(kind).itemsize * width for kind, width in kinds):
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
