"""HTML of a page that stands alone: no script, no font and no picture comes from elsewhere."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

MOST_BYTES = 2_000_000
"""Of a page."""

_STYLE = """
:root { --ink: #1f2933; --soft: #52606d; --line: #e4e7eb; --good: #2e7d4f; --lossy: #b7791f; --bad: #c2352b; }
* { box-sizing: border-box; }
body { font: 15px/1.55 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: var(--ink); background: #f5f7fa;
  margin: 0; }
main { max-width: 1060px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 24px; margin: 0 0 2px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 44px 0 10px; overflow-wrap: anywhere; }
h3 { font-size: 15.5px; margin: 0 0 6px; }
p { margin: 6px 0; max-width: 105ch; }
.soft, figcaption { color: var(--soft); }
.card { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 16px 20px; margin: 14px 0; }
.verdict { border-left: 6px solid var(--good); }
.verdict h3 { font-size: 18px; color: var(--good); }
.verdict.lossy { border-color: var(--lossy); } .verdict.lossy h3 { color: var(--lossy); }
.verdict.bad { border-color: var(--bad); } .verdict.bad h3 { color: var(--bad); }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 10px; margin: 14px 0; }
.numbers div { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 10px 14px; }
.numbers b { display: block; font-size: 20px; font-weight: 600; }
.numbers span { color: var(--soft); font-size: 13px; }
code { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 13px; overflow-wrap: anywhere; }
img { width: 100%; height: auto; display: block; margin-top: 8px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); vertical-align: middle; }
th { color: var(--soft); font-weight: 500; font-size: 13px; }
td.n, th.n { text-align: right; white-space: nowrap; }
td.bar { width: 45%; } td.bar i { display: block; height: 14px; background: #b8c7d9; border-radius: 3px; }
tr.own td { font-weight: 600; } tr.own td.bar i { background: #2f6db5; }
.scroll { overflow-x: auto; }
td .good { color: var(--good); } td .lossy { color: var(--lossy); } td .bad { color: var(--bad); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
details summary { cursor: pointer; color: var(--soft); }
a { color: #2f6db5; }
"""


def text(value: object) -> str:
    """Return text as HTML; characters that can't be printed become question marks."""
    return html.escape("".join(char if char.isprintable() else "?" for char in str(value)))


def document(title: str, body: str) -> str:
    """Return a whole page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{_STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )


def paragraph(words: str, kind: str = "") -> str:
    """Return a paragraph."""
    return f'<p class="{kind}">{text(words)}</p>' if kind else f"<p>{text(words)}</p>"


def card(title: str, *parts: str, kind: str = "") -> str:
    """Return a box with a heading and HTML."""
    return f'<section class="card {kind}"><h3>{text(title)}</h3>{"".join(parts)}</section>'


def picture(title: str, uri: str) -> str:
    """Return a figure by its data URI."""
    return f'<img alt="{text(title)}" src="{uri}">'


def numbers(pairs: Iterable[tuple[str, str]]) -> str:
    """Return large figures with what they are below."""
    boxes = "".join(f"<div><b>{text(value)}</b><span>{text(name)}</span></div>" for value, name in pairs)
    return f'<div class="numbers">{boxes}</div>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and what they are, line by line."""
    return f"<dl>{''.join(f'<dt>{text(name)}</dt><dd>{text(value)}</dd>' for name, value in pairs)}</dl>"


def bars(rows: Sequence[tuple[str, float | None, list[str]]], headings: Sequence[str]) -> str:
    """Return a table with a bar in each row, the first of which is this project's.

    Parameters
    ----------
    rows : name, length of the bar (None for none), and the cells behind it
    headings : of all columns but the bars
    """
    top = max((length for _, length, _ in rows if length), default=1.0)
    made = "".join(_bar_row(number, row, top) for number, row in enumerate(rows))
    first, *others = headings
    head = f"<tr><th>{text(first)}</th><th></th>" + "".join(f'<th class="n">{text(one)}</th>' for one in others)
    return f"<table>{head}</tr>{made}</table>"


def _bar_row(number: int, row: tuple[str, float | None, list[str]], top: float) -> str:
    name, length, cells = row
    own = ' class="own"' if number == 0 else ""
    if length is None:
        return f'<tr class="soft"><td>{text(name)}</td><td colspan="{1 + len(cells)}">{text(cells[0])}</td></tr>'
    bar = f'<td class="bar"><i style="width:{100 * length / top:.1f}%"></i></td>'
    return (
        f"<tr{own}><td>{text(name)}</td>{bar}" + "".join(f'<td class="n">{text(one)}</td>' for one in cells) + "</tr>"
    )


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of HTML cells; all but the first two columns are aligned right."""
    kinds = ["" if column < 2 else ' class="n"' for column in range(len(headings))]
    head = "".join(f"<th{kind}>{text(one)}</th>" for kind, one in zip(kinds, headings, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{one}</td>" for kind, one in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'
