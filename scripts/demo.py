"""Compress, restore and compare WAVs with the installed command, and print the result beside other compressors."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).resolve().parent.parent))

from roundtrip import RoundTrip, RoundTripError, round_trip

from training import baselines
from training.simulate import write_wavs

SIMULATED_FILES = 4
SIMULATED_SECONDS = 5.0
DETAIL_UP_TO = 20


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE.wav", help="default: simulated recordings")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 130, highlight=False)
    for path in options.files:
        if not path.is_file():
            parser.error(f"no such file: {path}")
    with tempfile.TemporaryDirectory() as folder:
        paths = options.files or write_wavs(Path(folder) / "simulated", SIMULATED_FILES, SIMULATED_SECONDS)
        try:
            ours = round_trip(paths, Path(folder))
            others = baselines.measure_all(paths, decode=True)
        except (RoundTripError, baselines.BaselineError) as error:
            console.print(str(error), markup=False)
            return 1
        what = f"{len(paths)} recording(s)" if options.files else f"{len(paths)} simulated recordings"
        console.print(totals_table(what, ours, others))
        if len(paths) <= DETAIL_UP_TO:
            console.print(files_table(paths, ours, others))
        return report(console, ours)


def totals_table(what: str, ours: RoundTrip, others: dict[str, list[baselines.Measurement]]) -> Table:
    """Everything in sum, one line a compressor."""
    original = sum(ours.original_bytes)
    table = Table(
        title=f"{what}, {original:,} bytes as WAV",
        caption="middleout: the WAVs in one command; the others: their codes (the fair way), one process a file.",
    )
    table.add_column("compressor")
    for column in ("bytes", "ratio", "encode s", "decode s"):
        table.add_column(column, justify="right")

    def row(name: str, size: int, encode: float, decode: float, style: str | None = None) -> None:
        table.add_row(name, f"{size:,}", ratio(original, size), f"{encode:.2f}", f"{decode:.2f}", style=style)

    row("middleout", sum(ours.packed_bytes), ours.encode_seconds, ours.decode_seconds, "bold")
    for name, results in others.items():
        row(
            name,
            sum(result.bytes for result in results),
            sum(result.encode_seconds for result in results),
            sum(result.decode_seconds for result in results),
        )
    for name in baselines.missing():
        table.add_row(name, "not installed")
    return table


def files_table(paths: Sequence[Path], ours: RoundTrip, others: dict[str, list[baselines.Measurement]]) -> Table:
    """Ratio of every recording, one column a compressor."""
    table = Table(title="Ratio of each recording")
    table.add_column("recording", overflow="ellipsis", no_wrap=True)
    for name in ("WAV bytes", "middleout", *others):
        table.add_column(name, justify="right", min_width=5)
    for number, path in enumerate(paths):
        original = ours.original_bytes[number]
        sizes = [ours.packed_bytes[number], *(results[number].bytes for results in others.values())]
        table.add_row(path.stem, f"{original:,}", *(ratio(original, size) for size in sizes))
    return table


def ratio(original: int, size: int) -> str:
    return f"{original / size:.3f}" if size else "-"


def report(console: Console, ours: RoundTrip) -> int:
    if ours.different:
        names = ", ".join(map(str, ours.different))
        console.print(f"NOT restored byte for byte: {names}", style="bold red", markup=False)
        return 1
    console.print("All restored byte for byte.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
