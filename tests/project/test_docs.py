"""The documents: links, paths of modules, lengths, and the example of the format page."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

import runtime

pytest.importorskip("onnx")

import reference  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("models/*.md")])
REFERENCE_PAGES = [*ROOT.glob("docs/*.md"), ROOT / "README.md"]
PACKAGES = sorted(folder.name for folder in (ROOT / "runtime").iterdir() if (folder / "__init__.py").is_file())


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere_and_lines_are_short(page):
    text = page.read_text()
    assert [line for line in text.splitlines() if len(line) > 120] == []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if not target.startswith("http"):
            linked = (page.parent / path).resolve() if path else page
            assert linked.exists(), target
            assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("page", REFERENCE_PAGES, ids=lambda page: page.name)
def test_modules_that_a_page_names_are_there(page):
    named = re.findall(r"`((?:runtime|training|scripts|tests)/[\w./-]+)`", page.read_text())
    if page.name == "architecture.md":
        inside = rf"`((?:{'|'.join(PACKAGES)})/[\w./-]+)`"
        named += [f"runtime/{path}" for path in re.findall(inside, page.read_text())]
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 80


def test_the_example_of_the_format_page_is_a_file():
    rows = re.findall(r"^[0-9a-f]{8}: ((?:[0-9a-f]{2} ){1,16})", (ROOT / "docs/format.md").read_text(), re.MULTILINE)
    data = bytes.fromhex("".join(rows))
    t = np.arange(48)
    expected = np.stack([abs((t + 4) % 16 - 8) * 20 + t % 3, 0 * t - 7], axis=1)
    samples, sample_rate = runtime.decode(data)
    assert sample_rate == 20000
    assert np.array_equal(samples, expected)
    models = [path.read_bytes() for path in (ROOT / "models").glob("*.onnx")]
    (model,) = [model for model in models if hashlib.sha256(model).digest()[:8] == data[17:25]]
    assert reference.decode(data, model) == expected.astype("<i2").tobytes()
