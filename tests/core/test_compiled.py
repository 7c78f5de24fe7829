"""Numba where it is, and nothing where it is not."""

import os
import subprocess
import sys

import pytest

from runtime.core import compiled

LOOP = """
from runtime.core.compiled import njit


@njit
def total(values):
    found = 0.0
    for value in values:
        found += value
    return found
"""


@pytest.fixture
def fresh():
    for function in (compiled.available, compiled.loads):
        function.cache_clear()
    yield
    for function in (compiled.available, compiled.loads):
        function.cache_clear()


def test_asking_whether_numba_is_there_does_not_import_it(root):
    code = "import sys; from runtime.core.compiled import available; available(); print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True).stdout == "False\n"


def test_without_numba(monkeypatch, fresh):
    monkeypatch.setattr(compiled, "find_spec", lambda name: None)
    assert not compiled.available() and not compiled.loads()


def test_a_numba_that_does_not_load_is_not_used(monkeypatch, fresh):
    monkeypatch.setattr(compiled, "find_spec", lambda name: True)
    monkeypatch.setitem(sys.modules, "numba", None)  # makes the import an ImportError
    with pytest.warns(UserWarning, match="does not load"):
        assert not compiled.loads()


@pytest.mark.slow
@pytest.mark.parametrize("writable", (True, False))
def test_loops_compile_with_and_without_a_folder_for_the_cache(root, tmp_path, writable):
    """Without: neither beside the module nor in the user's folder, as on a read-only system."""
    pytest.importorskip("numba")
    (tmp_path / "loops.py").write_text(LOOP)
    code = "import numpy, loops; print(loops.total(numpy.arange(4.0)))"
    if not writable:
        code = "import numba.core.caching as c; c.CacheImpl._locator_classes = []; " + code
    environment = dict(os.environ, PYTHONPATH=f"{root}{os.pathsep}{tmp_path}")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "6.0\n", done.stderr
    assert any(tmp_path.rglob("*.nbi")) == writable


@pytest.mark.slow
def test_loops_are_compiled_again_after_a_change_of_what_they_call(root, tmp_path):
    """Numba does not see it: it knows the file of the function that is called from outside."""
    pytest.importorskip("numba")
    package = tmp_path / "loops"
    package.mkdir()
    (package / "outer.py").write_text(
        "from runtime.core.compiled import njit\nfrom inner import one\n\n\n@njit\ndef twice():\n    return 2 * one()\n"
    )
    inner = "from runtime.core.compiled import njit\n\n\n@njit\ndef one():\n    return {}\n"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(root), str(package)))}
    for age, value in ((100, 1), (0, 30)):
        (package / "inner.py").write_text(inner.format(value))
        if age:
            for path in package.glob("*.py"):
                os.utime(path, (path.stat().st_mtime - age,) * 2)
        command = [sys.executable, "-c", "from outer import twice; print(twice())"]
        for _ in range(2):
            result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            assert int(result.stdout) == 2 * value
