"""The package by the name of its distribution."""

from __future__ import annotations

import pickle
import subprocess
import sys

import middleout
import numpy as np
import pytest

import runtime


def test_it_has_the_same_objects():
    assert set(dir(middleout)) == set(dir(runtime))
    for name in runtime.__all__:
        assert getattr(middleout, name) is getattr(runtime, name)
    with pytest.raises(AttributeError, match="'middleout' has no attribute 'nonsense'"):
        middleout.nonsense  # noqa: B018


def test_a_reader_is_one_whatever_the_name(tmp_path):
    with middleout.Writer(tmp_path / "a.mdo", 1000, 2) as writer:
        writer.append(np.zeros((10, 2), np.int16))
    with middleout.open(tmp_path / "a.mdo") as reader, pickle.loads(pickle.dumps(reader)) as again:
        assert isinstance(again, runtime.Reader)


def test_it_imports_no_library_of_others_and_nothing_heavy():
    code = (
        "import sys, middleout\n"
        "heavy = {'numpy', 'onnxruntime', 'numcodecs', 'zarr', 'fsspec', 'spikeinterface', 'torch'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
