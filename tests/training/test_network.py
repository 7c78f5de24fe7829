"""The network as it trains: gradients through the quantisers, windows, a loss that comes down, runs that go on."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training import config  # noqa: E402
from training.data import dataset  # noqa: E402
from training.data import recordings as data  # noqa: E402
from training.export import feedforward  # noqa: E402
from training.learning import train  # noqa: E402
from training.learning.checkpoint import integer_tables  # noqa: E402
from training.networks.network import Network  # noqa: E402
from training.networks.quantisation import power_of_two, quantise_weights, rounded  # noqa: E402
from training.simulate import simulate  # noqa: E402

pytestmark = pytest.mark.slow

torch.set_num_threads(1)
OPTIONS = {"seed": 1, "steps": 200, "batch": 512, "rate": 0.004, "float_part": 0.4}
CONFIG = {"network": {"inputs": 20, "projector": [8], "predictor": [4]}, "training": OPTIONS}


@pytest.fixture(scope="module")
def recordings():
    codes = [(simulate(6000, seed=seed).codes[:, 0] + 512).astype(np.uint16) for seed in range(3)]
    return data.Recordings(["a", "b", "c"], np.concatenate(codes), np.arange(4) * 6000)


@pytest.fixture(scope="module")
def prepared(recordings):
    return dataset.prepare(recordings, data.UNIFORM_LEVELS)


def trained(prepared, **more):
    net, entropy = train.build(CONFIG, data.UNIFORM_LEVELS)
    history = train.fit(net, entropy, prepared, OPTIONS | more.pop("options", {}), **more)
    return net, entropy, history


def test_the_loss_comes_down(prepared):
    net, entropy, history = trained(prepared, report=lambda *_: None)
    before = train.score(*train.build(CONFIG, data.UNIFORM_LEVELS), prepared.fixed(1000))[0]
    after, usage = train.score(net, entropy, prepared.fixed(1000))
    assert net.quantised and len(history) == 2
    assert after < before - 0.25
    tables = integer_tables(entropy, data.UNIFORM_LEVELS, usage, 4)
    assert abs(train.score_integers(net, tables, prepared.fixed(1000)) - after) < 0.02


def test_a_stopped_run_goes_on_to_the_same_end(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "STATE_EVERY", 50)
    silent = lambda *_: None  # noqa: E731
    whole = trained(prepared, report=silent)

    class Stopped(Exception):
        pass

    def stop(step, history):
        raise Stopped

    path = tmp_path / "runs" / "state.npz"
    with pytest.raises(Stopped):
        trained(prepared, report=stop, path=path)
    assert int(np.load(path)["adam.0.step"]) == 50
    again = trained(prepared, report=silent, path=path)
    for a, b in zip(whole[0].state_dict().values(), again[0].state_dict().values()):
        assert torch.equal(a, b)
    with pytest.raises(ValueError, match="another run"):
        trained(prepared, options={"rate": 0.1}, report=silent, path=path)
    with pytest.raises(ValueError, match="another run"):
        trained(prepared.subset([0, 1]), report=silent, path=path)


@pytest.mark.parametrize("window", [1, 8, 16])
def test_unseen_inputs_do_not_matter_and_are_not_counted(window):
    torch.manual_seed(0)
    net = Network(20, [6], [4], window)
    torch.nn.init.normal_(net.head.weight)
    assert net.macs == (window + 4) * 6 + 24 + 8
    rows = np.random.default_rng(0).integers(0, 256, (300, 20)).astype(np.uint8)
    net.calibrate(torch.from_numpy(rows).float())
    net.quantised = True
    layers, head = net.integers()
    assert layers[0]["weight"].shape == (6, 20) and not layers[0]["weight"][:, : 16 - window].any()
    with torch.no_grad():
        assert np.array_equal(net(torch.from_numpy(rows).float()).numpy(), feedforward.prediction(layers, head, rows))


def test_gradients_pass_the_quantisers():
    x = torch.tensor([0.2, 1.7, -2.4], requires_grad=True)
    (rounded(x) * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0, 3.0]
    w = torch.randn(4, 3, requires_grad=True)
    quantised, _ = quantise_weights(w, torch.zeros(4), 2.0**-6)
    step = power_of_two(w.detach().abs().max() / 64)
    assert (quantised / step == torch.round(quantised / step)).all() and (quantised / step).abs().max() <= 64
    quantised.sum().backward()
    assert (w.grad == 1).all()


@pytest.mark.parametrize(
    "text, message",
    [
        ("[network", "not valid TOML"),
        ("[network]\ninputs = 20", "section .training"),
        ("[network]\ninputs = 16\n[training]", "inputs must be 20"),
        ("[network]\ninputs = 20\nprojector = [0]\npredictor = []\n[training]", "projector must be a list"),
        ("[network]\ninputs = 20\nprojector = []\npredictor = []\n[training]", "one hidden layer"),
        ("[network]\ninputs = 20\nprojector = [4]\npredictor = []\nwindow = 17\n[training]", "window must be"),
        ("[network]\ninputs = 20\nprojector = [4]\npredictor = []\n[training]\nseed = 1", "training.batch"),
        ("[network]\ninputs = 20\nlstm = [4]\npredictor = [4]\n[training]", "lstm must be a number"),
        ("[network]\ninputs = 20\nlstm = 4\npredictor = []\n[training]", "one layer behind it"),
        ("[network]\ninputs = 20\nlstm = 4\npredictor = [4]\nmessages = [8, 8]\n[training]", "has no messages"),
        ("[network]\ninputs = 20\nlstm = 4\npredictor = [4]\n[training]\nbounds = [0, 1]", "without bounds"),
        ("[network]\ninputs = 20\nprojector = [4]\npredictor = []\n[training]\ncross_channel = 1", "true or false"),
        ("[network]\ninputs = 20\nprojector = [4]\npredictor = []\n[training]\nheld = 0.7", "training.held"),
    ],
)
def test_wrong_configurations(text, message, tmp_path):
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        config.read(tmp_path / "x.toml")


def test_configurations_by_name():
    assert config.read("implant-v1")["network"]["projector"] == [16]
    with pytest.raises(ValueError, match="neither a file nor one of .*implant-v1"):
        config.read("n9")
    assert config.levels({"levels": "uniform"})[513] == 64
    with pytest.raises(ValueError, match="no file"):
        config.levels({"levels": "nothing"})
