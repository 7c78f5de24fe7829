"""Write simulated implant recordings: `python -m training.simulate -o DIR --files 4 --seconds 5`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .arrays import ArraySimulation, write_array
from .channels import RATE, write_wavs


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser("python -m training.simulate", description="Write simulated implant recordings.")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="folder to write into")
    parser.add_argument("--files", type=int, default=4, metavar="N")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S")
    parser.add_argument("--channels", type=int, default=1, metavar="N", help="more than one: an array")
    parser.add_argument("--npy", action="store_true", help="write arrays as .npy [time, channel] instead of WAV")
    parser.add_argument("--hum", type=int, default=50, choices=(0, 50, 60), help="Hz, of arrays (default: 50)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the first file; the others follow")
    options = parser.parse_args(arguments)
    if options.channels == 1 and not options.npy:
        print(*write_wavs(options.out, options.files, options.seconds, options.seed), sep="\n")
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    for number in range(options.seed, options.seed + options.files):
        made = ArraySimulation(round(options.seconds * RATE), options.channels, RATE, number, options.hum)
        path = options.out / f"simulated-{options.channels}-{number:04d}{'.npy' if options.npy else '.wav'}"
        write_array(path, made)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
