"""Environments of scripts/determinism, installed into a cache folder as they are needed."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROBE = HERE / "probe.py"

PAIRS = [
    ("3.11", "1.17.3", "1.26.4"),
    ("3.12", "1.18.1", "1.26.4"),
    ("3.12", "1.19.2", "2.0.2"),
    ("3.13", "1.20.1", "2.1.3"),
    ("3.11", "1.22.1", "1.26.4"),
    ("3.13", "1.23.2", "2.3.5"),
    ("3.12", "1.25.1", "2.4.6"),
    ("3.11", "1.27.0", "2.2.6"),
    ("3.12", "1.29.0", "1.26.4"),
    ("3.13", "1.32.0", "2.4.6"),
    ("3.11", "1.32.0", "1.26.4"),
]
"""Python, onnxruntime, numpy; onnxruntime before 1.19 wants numpy 1."""

X86 = [
    ("Nehalem", PAIRS[0]),
    ("Nehalem", PAIRS[9]),
    ("SandyBridge", PAIRS[5]),
    ("Haswell", PAIRS[0]),
    ("Haswell", PAIRS[9]),
]
"""Emulated CPUs without AVX, without AVX2, and without AVX512."""

DEBIAN, DEBIAN_PYTHON = "trixie", "3.13"
ARM64 = [
    ("cortex-a53", "1.20.1", "2.1.3"),
    ("cortex-a53", "1.32.0", "2.4.6"),
    ("cortex-a76", "1.23.2", "2.3.5"),
    ("neoverse-v1", "1.20.1", "2.1.3"),
    ("neoverse-v1", "1.32.0", "2.4.6"),
    ("a64fx", "1.32.0", "2.4.6"),
]
"""Emulated CPUs: plain, with dot products, with SVE, bfloat16 and int8 matrices, with SVE of 512 bits."""
ARM64_LIBRARIES = (
    "libc6 libgcc-s1 libstdc++6 libexpat1 libzstd1 zlib1g libssl3t64 libbz2-1.0 libffi8 liblzma5 libuuid1"
    f" libpython{DEBIAN_PYTHON}-minimal libpython{DEBIAN_PYTHON}-stdlib"
    f" python{DEBIAN_PYTHON}-minimal python{DEBIAN_PYTHON}"
)

NODE = "1.30.0"


class Unavailable(Exception):
    """An environment can't be had here; the message tells why."""


@dataclass
class Environment:
    """A way to run the probe.

    label : what it is, for the table
    prepare : installs what is missing, gives the command
    """

    label: str
    prepare: Callable[[], list[str]]
    arguments: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None


EMULATED = ["--short", "--streams", "ENABLE_ALL"]


def everything(cache: Path) -> list[Environment]:
    """The full matrix."""
    found = [Environment("this environment", lambda: [sys.executable, str(PROBE)])]
    for pair in PAIRS:
        found.append(Environment("native", functools.partial(native, cache, pair)))
    for package in ("onnxruntime-web", "onnxruntime-node"):
        label = f"{package}{' (WASM)' if package.endswith('web') else ''}"
        found.append(Environment(label, functools.partial(node, cache, package), folder=cache / "node"))
    for cpu, pair in X86:
        found.append(Environment(f"x86-64 {cpu}, emulated", functools.partial(x86, cache, cpu, pair), EMULATED))
    for cpu, onnxruntime, numpy in ARM64:
        prepare = functools.partial(arm64, cache, cpu, onnxruntime, numpy)
        variables = {"PYTHONPATH": str(arm64_packages(cache, onnxruntime, numpy))}
        found.append(Environment(f"ARM64 {cpu}, emulated", prepare, EMULATED, variables))
    return found


