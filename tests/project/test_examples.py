"""The examples of the documents run as they are."""

from __future__ import annotations

import re

import numpy as np
import pytest
from page_blocks import blocks, run

import runtime

QUIET = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


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
@QUIET
def test_the_examples_of_a_page_run(page, needed, root, folder):
    pytest.importorskip(needed, reason=f"{needed} is not installed; it is an extra")
    code = "\n".join(code for _, code in blocks((root / f"docs/{page}.md").read_text(), "python"))
    exec(compile(code, f"{page}.md", "exec"), {})


def sections(root):
    """Return the text of each section of the tutorial by its number."""
    parts = re.split(r"^## (\d+)\. ", (root / "docs/tutorial.md").read_text(), flags=re.MULTILINE)
    return dict(zip(map(int, parts[1::2]), parts[2::2], strict=True))


def follow(section, folder, root):
    """Run the blocks of a section in a folder, which is the current one."""
    names = {}
    for language, code in blocks(section):
        if language == "python":
            exec(compile(code, "tutorial.md", "exec"), names)
        else:
            run(["sh", "-ec", code], folder, MIDDLEOUT=str(root))
    return names


@pytest.fixture(scope="module")
def archive(root, tmp_path_factory):
    """A folder where the first two sections of the tutorial were followed."""
    path = tmp_path_factory.mktemp("tutorial")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        for number in (1, 2):
            follow(sections(root)[number], path, root)
    return path


NEEDED = {3: (), 4: ("matplotlib",), 5: ("zarr",), 6: ("zarr",), 7: ("spikeinterface",), 8: (), 9: ("torch", "onnx")}
"""Libraries that sections of the tutorial need."""


def test_every_section_of_the_tutorial_is_followed(root):
    assert set(sections(root)) == {1, 2, *NEEDED}


@pytest.mark.slow
@pytest.mark.parametrize("number", NEEDED)
@QUIET
def test_a_section_of_the_tutorial_runs(number, root, archive, monkeypatch):
    for library in NEEDED[number]:
        found = pytest.importorskip(library, reason=f"{library} is not installed; it is an extra")
        if library == "zarr" and (found.__version__ >= "3") != (number == 5):
            pytest.skip(f"zarr is {found.__version__}")
    monkeypatch.chdir(archive)
    names = follow(sections(root)[number], archive, root)
    if "part" in names:
        samples = np.fromfile("recordings/run_g0/run_g0_t0.imec0.ap.bin", "<i2").reshape(-1, 5)
        channels = {3: slice(4), 7: [0, 3]}.get(number, slice(None))
        assert np.array_equal(names["part"], samples[15_000:18_000, channels])
