"""Tables of figures, printed and written for docs/results; where the recordings are.

Importing this module puts the checkout on the path, so that scripts find `runtime` (where it is not installed) and
`training`.
"""

from __future__ import annotations

import argparse
import datetime
import os
import shlex
import string
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))
WIDTH = 120
DATA = Path(os.environ.get("MIDDLEOUT_DATA", ROOT.parent / "shared" / "data"))


def parser(doc: str, data: bool = True) -> argparse.ArgumentParser:
    """Return a parser with the options of every script that prints tables.

    Parameters
    ----------
    doc
        The script's docstring.
    data
        Whether recordings are read from a folder.
    """
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if data:
        made.add_argument("data", nargs="?", type=Path, default=DATA, metavar="DATA_DIR", help="default: %(default)s")
    made.add_argument("--output", type=Path, metavar="FILE.md", help="write the tables too, e.g. docs/results/NAME.md")
    return made


def markdown(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table of lines of at most `WIDTH` characters; all columns but the first are aligned right.

    Where names are too long for that, rows have numbers, and headings letters, that are explained above.
    """
    columns, rows = list(columns), [list(map(str, row)) for row in rows]
    legend = []
    if width(columns, rows) > WIDTH:
        legend += [f"{number}. {row[0]}" for number, row in enumerate(rows, 1)]
        rows, columns[0] = [[str(number), *row[1:]] for number, row in enumerate(rows, 1)], "#"
    if width(columns, rows) > WIDTH:
        letters = string.ascii_uppercase[: len(columns) - 1]
        legend += [""] + [f"* {letter}: {name}" for letter, name in zip(letters, columns[1:])]
        columns = ["#", *letters]
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join([*legend, *[""] * bool(legend), *("| " + " | ".join(line) + " |" for line in lines)])


def width(columns: list[str], rows: list[list[str]]) -> int:
    """Return the length of a table's longest line."""
    return max(sum(map(len, line)) + 3 * len(line) + 1 for line in (columns, *rows))


def command() -> str:
    """Return the command line that runs, without folders of this machine and without --output."""
    script, *arguments = sys.argv
    if "--output" in arguments:
        at = arguments.index("--output")
        del arguments[at : at + 2]
    arguments = [Path(part).name if Path(part).is_absolute() else part for part in arguments]
    return shlex.join([f"scripts/{Path(script).name}", *arguments])


def wrapped(text: str, indent: str = "") -> str:
    """Return a paragraph in lines of a page."""
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


class Results:
    """Print lines and tables, and write them all to a file at the end.

    Parameters
    ----------
    title
        Of the page, naming the data.
    output
        The file, or None.
    """

    def __init__(self, title: str, output: Path | None):
        self.output, self.parts = output, [f"# {title}"]
        text = f"Measured by `{command()}` on {datetime.date.today()}. All bytes are counted."
        self.parts.append(wrapped(text))
        print(f"{title}\n", flush=True)

    def add(self, text: str) -> None:
        """Print and keep a paragraph."""
        self.parts.append(text)
        print(f"{text}\n", flush=True)

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print and keep a table."""
        self.add(f"{title}:\n\n{markdown(columns, rows)}" if title else markdown(columns, rows))

    def save(self) -> None:
        """Write the file, if one is wanted."""
        if self.output:
            self.output.parent.mkdir(parents=True, exist_ok=True)
            self.output.write_text("\n\n".join(self.parts) + "\n", encoding="utf-8")


class Section(Results):
    """A section of docs/results/reliability.md; saving puts it in place of that with its heading, or at the end."""

    def save(self) -> None:
        """Write the section, if it is wanted."""
        if not self.output:
            return
        page = self.output.read_text(encoding="utf-8") if self.output.exists() else "# Reliability\n"
        before, _, rest = page.partition(f"\n#{self.parts[0]}\n")
        behind = "".join(rest.partition("\n## ")[1:])
        section = "\n\n".join([f"#{self.parts[0]}", *self.parts[1:]])
        self.output.write_text(f"{before.rstrip()}\n\n{section}\n{behind}", encoding="utf-8")


def size_rows(sizes: dict[str, list[int]], originals: Sequence[int], samples: int) -> list[list[str]]:
    """Return rows of coder, bytes, bits per sample, ratio to the originals, and mean of the ratios."""
    rows = []
    for name, column in sizes.items():
        total = sum(column)
        mean = sum(a / b for a, b in zip(originals, column, strict=True)) / len(column)
        rows.append([name, f"{total:,}", f"{8 * total / samples:.4f}", f"{sum(originals) / total:.4f}", f"{mean:.4f}"])
    return rows


SIZE_COLUMNS = ("coder", "bytes", "bits per sample", "ratio to the WAVs", "mean of ratios")
