"""The Python examples of the documents run as they are."""

from __future__ import annotations

import re

import numpy as np
import pytest

import runtime


def examples(page):
    """Return the blocks of Python of a page, as one program."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with the recording of the examples."""
    monkeypatch.chdir(tmp_path)
    samples = np.random.default_rng(0).integers(-50, 50, (60000, 4)).astype(np.int16)
    with runtime.Writer("day1.mdo", 20000, 4) as writer:
        writer.write(samples)
    return tmp_path


PAGES = [("arrays", "fsspec"), ("zarr", "zarr"), ("spikeinterface", "spikeinterface")]


@pytest.mark.parametrize(("page", "needed"), PAGES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_the_examples_of_a_page_run(page, needed, root, folder):
    pytest.importorskip(needed, reason=f"{needed} is not installed; it is an extra")
    exec(compile(examples(root / f"docs/{page}.md"), f"{page}.md", "exec"), {})
