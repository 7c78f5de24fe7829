"""When compiled loops are worth loading."""

import os
import sys

import pytest

from runtime.core import compiled


@pytest.fixture
def loops(tmp_path, monkeypatch):
    """A module of loops that were not compiled yet; nothing was done before."""
    monkeypatch.setattr(compiled, "_spent", {})
    monkeypatch.setattr(compiled, "available", lambda: True)
    (tmp_path / "loops.py").touch()
    return tmp_path / "loops.py"


def test_many_short_jobs_are_worth_as_much_as_a_long_one(loops):
    assert compiled.worth(11, loops, "f")
    compiled._spent.clear()
    assert [compiled.worth(2.5, loops, "f") for _ in range(5)] == [False, False, False, True, True]


def test_jobs_of_other_modules_do_not_count_for_compiling(loops):
    assert not compiled.worth(6, loops, "f")
    assert not compiled.worth(6, loops.with_name("others.py"), "f")


def test_without_numba_nothing_is_worth_it(loops, monkeypatch):
    monkeypatch.setattr(compiled, "available", lambda: False)
    assert not compiled.worth(1000, loops, "f")


def test_jobs_of_other_modules_count_for_loading(loops, monkeypatch):
    kept = loops.parent / "__pycache__" / "loops.f-1.nbi"
    kept.parent.mkdir()
    kept.touch()
    os.utime(kept, (2e9, 2e9))
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    assert not compiled.worth(0.3, loops.with_name("others.py"), "f")
    assert compiled.worth(0.3, loops, "f")
