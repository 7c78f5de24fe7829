"""Encode, decode and compare recordings through the public command line."""

from __future__ import annotations

import contextlib
import filecmp
import importlib.util
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from results import ROOT


class RoundTripError(RuntimeError):
    """The command line failed, or files cannot be told apart by name."""


@dataclass(frozen=True)
class Usage:
    """What a command took."""

    seconds: float
    megabytes: float
    """Peak; nan where the system does not tell."""
    processor: float
    """Seconds on all cores, user and system; nan likewise."""


@dataclass(frozen=True)
class RoundTrip:
    """What came out; lists are in the order of the paths given."""

    original_bytes: list[int]
    packed: list[Path]
    packed_bytes: list[int]
    encode: Usage
    """For all files in one command, start of the interpreter included."""
    decode: Usage
    different: list[Path]
    """Originals that were not restored byte for byte."""

    def summary(self) -> str:
        """Return times, and whether all files came back."""
        times = f"Encode {self.encode.seconds:.1f} s, decode {self.decode.seconds:.1f} s, one command each."
        if self.different:
            return f"{times} NOT restored byte for byte: {', '.join(map(str, self.different))}"
        return f"{times} All restored byte for byte."


def runtime_command() -> tuple[list[str], dict[str, str]]:
    """Return the installed `runtime` command, else this checkout's; and the environment to run it in."""
    script = Path(sys.executable).parent / "runtime"
    if script.exists():
        return [str(script)], dict(os.environ)
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))
    return [sys.executable, "-m", "runtime"], {**os.environ, "PYTHONPATH": path}


def package_folder() -> Path:
    """Return the folder of the package `runtime` that `runtime_command` runs."""
    spec = importlib.util.find_spec("runtime")
    if spec is None or not spec.origin:
        raise RoundTripError("the package is not installed here: pip install .")
    return Path(spec.origin).parent


Command = tuple[list[str], dict[str, str]]
"""Words that a command line of `runtime` begins with, and its environment."""


def round_trip(
    paths: Sequence[Path],
    work: Path,
    options: Sequence[str] = (),
    jobs: int | None = None,
    command: Command | None = None,
) -> RoundTrip:
    """Encode files with one command, decode the results with another one, compare byte for byte.

    Parameters
    ----------
    paths
        Recordings with different stems.
    work
        Existing folder for the compressed and restored files.
    options
        Of `runtime encode`, which does not verify unless they hold "--verify".
    jobs
        Threads (default: one for each core).
    command
        What is run, instead of `runtime_command()`.

    Raises
    ------
    RoundTripError
        A command failed, or two files have the same stem.
    """
    if len({path.stem for path in paths}) != len(paths):
        raise RoundTripError("two of the files have the same name without its suffix; rename one or run them apart")
    packed_folder, restored_folder = work / "packed", work / "restored"
    verify = [] if "--verify" in options else ["--no-verify"]
    common = ["-q", "-f", *(["--jobs", str(jobs)] if jobs else [])]
    more = [*verify, *(option for option in options if option != "--verify")]
    packed_folder.mkdir(exist_ok=True)
    restored_folder.mkdir(exist_ok=True)
    encode = run("encode", *common, *more, "-d", str(packed_folder), "--", *map(str, paths), command=command)
    packed = [packed_folder / (path.stem + ".mdo") for path in paths]
    decode = run("decode", *common, "-d", str(restored_folder), "--", *map(str, packed), command=command)
    different = [path for path in paths if not same(path, restored_folder / path.name)]
    sizes = ([path.stat().st_size for path in some] for some in (paths, packed))
    return RoundTrip(next(sizes), packed, next(sizes), encode, decode, different)


def info(packed: Sequence[Path]) -> list[dict]:
    """Return what `runtime info --json` prints about compressed files."""
    command, environment = runtime_command()
    arguments = [*command, "info", "--json", "--", *map(str, packed)]
    return json.loads(subprocess.run(arguments, env=environment, capture_output=True, check=True).stdout)


def run(*arguments: str, command: Command | None = None) -> Usage:
    """Run a `runtime` command."""
    words, environment = command or runtime_command()
    return execute([*words, *arguments], environment)


def execute(words: Sequence[str], environment: dict[str, str]) -> Usage:
    """Run a command line; `RoundTripError` if it fails."""
    processor, start, peaks = float("nan"), time.perf_counter(), [float("nan")]
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as process:
        watcher = threading.Thread(target=_watch, args=(process.pid, peaks))
        watcher.start()
        message = process.stderr.read()
        if hasattr(os, "wait4"):
            _, status, used = os.wait4(process.pid, 0)
            process.returncode, processor = os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
        seconds = time.perf_counter() - start
    watcher.join()
    if process.returncode:
        raise RoundTripError(f"{shlex.join(words)} failed ({process.returncode}): {message.strip()}")
    return Usage(seconds, peaks[-1], processor)


def _watch(process: int, peaks: list[float]) -> None:
    """Note the peak memory of a process until it ends (Linux). That which the system tells at its end would include the
    memory of the process that started it."""
    status = Path(f"/proc/{process}/status")
    with contextlib.suppress(OSError, IndexError):
        while True:
            peaks.append(int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024)
            time.sleep(0.01)


def same(original: Path, restored: Path) -> bool:
    """Return whether two files hold the same bytes."""
    return restored.exists() and filecmp.cmp(original, restored, shallow=False)
