"""One target with atheris: python -m fuzzing.guided TARGET SECONDS CORPUS FINDINGS; prints a row and the findings."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import atheris

sys.path.append(str(Path(__file__).resolve().parents[2]))
with atheris.instrument_imports(include=["runtime"]):
    from fuzzing.running import Run


def main() -> None:
    """Fuzz; findings do not end it, the time does."""
    name, seconds, corpus, findings = sys.argv[1:]
    run = Run(name, Path(findings))
    for number, data in enumerate(run.target.seeds()):
        (Path(corpus) / str(number)).write_bytes(data)
        run.once(data, timed=False)  # loads what is loaded once
    end = time.monotonic() + float(seconds)

    def once(data: bytes) -> None:
        run.once(bytes(data))
        if time.monotonic() > end:
            print("\n".join(run.lines()), flush=True)
            os._exit(0)  # the fuzzer goes on for ever, and leaves without the exit handlers of Python

    atheris.Setup([sys.argv[0], corpus, "-max_len=8192", "-rss_limit_mb=8192", "-timeout=600"], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
