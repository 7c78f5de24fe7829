"""Fixtures for all tests, and where they find what is not part of the installed package."""

from __future__ import annotations

import importlib.util
import os
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent

for name, folder in (("runtime", ROOT), ("middleout", ROOT / "runtime" / "interfaces")):
    if importlib.util.find_spec(name) is None:
        # Not installed: test the checkout, in child processes too.
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
# At the end, so that an installed `runtime` comes first; `training` and the scripts are never installed.
sys.path += [str(ROOT), str(ROOT / "runtime" / "interfaces"), str(ROOT / "scripts")]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add an option for what takes too long for every change."""
    parser.addoption("--long", action="store_true", help="run tests with the marker `long` too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes too long, unless it is asked for."""
    if not config.getoption("--long"):
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real recordings, which cannot be part of the repository."""
    path = Path(os.environ.get("MIDDLEOUT_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real recordings at {path}; MIDDLEOUT_DATA may name the folder")
    return path


@pytest.fixture(params=["numpy", "compiled"])
def engine(request) -> str:
    """Each engine, which does everything while a test runs."""
    from runtime.compiled import choice
    from runtime.core import compiled

    if request.param == "compiled" and not compiled.loads():
        pytest.skip("numba is not installed")
    choice.use(request.param)
    yield request.param
    choice.use("auto")


@pytest.fixture(scope="session")
def device_model():
    """The shipped model for other devices than the implant."""
    from runtime.predictor import model

    return model.load(model.DEVICES)


@pytest.fixture(scope="session")
def simulation():
    """A simulated recording of one channel and a second; do not write into its arrays."""
    from training.simulate import RATE, simulate

    made = simulate(RATE, channels=1, seed=1)
    made.samples.flags.writeable = False
    made.codes.flags.writeable = False
    return made


@pytest.fixture(scope="session")
def simulation_wav(simulation, tmp_path_factory) -> Path:
    """The simulated recording as a WAV; do not change the file."""
    from training.simulate import write_wav

    path = tmp_path_factory.mktemp("simulation") / "simulated.wav"
    write_wav(path, simulation)
    return path


@pytest.fixture(autouse=True)
def seeded(request):
    """Give the generator `RANDOM` of a test's module a seed of the test's own: data depend on no other test."""
    if hasattr(request.module, "RANDOM"):
        request.module.RANDOM = np.random.default_rng(zlib.crc32(request.node.name.encode()))
