"""Nothing leaves the machine: no network, no files but the outputs, no telemetry of onnxruntime."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WORK = """
import sys
import numpy as np
from runtime.core import compiled
compiled.use(sys.argv[1])
import runtime
from runtime.cli.main import main
samples = np.cumsum(np.random.default_rng(0).integers(-9, 10, (9000, 2)), 0).astype(np.int16)
np.save("a.npy", samples)
assert main(["encode", "a.npy", "-d", "out", "--jobs", "2"]) == 0
assert main(["test", "out/a.mdo"]) == 0
assert main(["decode", "out/a.mdo", "-d", "back"]) == 0
assert main(["info", "out/a.mdo"]) == 0
assert main(["models"]) == 0
restored, _ = runtime.decode(runtime.encode(samples, 20_000, keep="spikes"))
with runtime.open("out/a.mdo") as reader:
    assert np.array_equal(reader.read(100, 200), samples[100:200])
assert "onnxruntime" in sys.modules
"""
CALLS = "trace=network,openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,unlink,unlinkat"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_no_network_and_no_files_elsewhere(root, tmp_path, engine):
    """Compiled loops are kept in `__pycache__` beside their modules."""
    if engine == "compiled":
        pytest.importorskip("numba")
    folders = {name: tmp_path / name for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    work, temporary = tmp_path / "work", tmp_path / "TMPDIR"
    for folder in (*folders.values(), work, temporary):
        folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {name: str(folder) for name, folder in folders.items()}
    environment |= {"TMPDIR": str(temporary), "PYTHONPATH": os.environ.get("PYTHONPATH") or str(root)}
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-y", "-qq", "-o", trace, "-e", CALLS, sys.executable, "-B", "-c", WORK, engine]
    subprocess.run(command, check=True, cwd=work, env=environment, timeout=400, stdout=subprocess.DEVNULL)
    lines = trace.read_text(errors="replace").splitlines()
    assert len(lines) > 100
    network = [line for line in lines if re.search(r"\b(socket|connect|send\w*|recv\w*|bind|listen)\(", line)]
    assert network == []
    written = [line for line in lines if re.search(r"O_WRONLY|O_RDWR|O_CREAT|\b(creat|mkdir|rename|link)\w*\(", line)]
    allowed = ("/dev/null", "/dev/tty", "/dev/shm/", "/proc/self", *(f"{path}/" for path in (work, temporary)))
    paths = {os.path.join(work, path) for line in written for path in re.findall(r'"([^"]*)"', line)}
    elsewhere = [path for path in paths if not path.startswith(allowed) and not is_kept_code(path)]
    assert elsewhere == []
    assert [path for folder in folders.values() for path in folder.iterdir()] == []


def is_kept_code(path):
    """Whether a path is numba's, of compiled loops of this package."""
    name = Path(path)
    return "__pycache__" in name.parts and "runtime" in name.parts or name.name.startswith("tmp") and "runtime" in path


def test_onnxruntime_is_imported_in_one_place(root):
    tracked = [path for name in ("runtime", "training", "scripts", "tests") for path in (root / name).rglob("*")]
    wanted = re.compile(r"^[ ]*(import|from) onnxruntime\b|import\w*\(.onnxruntime", re.M)
    found = set()
    for path in tracked:
        if path.is_file() and path.suffix in ("", ".py") and path != Path(__file__).resolve():
            found.update(path.relative_to(root) for _ in wanted.findall(path.read_text(errors="replace")))
    assert found == {Path("runtime/core/imports.py"), Path("runtime/predictor/model.py")}  # the latter for types only


@pytest.mark.parametrize("late", [False, True])
def test_telemetry_is_switched_off_and_a_late_import_is_told(late, tmp_path):
    code = "import onnxruntime as before\n" if late else ""
    code += (
        "import os, logging\n"
        "from runtime.core.imports import onnxruntime\n"
        "logging.basicConfig(format='LOG %(message)s')\n"
        "onnxruntime(); onnxruntime()\n"
        "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("LOG onnxruntime was imported before") == late
