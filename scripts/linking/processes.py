"""Source, encoder, radio and decoder as four processes in a row, and what comes out of the last."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
_PIPE = 1 << 20
"""Bytes that a pipe holds, where the system lets us say so."""
_PATIENCE = 120.0
"""Seconds to wait for more decoded frames of the lead."""
_MEASURED = ("encode", "decode")


@dataclass(frozen=True)
class Setting:
    """What runs.

    Attributes
    ----------
    recording : path of int16 [frames, channels]
    channels : the first ones of the recording
    rate : Hz
    block : frames of a packet
    seconds : of the run
    encode, decode : options of the commands
    radio : options of Radio
    kept : channels whose decoded samples are kept
    """

    recording: Path
    channels: int
    rate: int
    block: int
    seconds: float
    encode: list[str]
    decode: list[str]
    radio: dict[str, float]
    kept: np.ndarray

    @property
    def lead(self) -> int:
        """Frames in front of the run, with which processes start: whole blocks of at least half a second."""
        return -(-self.rate // (2 * self.block)) * self.block

    @property
    def held_back(self) -> int:
        """Frames of the lead that may come only with those behind it: two blocks, and what an encoder looks ahead."""
        return 2 * self.block + self.rate // 20

    @property
    def frames(self) -> int:
        """Frames of the run, whole blocks."""
        return max(1, round(self.seconds * self.rate / self.block)) * self.block


@dataclass
class Run:
    """What a run gave. Times are in seconds from the first frame of the run; blocks begin with those of the lead.

    Attributes
    ----------
    late : of the source's pieces, how late they were written
    sent : [packets, 4], block, parity, bytes, time
    arrived : [packets, 3], block, parity, time
    decoded : times of the decoder's blocks
    samples : int16 [frames, kept channels], with the lead
    missing : bool, of blocks
    work : processor time of "encode" and "decode" in seconds, without the start
    messages : standard error of "encode" and "decode"
    """

    late: np.ndarray
    sent: np.ndarray
    arrived: np.ndarray
    decoded: np.ndarray
    samples: np.ndarray
    missing: np.ndarray
    work: dict[str, float]
    messages: dict[str, str] = field(default_factory=dict)


def run(setting: Setting, folder: Path) -> Run:
    """Run all four to the end; files go to a folder."""
    python, here = sys.executable, Path(__file__).parent
    piece = min(setting.block, max(1, setting.rate // 500))
    numbers = (setting.channels, setting.rate, setting.lead, setting.frames, piece)
    spared = setting.lead // setting.block
    shape = ["--channels", setting.channels, "--sample-rate", setting.rate, "--block", setting.block]
    commands = {
        "source": [python, here / "source.py", setting.recording, *numbers, folder / "late.npy"],
        "encode": [python, "-m", "runtime", "stream", "encode", *shape, *setting.encode],
        "radio": [python, here / "carrier.py", json.dumps(setting.radio), folder / "radio.npz", spared],
        "decode": [python, "-m", "runtime", "stream", "decode", "--fill", "hold", *setting.decode],
    }
    started: dict[str, subprocess.Popen] = {}
    with contextlib.ExitStack() as stack:
        pipe = subprocess.PIPE
        for name, command in commands.items():
            errors = stack.enter_context((folder / f"{name}.txt").open("wb"))
            words = list(map(str, command))
            started[name] = subprocess.Popen(words, stdin=pipe, stdout=subprocess.PIPE, stderr=errors, env=_env())
            if name != "source":
                pipe.close()  # so that those in front notice when this process ends
            pipe = _wide(started[name].stdout)
    begin, work, decoded, samples = _collect(setting, started)
    messages = {name: (folder / f"{name}.txt").read_text() for name in commands}
    for name in (*_MEASURED, "radio", "source"):
        if started[name].returncode not in ((0, 1) if name == "decode" else (0,)):
            raise SystemExit(f"{name} failed:\n{messages[name]}")
    radio = np.load(folder / "radio.npz")
    sent, arrived = radio["sent"].astype(float), radio["arrived"].astype(float)
    sent[:, 3] -= begin
    arrived[:, 2] -= begin
    missing = np.isnan(decoded) | _missing(messages["decode"], setting)
    return Run(np.load(folder / "late.npy"), sent, arrived, decoded - begin, samples, missing, work, messages)


def _collect(setting: Setting, started: dict) -> tuple[float, dict, np.ndarray, np.ndarray]:
    """Read what the decoder writes; return the moment of frame 0, processor times, times of blocks, samples."""
    width, total = 2 * setting.channels, setting.lead + setting.frames
    samples, times = np.zeros((total, len(setting.kept)), np.int16), np.full(total // setting.block, np.nan)
    out, frames, rest, begin = started["decode"].stdout.fileno(), 0, b"", None
    before: dict[str, float] = {}
    while True:
        if begin is None and (frames >= setting.lead - setting.held_back or not _comes(out)):
            before = {name: _processor_time(started[name].pid) for name in _MEASURED}
            begin = time.monotonic() + 0.1
            with contextlib.suppress(BrokenPipeError), started["source"].stdin as pipe:
                pipe.write(f"{begin!r}\n".encode())
        data = os.read(out, _PIPE)
        if not data:
            break
        now, data = time.monotonic(), rest + data
        whole, blocks = len(data) // width, frames // setting.block
        rest = data[whole * width :]
        piece = np.frombuffer(data, "<i2", whole * setting.channels).reshape(whole, setting.channels)
        samples[frames : frames + whole] = piece[:, setting.kept]
        frames += whole
        times[blocks : frames // setting.block] = now
    with contextlib.suppress(BrokenPipeError):
        started["source"].stdin.close()
    work = {}
    for name, made in started.items():
        _, status, used = os.wait4(made.pid, 0)
        made.returncode = os.waitstatus_to_exitcode(status)
        work[name] = used.ru_utime + used.ru_stime - before.get(name, 0.0)
    started["decode"].stdout.close()
    return begin or 0.0, {name: work[name] for name in _MEASURED}, times, samples


def _comes(out: int) -> bool:
    """Return whether something can be read before long."""
    ready, _, _ = select.select([out], [], [], _PATIENCE)
    return bool(ready)


def _env() -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}


def _wide(pipe):
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
    return pipe


def _processor_time(process: int) -> float:
    """Return the seconds that a process has worked so far (Linux; elsewhere 0)."""
    path = Path(f"/proc/{process}/stat")
    if not path.exists():
        return 0.0
    fields = path.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _missing(messages: str, setting: Setting) -> np.ndarray:
    """Return which blocks the decoder says are missing."""
    missing = np.zeros((setting.lead + setting.frames) // setting.block, bool)
    for first, last in re.findall(r"frames (\d+) to (\d+) are missing", messages):
        missing[int(first) // setting.block : int(last) // setting.block + 1] = True
    return missing
