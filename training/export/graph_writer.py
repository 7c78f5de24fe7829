"""Nodes and constants of an ONNX graph, collected by name."""

import numpy as np
from onnx import ModelProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8


class GraphWriter:
    """Collect nodes and initialisers; methods return the name of their output."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name: str, array) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def dequantise(self, x: str, name: str, scale: float, zero: np.generic) -> str:
        """Add a dequantiser of the integer tensor x; zero is a numpy scalar whose type is the tensor's."""
        s = self.constant(f"{name}_scale", np.float32(scale))
        z = self.constant(f"{name}_zero", zero)
        return self.node("DequantizeLinear", [x, s, z], f"{name}_real")

    def gemm(self, x: str, name: str, layer: dict) -> str:
        """Add a Gemm with int8 weights and int32 bias, a Relu and a quantiser to uint8."""
        weight = self.constant(f"{name}_weight", layer["weight"])
        bias = self.constant(f"{name}_bias", layer["bias"])
        w = self.dequantise(weight, weight, layer["step"], np.int8(0))
        b = self.dequantise(bias, bias, layer["step"] * layer["input"], np.int32(0))
        x = self.node("Gemm", [x, w, b], f"{name}_sum", transB=1)
        x = self.node("Relu", [x], f"{name}_relu")
        return self.quantise(x, name, layer["output"])

    def quantise(self, x: str, name: str, scale: float) -> str:
        """Add a quantiser to uint8; `real` turns it back."""
        s = self.constant(f"{name}_scale", np.float32(scale))
        z = self.constant(f"{name}_zero", np.uint8(0))
        return self.node("QuantizeLinear", [x, s, z], f"{name}_quantised")

    def real(self, x: str, name: str) -> str:
        """Add a dequantiser of an integer tensor that has the scale of what was quantised under this name."""
        return self.node("DequantizeLinear", [x, f"{name}_scale", f"{name}_zero"], x.removesuffix("_quantised"))

    def reshape(self, x: str, name: str, *shape: int) -> str:
        return self.node("Reshape", [x, self.constant(f"{name}_shape", np.array(shape, np.int64))], name)

    def model(self, inputs: dict, outputs: dict) -> ModelProto:
        """Return the model; `inputs` and `outputs` give type and shape of a row by name."""
        ends = [
            [helper.make_tensor_value_info(name, kind, ["N", *shape]) for name, (kind, *shape) in part.items()]
            for part in (inputs, outputs)
        ]
        body = helper.make_graph(self.nodes, "middleout", *ends, self.constants)
        model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="middleout")
        model.ir_version = IR_VERSION
        return model
