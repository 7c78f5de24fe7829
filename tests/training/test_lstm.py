"""The LSTM: it learns, computes what its integers do, and becomes a model file that the runtime takes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from runtime.predictor.model import load  # noqa: E402
from training.data import dataset  # noqa: E402
from training.data import recordings as data  # noqa: E402
from training.data.sequences import LOSS_STEPS, STEPS, Sequences  # noqa: E402
from training.exactness.certificate import certify  # noqa: E402
from training.export import model_file  # noqa: E402
from training.export import recurrent as recurrent_graph  # noqa: E402
from training.learning import train  # noqa: E402
from training.learning.checkpoint import integer_tables  # noqa: E402
from training.simulate import simulate  # noqa: E402

pytestmark = pytest.mark.slow

torch.set_num_threads(1)
OPTIONS = {"seed": 1, "steps": 100, "batch": 320, "rate": 0.004, "float_part": 0.5}
CONFIG = {"network": {"inputs": 20, "lstm": 4, "predictor": [4, 3], "window": 2}, "training": OPTIONS}


@pytest.fixture(scope="module")
def prepared():
    codes = [(simulate(6000, seed=seed).codes[:, 0] + 512).astype(np.uint16) for seed in range(3)]
    recordings = data.Recordings(["a", "b", "c"], np.concatenate(codes), np.arange(4) * 6000)
    return dataset.prepare(recordings, data.UNIFORM_LEVELS)


@pytest.fixture
def net():
    made, _ = train.build(CONFIG, data.UNIFORM_LEVELS)
    made.head.weight.data = torch.round(8 * torch.randn(2, 3)) / 64  # coarse, so that there are halves
    torch.nn.init.normal_(made.gates.weight, std=0.4)
    for layer in made.layers:
        torch.nn.init.normal_(layer.weight)
        torch.nn.init.constant_(layer.bias, 0.5)
    made.loss_steps = STEPS
    made.calibrate(torch.from_numpy(rows()).float())
    made.quantised = True
    return made


def rows(seed=0, sequences=20):
    random = np.random.default_rng(seed)
    initial_scale = 2.0 ** random.uniform(0, 6, (sequences * STEPS, 1))
    return np.clip(np.rint(128 + initial_scale * random.standard_normal((len(initial_scale), 20))), 1, 255).astype(
        np.uint8
    )


def by_steps(parts, sequences):
    """int64 arithmetic, step by step: outputs [N, steps, 2] and the last state."""
    state, found = np.zeros((len(sequences), 2 * parts["cells"]), np.int64), []
    for own in sequences.transpose(1, 0, 2):
        out, state = recurrent_graph.prediction(parts, own, state)
        found.append(out)
    return np.stack(found, axis=1), state


def test_fake_quantisation_is_the_integer_arithmetic(net):
    features = rows(1).reshape(-1, STEPS, 20)
    expected, state = by_steps(net.integers(), features)
    with torch.no_grad():
        found = net(torch.from_numpy(features.reshape(-1, 20)).float()).numpy()
    assert np.array_equal(found, expected.reshape(-1, 2))
    assert np.unique(expected).size > 10 and np.abs(state).max() > 100


def test_unseen_inputs_do_not_matter_and_are_not_counted(net):
    assert net.macs == (6 + 4) * 16 + 3 * 4 + 4 * 4 + 4 * 3 + 3 * 2
    assert not net.integers()["gates"][0][:, :14].any() and not net.integers()["candidate"][0][:, :14].any()


def test_rows_of_zeros_stand_in_front_of_a_lane(net):
    starts = rows(2, 3).reshape(3, STEPS, 20)
    first = STEPS - LOSS_STEPS
    starts[:, :first] = 0
    with torch.no_grad():
        found = net(torch.from_numpy(starts.reshape(-1, 20)).float()).numpy().reshape(3, STEPS, 2)
    assert np.array_equal(found[:, first:], by_steps(net.integers(), starts[:, first:])[0])


def test_weights_have_room_for_large_sums(net):
    with torch.no_grad():
        net.gates.weight *= 2.0**12
        net.gates.weight += 2.0**-9
    report = certify(recurrent_graph.graph(net.integers()))
    assert max(line[3] for line in report) < 1 << 24


def test_it_learns_on_the_samples_that_others_are_scored_on(prepared):
    net, entropy = train.build(CONFIG, data.UNIFORM_LEVELS)
    sequences = Sequences.of_rows(prepared, LOSS_STEPS)
    one = Sequences.of_rows(prepared, 1)
    for a, b in zip(one.fixed(50, size=150), prepared.fixed(50)):
        assert np.array_equal(a[0][STEPS - 1 :: STEPS], b[0]) and np.array_equal(a[2], b[2])
    net.loss_steps = 1
    before = train.score(net, entropy, one.fixed(100))[0]
    net.loss_steps = LOSS_STEPS
    train.fit(net, entropy, sequences, OPTIONS, lambda *_: None)
    net.loss_steps = 1
    assert net.quantised and train.score(net, entropy, one.fixed(100))[0] < before - 0.1


def test_a_few_sequences_of_a_batch_are_the_first_steps_of_lanes(prepared):
    sequences = Sequences.of_rows(prepared, LOSS_STEPS)
    features, prediction, codes = sequences.batch(np.random.default_rng(0), 100 * LOSS_STEPS)
    features = features.reshape(100, STEPS, 20)
    assert len(prediction) == len(codes) == 100 * LOSS_STEPS
    starts = ~features[:, : STEPS - LOSS_STEPS].any(axis=(1, 2))
    assert starts.sum() == 2 and (features[starts, STEPS - LOSS_STEPS, :16] == 128).all()
    lanes = prepared.starts[2].reshape(-1, LOSS_STEPS)
    for own in codes.reshape(100, -1)[starts]:
        assert (lanes == own).all(axis=1).any()


def test_a_stopped_run_goes_on_to_the_same_end(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "STATE_EVERY", 60)
    sequences, path = Sequences.of_rows(prepared, LOSS_STEPS), tmp_path / "state.npz"
    runs = []
    for state in (None, path, path):  # the third begins at step 60 of the second
        net, entropy = train.build(CONFIG, data.UNIFORM_LEVELS)
        train.fit(net, entropy, sequences, OPTIONS, lambda *_: None, state)
        runs.append(net.state_dict())
    assert all(torch.equal(a, b) for other in runs[1:] for a, b in zip(runs[0].values(), other.values()))


def test_file_loads_in_the_runtime_and_is_reproducible(net, tmp_path):
    _, entropy = train.build(CONFIG, data.UNIFORM_LEVELS)
    tables = integer_tables(entropy, data.UNIFORM_LEVELS, np.full(128, 100), 5)
    for name in ("a.onnx", "b.onnx"):
        model_file.export(tmp_path / name, net, tables, "test-v1", rows(3, 1))
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    loaded, parts = load(tmp_path / "a.onnx"), net.integers()
    own, state = recurrent_graph.noise(np.random.default_rng(0), 300, parts)
    found = loaded.step(own.astype(np.uint8), state.astype(np.float32))
    assert all(np.array_equal(a, b) for a, b in zip(found, recurrent_graph.prediction(parts, own, state), strict=True))


@pytest.mark.parametrize("stage", range(7))
@pytest.mark.parametrize(
    "ties", ["up", *(pytest.param(ties, marks=pytest.mark.long) for ties in ("down", "away", "zero"))]
)
def test_known_answers_tell_how_every_stage_rounds(net, stage, ties):
    parts = net.integers()
    own, state, *expected = recurrent_graph.answers(parts, rows(4, 1))
    assert recurrent_graph.roundings(parts) == 6
    found = recurrent_graph.prediction(parts, own, state, ["even"] * stage + [ties])
    assert not all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
