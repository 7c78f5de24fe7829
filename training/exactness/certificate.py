"""The exactness certificate: proof that a graph computes the same integers on every machine.

An entropy decoder needs the encoder's network outputs bit for bit. Where every intermediate value is exactly
representable, no order of summation, fusion, instruction set or version can change it. `certify` follows a graph by
interval arithmetic on multiples of powers of two and checks the rules of docs/determinism.md, which keep runtimes from
replacing exact nodes by inexact ones. It accepts a small set of node patterns and refuses all else. On its way it finds
the layers of a plain network in integers; those in the model's metadata must be the same.
"""

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, TensorProto

from runtime.core.errors import ModelError
from runtime.predictor.metadata import Layer, parse_network

from .intervals import NotExact, Report
from .quantised import QuantisedChecker
from .recurrent import RecurrentChecker


def certify(model: ModelProto) -> Report:
    """Prove a model exact.

    Raises
    ------
    NotExact
    """
    for entry in model.opset_import:
        if entry.domain not in ("", "ai.onnx"):
            raise NotExact(f"operator set {entry.domain} is not on the list")
    if any(t.data_location == TensorProto.EXTERNAL for t in model.graph.initializer):
        raise NotExact("external data is not allowed")
    recurrent = any(t.type.tensor_type.elem_type == TensorProto.FLOAT for t in model.graph.input)
    checker = (RecurrentChecker if recurrent else QuantisedChecker)(model)
    report = checker.run()
    compare_layers(model, checker.plain_layers())
    return report


def compare_layers(model: ModelProto, found: Sequence[Layer] | None) -> None:
    """Refuse layers in the metadata that are not those `found` in the graph."""
    try:
        stored = parse_network({entry.key: entry.value for entry in model.metadata_props})
    except ModelError as error:
        raise NotExact(str(error)) from error
    if stored is not None:
        same = found is not None and len(found) == len(stored) and all(map(same_layer, found, stored))
        if not same:
            raise NotExact("middleout.network: the graph computes something else")


def same_layer(a: Layer, b: Layer) -> bool:
    """Return whether two layers have the same integers."""
    return a.shift == b.shift and np.array_equal(a.weights, b.weights) and np.array_equal(a.bias, b.bias)
