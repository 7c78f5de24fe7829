"""Encode, decode and compare recordings through the public command line; used by demo, challenge_eval and validate."""

from __future__ import annotations

import filecmp
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class RoundTripError(RuntimeError):
    """The command line failed, or files cannot be told apart by name."""


@dataclass(frozen=True)
class RoundTrip:
    """What came out; lists are in the order of the paths given."""

    original_bytes: list[int]
    packed: list[Path]
    packed_bytes: list[int]
    encode_seconds: float
    """For all files in one command, start of the interpreter included, without the verification by `encode`."""
    decode_seconds: float
    different: list[Path]
    """Originals that were not restored byte for byte."""


def runtime_command() -> tuple[list[str], dict[str, str]]:
    """The installed `runtime` command of this environment, else this checkout's; and the environment to run it in."""
    script = Path(sys.executable).parent / "runtime"
    if script.exists():
        return [str(script)], dict(os.environ)
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))
    return [sys.executable, "-m", "runtime"], {**os.environ, "PYTHONPATH": path}


def package_folder() -> Path:
    """Folder of the package `runtime` that `runtime_command` runs."""
    spec = importlib.util.find_spec("runtime")
    if spec is None or not spec.origin:
        raise RoundTripError("the package is not installed here: pip install .")
    return Path(spec.origin).parent


def round_trip(paths: Sequence[Path], work: Path, encode_options: Sequence[str] = ()) -> RoundTrip:
    """Encode `paths` with one command, decode the results with another one, compare byte for byte.

    Parameters
    ----------
    paths : sequence of Path
        WAVs with different stems.
    work : Path
        Existing folder for the compressed and restored files.
    encode_options : sequence of str
        Passed to `runtime encode`.

    Raises
    ------
    RoundTripError
        A command failed, or two files have the same stem.
    """
    if len({path.stem for path in paths}) != len(paths):
        raise RoundTripError("two of the files have the same name without its suffix; rename one or run them apart")
    packed_folder, restored_folder = work / "packed", work / "restored"
    packed_folder.mkdir()
    restored_folder.mkdir()
    encode_options = ["-q", "--no-verify", "-d", str(packed_folder), *encode_options]
    encode_seconds, _ = _runtime("encode", *encode_options, "--", *map(str, paths))
    packed = [packed_folder / (path.stem + ".mdo") for path in paths]
    decode_seconds, _ = _runtime("decode", "-q", "-d", str(restored_folder), "--", *map(str, packed))
    different = [path for path in paths if not _same(path, restored_folder / path.name)]
    return RoundTrip(
        [path.stat().st_size for path in paths],
        packed,
        [path.stat().st_size for path in packed],
        encode_seconds,
        decode_seconds,
        different,
    )


def info(packed: Sequence[Path]) -> list[dict]:
    """What `runtime info --json` says about compressed files."""
    return json.loads(_runtime("info", "--json", "--", *map(str, packed))[1])


def _runtime(*arguments: str) -> tuple[float, str]:
    """Seconds that the command takes, and its standard output."""
    command, environment = runtime_command()
    start = time.perf_counter()
    result = subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if result.returncode:
        raise RoundTripError(f"runtime {arguments[0]} failed ({result.returncode}): {result.stderr.strip()}")
    return seconds, result.stdout


def _same(original: Path, restored: Path) -> bool:
    return restored.exists() and filecmp.cmp(original, restored, shallow=False)
