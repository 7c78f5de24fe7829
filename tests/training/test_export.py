"""Export: the graph equals integer arithmetic, the file loads in the runtime, the same input gives the same bytes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from runtime.predictor.model import load  # noqa: E402
from training.__main__ import main  # noqa: E402
from training.export import arithmetic, feedforward, model_file  # noqa: E402
from training.learning import train  # noqa: E402
from training.learning.checkpoint import Checkpoint, integer_tables  # noqa: E402
from training.networks.tables import TOP  # noqa: E402

pytestmark = pytest.mark.slow

CONFIG = {
    "network": {"inputs": 20, "projector": [16], "predictor": [16]},
    "training": {"seed": 1},
}
LEVELS = (np.arange(1025) - 512) * 64
USAGE = np.full(128, 100)


@pytest.fixture
def trained():
    net, entropy = train.build(CONFIG, LEVELS)
    torch.nn.init.normal_(net.head.weight)
    net.calibrate(torch.randint(0, 256, (4096, 20)).float())
    net.quantised = True
    return net, entropy


@pytest.fixture
def rows():
    return np.random.default_rng(0).integers(0, 256, (500, 20)).astype(np.uint8)


def test_fake_quantisation_is_the_integer_arithmetic(trained, rows):
    net, _ = trained
    with torch.no_grad():
        faked = net(torch.from_numpy(rows).float()).numpy()
    assert np.array_equal(faked, feedforward.prediction(*net.integers(), rows))


def test_half_to_even():
    x = np.arange(-64, 65)
    assert np.array_equal(arithmetic.divide(x, 8), np.rint(x / 8))
    assert np.array_equal(arithmetic.divide(x, 1), x)
    assert np.array_equal(arithmetic.divide(x, 0.5), 2 * x)


def test_file_loads_in_the_runtime_and_is_reproducible(trained, rows, tmp_path):
    net, entropy = trained
    tables = integer_tables(entropy, LEVELS, USAGE, 5)
    for name in ("a.onnx", "b.onnx"):
        model_file.export(tmp_path / name, net, tables, "test-v1", rows[:64])
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    loaded = load(tmp_path / "a.onnx")
    assert loaded.name == "test-v1"
    assert np.array_equal(loaded.run(rows), feedforward.prediction(*net.integers(), rows))


def test_tables(trained):
    tables = integer_tables(trained[1], LEVELS, USAGE, 5)
    assert tables.problem() is None
    assert tables.cumulative.shape == (5, 4096)
    assert (tables.cumulative[:, 0] == 0).all() and (tables.cumulative[:, -1] == TOP).all()
    assert (np.diff(tables.shape.astype(int)) >= 0).all() and tables.shape.max() == 4
    assert (tables.multiplier >= (1 << 16) / 16).all()


def test_checkpoint_round_trip(trained, rows, tmp_path):
    net, entropy = trained
    config = dict(CONFIG, name="test-v1", tables={"shapes": 5})
    Checkpoint(net, entropy, LEVELS, USAGE, rows[:64], config).save(tmp_path / "c.npz")
    again = Checkpoint.load(tmp_path / "c.npz")
    assert again.config == config and np.array_equal(again.examples, rows[:64])
    assert np.array_equal(again.levels, LEVELS) and np.array_equal(again.usage, USAGE)
    x = torch.from_numpy(rows).float()
    assert torch.equal(again.net(x), net(x))
    for a, b in zip(entropy.state_dict().values(), again.entropy.state_dict().values()):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "name",
    [
        "device-v1",
        "near-lossless-v1",
        "spikes-v1",
        "implant-lstm-v1",
        pytest.param("array-messages-v1", marks=pytest.mark.long),
        "implant-small-v1",
        "implant-v1",
    ],
)
def test_shipped_model_comes_from_its_checkpoint(name, root, tmp_path):
    checkpoint = root / "training" / "checkpoints" / f"{name}.npz"
    assert main(["export", str(checkpoint), "-o", str(tmp_path / "again.onnx")]) == 0
    assert (tmp_path / "again.onnx").read_bytes() == (root / "models" / f"{name}.onnx").read_bytes()
