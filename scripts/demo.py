"""Compress, restore and compare WAVs with the installed command, and print the result beside other compressors."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from results import Results, parser
from roundtrip import RoundTripError, round_trip

from training.evaluation import baselines
from training.simulate import write_wavs

SIMULATED_FILES, SIMULATED_SECONDS = 4, 5.0


def main(arguments: list[str] | None = None) -> int:
    """Run the demo."""
    made = parser(__doc__, data=False)
    made.add_argument("files", nargs="*", type=Path, metavar="FILE.wav", help="default: simulated recordings")
    options = made.parse_args(arguments)
    for path in options.files:
        if not path.is_file():
            made.error(f"no such file: {path}")
    with tempfile.TemporaryDirectory() as folder:
        paths = options.files or write_wavs(Path(folder) / "simulated", SIMULATED_FILES, SIMULATED_SECONDS)
        try:
            ours = round_trip(paths, Path(folder))
            others = baselines.measure_all(paths, decode=True)
        except (RoundTripError, baselines.BaselineError) as error:
            print(error, file=sys.stderr)
            return 1
    original = sum(ours.original_bytes)

    def row(name: str, size: int, encode: float, decode: float) -> list[str]:
        return [name, f"{size:,}", f"{original / size:.3f}", f"{encode:.2f}", f"{decode:.2f}"]

    rows = [row("middleout", sum(ours.packed_bytes), ours.encode.seconds, ours.decode.seconds)]
    for name, found in others.items():
        seconds = (sum(getattr(m, f"{what}_seconds") for m in found) for what in ("encode", "decode"))
        rows.append(row(name, sum(m.bytes for m in found), *seconds))
    rows += [[name, "not installed", "", "", ""] for name in baselines.missing()]
    what = "" if options.files else "simulated "
    results = Results(f"{len(paths)} {what}recording(s), {original:,} bytes as WAV", options.output)
    results.table("", ("compressor", "bytes", "ratio", "encode s", "decode s"), rows)
    results.add("middleout: the WAVs in one command; the others: their codes (the fair way), one process a file.")
    results.add(ours.summary())
    results.save()
    return bool(ours.different)


if __name__ == "__main__":
    sys.exit(main())
