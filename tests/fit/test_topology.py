"""The estimator of common activity: finds what is there, nothing else, and adds up evidence."""

import json

import numpy as np
import pytest

from runtime.cli.main import main
from runtime.core.errors import UsageError
from runtime.fit.correlation import correlate, whiten
from runtime.fit.prediction_order import PredictionOrder, find_order
from runtime.fit.topology import Topology, load
from training.simulate import quantise, simulate

FRAMES = 20000


def channels(seed, shared=0.0, delay=0, count=2):
    """int16 [time, channel]: channels with own noise, and common noise that comes `delay` samples later each."""
    random = np.random.default_rng(seed)
    common = random.normal(0, 6, FRAMES + 200)
    columns = []
    for channel in range(count):
        part = common[100 - delay * channel :][:FRAMES]
        own = np.cumsum(random.normal(0, 0.3, FRAMES)) + random.normal(0, 6, FRAMES)
        columns.append(quantise(own + shared * part))
    return np.stack(columns, axis=1).astype(np.int16) * 64


def rows(samples):
    return np.stack([whiten(np.ascontiguousarray(column)) for column in samples.T])


def test_references_that_are_left_come_first():
    """Where a channel that is constant was one, the compiled sums ended at its place."""
    order = PredictionOrder(np.arange(4), np.array([[-1, -1], [0, -1], [0, 1], [2, 1]]), np.arange(8).reshape(4, 2))
    part = order.restricted(np.array([1, 2, 3]))
    assert part.references.tolist() == [[-1, -1], [0, -1], [1, 0]]
    assert part.correlation.tolist() == [[0, 0], [5, 0], [6, 7]]


@pytest.mark.parametrize("delay", [0, 3, -4])
def test_lag_and_sign(delay):
    found, lag = correlate(rows(channels(1, 0.5, delay) * np.array([1, -1], np.int16)))
    assert -0.3 < found[1, 0] < -0.1 and lag[1, 0] == delay and lag[0, 1] == -delay
    assert found[0, 1] == found[1, 0] and found[0, 0] == pytest.approx(1, abs=1e-4)


def test_correlation_in_blocks_is_the_plain_one():
    white = rows(channels(2, 0.7, count=3))
    unit = white / np.linalg.norm(white, axis=1)[:, None]
    plain = unit @ unit.T
    assert np.abs(correlate(white, 0)[0] - plain).max() < 1e-5


def test_flat_channels():
    assert not whiten(np.full(5000, 7, np.int16)).any()
    assert not whiten(np.zeros(40, np.int16)).any()


def test_only_what_is_there():
    made = Topology()
    made.observe([f"{i}" for i in range(30)], rows(channels(3, 0, count=30)))
    assert not made.significant()
    order = made.prediction_order()
    assert not order.level.any() and (order.references < 0).all()


def test_weak_evidence_adds_up_and_survives_a_file():
    made, counts = Topology(), []
    for seed in range(8):
        white = rows(channels(10 + seed, 0.145))
        made.observe(["a", "b"], white)
        made.observe(["a", "b"], white)
        assert len(made.recordings) == seed + 1
        made = Topology.from_json(made.to_json())
        counts.append(len(made.significant()))
    assert counts[0] == 0 and counts[-1] == 1
    made.observe(["c", "a"], rows(channels(30, 0.5)))
    assert set(made.significant()) == {(0, 1), (0, 2)} and made.channels == ["a", "b", "c"]


def test_hubs_come_first():
    correlation = np.eye(9)
    for i in range(1, 8):
        correlation[0, i] = correlation[i, 0] = 0.5
    correlation[1, 2] = correlation[2, 1] = -0.6
    made = find_order(np.square(correlation), correlation, references=2)
    order_level, references = (
        made.level.tolist(),
        [[reference for reference in row if reference >= 0] for row in made.references.tolist()],
    )
    assert all(made.correlation[i, 0] == correlation[i, references[i][0]] for i in range(9) if references[i])
    assert order_level[0] == 0 and order_level[8] == 0 and references[0] == references[8] == []
    assert order_level[0] == 0 and all(0 in references[i] for i in range(1, 8)) and references[2] == [1, 0]
    assert all(order_level[j] < order_level[i] for i in range(9) for j in references[i]) and max(order_level) == 2


