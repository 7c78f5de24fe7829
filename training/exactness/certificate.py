"""The exactness certificate: proof that a graph computes the same integers on every machine.

An entropy decoder needs the encoder's network outputs bit for bit. Where every intermediate value is exactly
representable, no order of summation, fusion, instruction set or version can change it. `certify` follows a graph by
interval arithmetic on multiples of powers of two and checks the rules of docs/determinism.md, which keep runtimes from
replacing exact nodes by inexact ones. It accepts a small set of node patterns and refuses all else.
"""

from onnx import ModelProto, TensorProto

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
    return (RecurrentChecker if recurrent else QuantisedChecker)(model).run()
