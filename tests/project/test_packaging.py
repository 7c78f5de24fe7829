"""The wheel: what it holds and what it asks for."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from email.parser import BytesParser
from pathlib import Path

import pytest

hatchling = pytest.importorskip("hatchling", reason="the build backend is part of the dev extra")


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return BytesParser().parsebytes(archive.read(name))


def test_the_wheel_is_pure_python_of_runtime_and_its_models(wheel, root):
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"middleout", "runtime"}
    models = sorted(path.name for path in (root / "models").glob("*.onnx"))
    assert models
    assert sorted(name for name in names if name.endswith(".onnx")) == [f"runtime/models/{name}" for name in models]
    modules = {str(path.relative_to(root)) for path in (root / "runtime").rglob("*.py")}
    modules = {name.removeprefix("runtime/interfaces/") for name in modules}
    assert modules | {"runtime/py.typed", "middleout/py.typed"} <= set(names)
    assert not [name for name in names if name.startswith("runtime/interfaces/")]


def test_it_depends_on_five_packages_only(metadata):
    required = [entry for entry in metadata.get_all("Requires-Dist") if "extra ==" not in entry]
    names = {re.match(r"[\w-]+", entry).group() for entry in required}
    assert names == {"numpy", "onnxruntime", "soundfile", "zstandard", "rich"}


def test_name_and_version(metadata):
    import runtime

    assert metadata["Name"] == "middleout"
    assert metadata["Version"] == runtime.__version__


def test_the_wheel_works_without_the_checkout(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "import middleout, runtime\n"
        "assert middleout.encode is runtime.encode\n"
        "from runtime.cli.main import main\n"
        "sys.exit(main(['models']))"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "implant" in result.stdout


def test_runtime_imports_neither_torch_nor_training(root):
    for path in (root / "runtime").rglob("*.py"):
        found = re.findall(r"^\s*(?:from|import)\s+(torch|training|onnx)\b", path.read_text(encoding="utf-8"), re.M)
        assert not found, f"{path} imports {found}"
