"""The estimate of power: counts that fit the models, energies between the published ones, a page without gaps."""

from __future__ import annotations

import re

import pytest
from energy import operations
from energy.figures import N7, N28, N45
from energy.published import IMPLANTS
from test_scripts import run

from runtime.predictor import model as models
from runtime.predictor.channel_parameters import ORDER
from runtime.spikes.detection import filters


@pytest.mark.parametrize("name", ["implant-small-v1", "implant-v1"])
def test_products_are_those_of_the_card(root, name):
    card = (root / "models" / f"{name}.md").read_text()
    products = int(re.search(r"\| products \| (\d+) multiply-accumulates a sample", card)[1])
    model = models.load(name)
    assert operations.network(model).multiplications == products
    assert operations.network(model).multiplications == sum(layer.weights.size for layer in model.layers)
    stream = operations.stream(model, 8, 5.0)
    assert sum(cost.multiplications for cost in stream) == products + ORDER


@pytest.mark.parametrize(("sample_rate", "length"), [(19531, 129), (20000, 133)])
def test_equal_taps_share_a_product(sample_rate, length):
    taps = filters.band_taps(sample_rate)
    assert len(taps) == length and operations.detector(sample_rate, 1000, 0.01)[0].multiplications == len(set(taps))


def test_energies_are_the_published_ones_and_between_them():
    for node in (N45, N7):
        assert node.product((8, 8)) == pytest.approx(node.multiply[0])
        assert node.product((32, 32)) == pytest.approx(node.multiply[1])
        assert all(node.access(size) == pytest.approx(energy) for size, energy in node.memory.items())
    for figure in (lambda n: n.add, lambda n: n.product((11, 13)), lambda n: n.access(1 << 17)):
        assert figure(N7) < figure(N28) < figure(N45)
    assert N45.access(1 << 21) > N45.access(1 << 20) and N45.access(100) == N45.access(8 << 10)


def test_every_published_system_has_a_source():
    assert all(implant.source and all(implant.row()) for implant in IMPLANTS)


@pytest.mark.slow
def test_the_page_of_power(root, tmp_path):
    page = tmp_path / "power.md"
    result = run(root, "power", tmp_path, "--channels", 3, "--seconds", 1, "--output", page)
    assert result.returncode == 0, result.stderr
    text = page.read_text()
    for part in ("Operations per sample", "Operations per window", "Power in mW", "Beside published systems"):
        assert part in text
    assert "3 simulated channels" in text and "nan" not in text
