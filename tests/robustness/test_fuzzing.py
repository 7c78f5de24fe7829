"""Inputs that nobody wrote: all findings of the past, some seconds of fuzzing, and every change of a tiny file."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from fuzzing import exhaustive
from fuzzing.inputs import mutated
from fuzzing.running import Run
from fuzzing.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
CORPUS = sorted(path for path in (ROOT / "tests/corpus").glob("*/*") if path.is_file())
TINY = ("one-sample.mdo", "constant.mdo", "short.mdo", "wide-plain.mdo", "spikes-linear.mdo", "maps-short.mdo")
STREAMS = ("empty.mds",)


def findings(run: Run) -> dict[str, str]:
    return run.tally.findings


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_what_was_found_once_is_mended(path):
    run = Run(path.parent.name)
    run.once(path.read_bytes())
    assert findings(run) == {}


def test_the_corpus_is_of_targets():
    assert {path.parent.name for path in CORPUS} <= set(TARGETS)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_some_inputs_made_by_chance(name):
    """Half a second for each target; `scripts/fuzz` takes longer."""
    run = Run(name)
    run.by_chance(seconds=60, seed=1, most=2)  # loads models and loops
    run.by_chance(seconds=0.5, seed=1)
    assert run.tally.inputs > 2
    assert findings(run) == {}


def test_a_fault_would_be_found(monkeypatch, tmp_path):
    monkeypatch.setattr("runtime.container.header.Header.parse", lambda data: 1 // 0)
    run = Run("header", tmp_path)
    run.by_chance(seconds=5, seed=0, most=20)
    ((name, text),) = findings(run).items()
    assert text.startswith("ZeroDivisionError")
    assert (tmp_path / name).is_file()


def test_inputs_are_the_same_for_the_same_seed():
    seeds = [bytes(range(40)), b"another one"]
    one, again, other = (random.Random(seed) for seed in (1, 1, 2))
    made = [mutated(seeds, one) for _ in range(50)]
    assert made == [mutated(seeds, again) for _ in range(50)]
    assert made != [mutated(seeds, other) for _ in range(50)]


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY + STREAMS)
def test_every_change_of_a_tiny_file_is_noticed(name):
    folder = ROOT / "tests" / ("streams" if name in STREAMS else "vectors/valid")
    counts = exhaustive.count(name, (folder / name).read_bytes(), exhaustive.BITS)
    assert counts.total > 500
    assert (counts.wrong, counts.untyped) == (0, 0), counts.example
    if name in TINY:
        assert counts.equal == 0


def test_silent_errors_would_be_counted():
    counts = exhaustive.Counts()
    counts.add(len, 3, b"abc")
    counts.add(len, 3, b"abcd")
    counts.add(lambda data: data[9], 3, b"abc")
    assert (counts.equal, counts.wrong, counts.untyped) == (1, 1, 1)
