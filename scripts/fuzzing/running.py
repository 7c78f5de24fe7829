"""Running a target on inputs, and what is found."""

from __future__ import annotations

import hashlib
import itertools
import random
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from .inputs import mutated
from .targets import TARGETS

SLOW = 2.0
"""Seconds of the processor from which on an input is a finding."""


def peak_megabytes() -> float:
    """Return the most memory that this process has had."""
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1 << 20 if sys.platform == "darwin" else 1 << 10)


@dataclass
class Tally:
    """What came of a target's inputs.

    Attributes
    ----------
    inputs, refused : int
        All, and those that raised an error of the package.
    slowest : float
        Seconds of the processor that the slowest one took.
    findings : dict of str to str
        Names of the files that were written, and what happened.
    """

    inputs: int = 0
    refused: int = 0
    slowest: float = 0.0
    findings: dict[str, str] = field(default_factory=dict)


class Run:
    """Inputs of one target, of which findings are kept in a folder.

    Parameters
    ----------
    name : of the target
    folder : Path or None
        Where to write inputs that are findings.
    """

    def __init__(self, name: str, folder: Path | None = None):
        self.name, self.target, self.tally = name, TARGETS[name], Tally()
        self._folder, self._kinds = folder, set[str]()

    def once(self, data: bytes, timed: bool = True) -> None:
        """Run one input; `timed` says whether it may be found slow."""
        begun, text = time.process_time(), None
        try:
            self.target.run(data)
        except self.target.errors:
            self.tally.refused += 1
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
        seconds = time.process_time() - begun
        self.tally.inputs += 1
        if timed:
            self.tally.slowest = max(self.tally.slowest, seconds)
        if text is None and timed and seconds > SLOW:
            text = f"slow: {seconds:.1f} s"
        if text is not None:
            self._keep(data, text)

    def by_chance(self, seconds: float, seed: int, most: int | None = None) -> None:
        """Run the target's seeds and inputs made of them until the time is over, or so many."""
        seeds, rng = self.target.seeds(), random.Random(f"{seed} {self.name}")
        end = time.perf_counter() + seconds
        for number in itertools.count():
            if time.perf_counter() > end or number == most:
                return
            half, odd = divmod(number, 2)
            known = not odd and half < len(seeds)  # loads what is loaded once, and may take its time
            self.once(seeds[half] if known else mutated(seeds, rng), timed=not known)

    def lines(self) -> list[str]:
        """Return the figures of the tally in one line, then a line for each finding."""
        tally = self.tally
        row = f"{tally.inputs} {tally.refused} {tally.slowest:.2f} {peak_megabytes():.0f}"
        return [row, *(f"{found}: {text}" for found, text in tally.findings.items())]

    def _keep(self, data: bytes, text: str) -> None:
        """Keep one input of each kind of finding."""
        kind = text.rpartition("(")[2] if "(" in text else text[:4]
        if kind in self._kinds:
            return
        self._kinds.add(kind)
        name = f"{self.name}-{hashlib.sha256(data).hexdigest()[:12]}"
        self.tally.findings[name] = text
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / name).write_bytes(data)
