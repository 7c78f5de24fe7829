"""A look at the graph that the installed onnxruntime makes of a model: only known operators, no known hazards.

The certificate proves the graph as it is in the file; this checks that the optimiser has not replaced exact nodes by
others. It is what a new version of onnxruntime would trip over first.

    python -m training.exactness.lint models/implant-v1.onnx
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from runtime.core.imports import onnxruntime

from .intervals import is_power_of_two

ort = onnxruntime()

LEVELS = ("BASIC", "EXTENDED", "ALL")
EXACT = {"DequantizeLinear", "QuantizeLinear", "Gemm", "Relu", "Round", "Cast", "Clip", "com.microsoft.QGemm"}
EXACT |= {"Reshape", "Tile", "Concat", "ReduceMean", "Split", "Mul", "Add", "com.microsoft.FusedGemm"}
HAZARDS = {
    "com.microsoft.MatMulNBits": "its kernels quantise activations themselves",
    "com.microsoft.QLinearAdd": "with unequal scales it rounds ties away from zero on ARM64",
    "com.microsoft.DynamicQuantizeMatMul": "it quantises activations by their range in the batch",
    "com.microsoft.MatMulIntegerToFloat": "its scale is applied in another order",
}


def optimised(data: bytes, level: str) -> onnx.ModelProto:
    """Return the graph that the installed onnxruntime runs for the bytes of a model file."""
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(path)
        ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        return onnx.load(path)


def problems(model: onnx.ModelProto) -> list[str]:
    """Return what is wrong with an optimised graph, one text for each node that may not be exact."""
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    found = []
    for node in model.graph.node:
        kind = f"{node.domain}.{node.op_type}".removeprefix("ai.onnx.").lstrip(".")
        text = node_problem(node, kind, constants)
        if text:
            found.append(f"{kind} {node.name or node.output[0]}: {text}")
    return found


def node_problem(node: onnx.NodeProto, kind: str, constants: dict[str, np.ndarray]) -> str | None:
    """Return what is wrong with a node, or None."""
    if kind == "com.microsoft.QLinearAdd":
        scales = {float(constants[node.input[i]].reshape(())) for i in (1, 4, 6)}
        return None if len(scales) == 1 and is_power_of_two(scales.pop()) else HAZARDS[kind]
    if kind in HAZARDS:
        return HAZARDS[kind]
    if kind not in EXACT:
        return "not on the list of exact operators"
    if kind == "com.microsoft.QGemm":
        if len(node.input) < 9:
            return "int8 weights with float output"
        scales = [constants[node.input[i]].reshape(-1) for i in (1, 4, 7)]
        if not all(is_power_of_two(s) for scale in scales for s in scale):
            return "a scale is not a power of two"
    if any(a.name in ("alpha", "beta") and a.f != 1.0 for a in node.attribute):
        return "a factor is not 1"
    return None


def lint(data: bytes) -> list[str]:
    """Return the problems at any optimisation level, each with its level: an empty list is good."""
    return [f"{level}: {text}" for level in LEVELS for text in problems(optimised(data, level))]


def main(paths: list[str] | None = None) -> bool:
    """Check the model files that are named; return whether any has a problem."""
    bad = 0
    for path in paths or sys.argv[1:]:
        found = lint(Path(path).read_bytes())
        bad += len(found)
        print("\n".join(found) or f"{path}: nothing but exact operators in onnxruntime {ort.__version__}")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
