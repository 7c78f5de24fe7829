"""Changes of ONNX graphs that a certificate must refuse."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from training.exactness.certificate import NotExact, certify  # noqa: E402


def constant(model, name):
    return next(t for t in model.graph.initializer if t.name == name)


def change(model, name, array):
    constant(model, name).CopyFrom(onnx.numpy_helper.from_array(np.asarray(array), name))


def refuse(model, node, rule):
    with pytest.raises(NotExact, match=rule) as caught:
        certify(model)
    assert node in str(caught.value)