def test_command_finds_pairs_among_single_files(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for pair in range(3):
        for channel, column in zip("ab", channels(pair + 1, 0.4).T):
            np.save(folder / f"{pair}{channel}.npy", column)
    np.save(folder / "other.npy", simulate(9000, seed=1).samples)
    arguments = ["topology", *map(str, sorted(folder.iterdir())), "-o", str(tmp_path / "t.json")]
    assert main(arguments) == 0
    written = json.loads((tmp_path / "t.json").read_text())
    names = written["channels"]
    references = {names[i]: [names[j] for j in references] for i, references in enumerate(written["references"])}
    assert (
        all(references[f"{p}a"] == [f"{p}b"] or references[f"{p}b"] == [f"{p}a"] for p in range(3))
        and not references["other"]
    )
    assert main([*arguments, "-f", "--update", str(tmp_path / "t.json")]) == 0
    again = Topology.from_json((tmp_path / "t.json").read_text())
    assert len(again.channels) == 7 and len(again.significant()) == 3


def test_arrays_are_named_by_channel(tmp_path, capsys):
    np.save(tmp_path / "array.npy", channels(5, 0.8, count=4))
    source = str(tmp_path / "array.npy")
    assert main(["topology", source, "-o", str(tmp_path / "t.json")]) == 0
    assert Topology.from_json((tmp_path / "t.json").read_text()).channels == ["0000", "0001", "0002", "0003"]
    (tmp_path / "t.json").write_text("{}")
    assert main(["topology", source, "-o", str(tmp_path / "u.json"), "--update", str(tmp_path / "t.json")]) != 0
    assert "not a topology" in capsys.readouterr().err


def test_peers_are_chosen_for_what_they_add():
    """The last channel correlates with two hubs most, but they carry the same; a third one adds more."""
    correlation = np.eye(9)
    pairs = [(0, 1, 0.98), (0, 8, 0.6), (1, 8, 0.59), (2, 8, 0.4)]
    pairs += [(hub, channel, 0.9) for hub, channels in ((0, (3, 4)), (1, (5,)), (2, (6, 7))) for channel in channels]
    for i, j, value in pairs:
        correlation[i, j] = correlation[j, i] = value
    made = find_order(np.square(correlation), correlation, references=2)
    assert made.references[8].tolist() == [0, 2] and made.level[8] == 1


GOOD = {
    "format": 1,
    "channels": ["a", "b", "c"],
    "recordings": [[[0, 1, 2], 1000, 5]],
    "edges": [[0, 1, 0.5, 1, True], [1, 2, 0.9, 0, True]],
}


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        *({"channels": value} for value in (None, "abc", ["a"] * 3, [1, 2, 3], [["a"], ["b"], ["c"]], ["a"])),
        *({"recordings": [value]} for value in (None, "ab", [[0, 1], 5], [[0, 1], 0, 5], [[0, 1], -4, 5])),
        *({"recordings": [value]} for value in ([[0, 0], 9, 5], [[0, 10**30], 9, 5], [[0, 1.0, 2], 9, 5])),
        *({"recordings": [value]} for value in ([[0, 1, 2], 9, "x"], [[0, 1, 2], True, 5], [[0, 1], 9, 5])),
        *({"edges": [value]} for value in (None, [0, 1], [0, 7, 0.5, 1, True], [1, 0, 0.5, 1, True])),
        *({"edges": [value]} for value in ([0, 1, "x", 1, True], [0, 1, float("nan"), 1, True])),
        *({"edges": [value]} for value in ([0, 1, 1e300, 1, True], [0, 1, 0.5, 1.5, True], [[], 1, 0.5, 1, True])),
    ],
)
def test_odd_topologies_are_refused(change, tmp_path):
    Topology.from_json(json.dumps(GOOD))
    path = tmp_path / "odd.json"
    for text in (json.dumps(GOOD | change), json.dumps(list(GOOD)), "[" * 100_000, '{"format": 1', "null", ""):
        path.write_text(text)
        with pytest.raises(UsageError, match="odd.json"):
            load(path)