def call(*command: object, **options) -> str:
    """Return the standard output of a command; `Unavailable` with its last line of errors where it fails."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True, **options)
    except OSError as error:
        raise Unavailable(f"{command[0]}: {error.strerror}") from None
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout).strip().splitlines()
        raise Unavailable(f"{Path(str(command[0])).name}: {lines[-1] if lines else 'failed'}") from None
    return done.stdout


def python(version: str) -> str:
    """Return an interpreter of this version: on the path, or among those of pyenv."""
    homes = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [*sorted(homes.glob(f"{version}.*/bin/python")), shutil.which(f"python{version}")]
    if not any(found):
        raise Unavailable(f"no Python {version}")
    return str(next(filter(None, found)))


PACKAGES = ("zstandard", "rich", "soundfile")


def native(cache: Path, pair: tuple[str, str, str]) -> list[str]:
    """Return the command in a virtual environment with this Python, onnxruntime and numpy."""
    version, onnxruntime, numpy = pair
    folder = cache / f"python{version}-onnxruntime{onnxruntime}-numpy{numpy}"
    interpreter = folder / "bin" / "python"
    if not (folder / "complete").exists():
        call(python(version), "-m", "venv", "--clear", folder)
        wanted = [f"onnxruntime=={onnxruntime}", f"numpy=={numpy}", *PACKAGES]
        call(interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted)
        (folder / "complete").touch()
    return [str(interpreter), str(PROBE)]


def x86(cache: Path, cpu: str, pair: tuple[str, str, str]) -> list[str]:
    """Return the command on an emulated x86-64 CPU."""
    return [str(qemu(cache, "x86_64")), "-cpu", cpu, *native(cache, pair)]


def arm64_packages(cache: Path, onnxruntime: str, numpy: str) -> Path:
    """Return the folder of wheels for ARM64."""
    return cache / f"arm64-onnxruntime{onnxruntime}-numpy{numpy}"


def arm64(cache: Path, cpu: str, onnxruntime: str, numpy: str) -> list[str]:
    """Return the command of Debian's Python for ARM64 with the wheels for it, emulated."""
    root, packages = cache / "arm64", arm64_packages(cache, onnxruntime, numpy)
    if not (root / "complete").exists():
        debian(cache, root, [f"{name}:arm64" for name in ARM64_LIBRARIES.split()])
        if not (root / "lib").exists():
            (root / "lib").symlink_to("usr/lib")
        (root / "complete").touch()
    if not (packages / "complete").exists():
        platforms = [f"--platform=manylinux{tag}_aarch64" for tag in ("2014", "_2_17", "_2_27", "_2_28")]
        where = ["--target", packages, "--only-binary=:all:", f"--python-version={DEBIAN_PYTHON}", *platforms]
        wanted = [f"onnxruntime=={onnxruntime}", f"numpy=={numpy}", *PACKAGES]
        call(python(DEBIAN_PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *where, *wanted)
        (packages / "complete").touch()
    interpreter = root / "usr" / "bin" / f"python{DEBIAN_PYTHON}"
    return [str(qemu(cache, "aarch64")), "-L", str(root), "-cpu", cpu, str(interpreter), str(PROBE)]


def qemu(cache: Path, machine: str) -> Path:
    """Return a user-mode emulator of version 10 or newer: older ones crash on new ARM64 wheels."""
    name = f"qemu-{machine}"
    here = shutil.which(name)
    if here and int(call(here, "--version").split("version ")[1].split(".")[0]) >= 10:
        return Path(here)
    root = cache / "qemu"
    if not (root / "complete").exists():
        debian(cache, root, ["qemu-user:amd64"])
        (root / "complete").touch()
    return root / "usr" / "bin" / name


def debian(cache: Path, root: Path, packages: list[str]) -> None:
    """Unpack Debian packages of another release into a folder; the system's own packages stay as they are."""
    home = cache / "apt"
    for folder in ("state/lists/partial", "cache/archives/partial", "debs"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "state" / "status").touch()
    lines = call("apt-get", "indextargets", "--format", "$(REPO_URI)").split()
    archive = next((line for line in lines if line.rstrip("/").endswith("/debian")), None)
    if archive is None:
        raise Unavailable("no Debian archive among apt's sources")
    key = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (home / "sources.list").write_text(f"deb [signed-by={key}] {archive} {DEBIAN} main\n")
    settings = {
        "Dir::State": home / "state",
        "Dir::State::status": home / "state" / "status",
        "Dir::Cache": home / "cache",
        "Dir::Etc::sourcelist": home / "sources.list",
        "Dir::Etc::sourceparts": home / "none",
        "APT::Sandbox::User": "root",
        "APT::Architecture": "amd64",
    }
    text = "".join(f'{name} "{value}";\n' for name, value in settings.items())
    (home / "apt.conf").write_text(text + 'APT::Architectures { "amd64"; "arm64"; };\n')
    options = {"env": {**os.environ, "APT_CONFIG": str(home / "apt.conf")}, "cwd": home / "debs"}
    call("apt-get", "update", **options)
    call("apt-get", "download", *packages, **options)
    for package in packages:
        name, _, machine = package.partition(":")
        for path in (home / "debs").glob(f"{name}_*_{machine}.deb"):
            call("dpkg-deb", "-x", path, root)


def node(cache: Path, package: str) -> list[str]:
    """Return the command with a package of onnxruntime for JavaScript."""
    folder = cache / "node"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node_modules" / package).exists():
        call("npm", "install", "--silent", "--ignore-scripts", "--prefix", folder, f"{package}@{NODE}")
    if not shutil.which("node"):
        raise Unavailable("no node")
    return ["node", str(HERE / "node.mjs"), package]
