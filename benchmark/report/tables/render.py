"""Tables in the formats people and programs read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from html import escape
from typing import TYPE_CHECKING

from benchmark.errors import unknown
from benchmark.report.runs.grid import RunKey
from benchmark.report.tables.latex import latex
from benchmark.report.tables.layout import Text, layout, missing_runs, notes, one_line
from benchmark.report.tables.table import Table

if TYPE_CHECKING:
    from rich.console import Console


def render(tables: Sequence[Table], format: str = "rich",
           console: Console | None = None) -> str | None:
    """Print `tables` on `console` (format `rich`), or return them as text (any other format).

    Raises `RequestError` for a format that is none of rich, md, csv, latex, html and json.
    """
    if format == "rich":
        from benchmark.report.tables.terminal import show
        show(tables, console)
        return None
    if format not in WRITERS:
        raise unknown("format", format, ["rich", *WRITERS])
    return WRITERS[format](tables)


def markdown(tables: Sequence[Table]) -> str:
    """A heading, a table with bounds in italics, and notes for each table.

    The best of a column is bold; Markdown has no underline for the second best.
    """
    return "\n".join(_markdown_one(table) for table in tables)


def tidy_csv(tables: Sequence[Table]) -> str:
    """One line per table, method and column: the same header whatever the tasks are."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["table", "sequence", "convention", "baseline", "method", "bound", "column",
                     "unit", "higher_is_better", "mean", "std", "low", "high", "n", "seeds",
                     "runs", "missing_runs", "reason"])
    for table in tables:
        for row in table.rows:
            seeds = sorted({seed for _, seed in row.runs})
            for column in table.columns:
                cell = row.cells[column.key]
                low, high = ((cell.interval.low, cell.interval.high) if cell.interval
                             else (None, None))
                writer.writerow([table.title, table.sequence, table.convention, table.baseline,
                                 row.label, row.bound, column.key, column.unit,
                                 column.higher_is_better, cell.mean, cell.std, low, high, cell.n,
                                 " ".join(map(str, seeds)), _runs(row.runs), _runs(row.missing),
                                 cell.reason])
    return buffer.getvalue()


def _runs(runs: Sequence[RunKey]) -> str:
    return " ".join(f"{sequence}:{seed}" for sequence, seed in runs)


def html(tables: Sequence[Table]) -> str:
    """A fragment: one <table> per table, bounds in a <tbody> of their own.

    The best of a column is <strong>, the second best underlined.
    """
    return "\n".join(_html_one(table) for table in tables)


def as_json(tables: Sequence[Table]) -> str:
    """Everything a table holds, as strict JSON."""
    return json.dumps([asdict(table) for table in tables], indent=1, allow_nan=False,
                      ensure_ascii=False) + "\n"


WRITERS: dict[str, Callable[[Sequence[Table]], str]] = {
    "md": markdown, "csv": tidy_csv, "latex": latex, "html": html, "json": as_json}


def _markdown_one(table: Table) -> str:
    shown = layout(table)
    lines = [f"## {_plain(one_line(table.title))}", "",
             _pipes([_plain(name) for name in shown.headings]),
             _pipes([":--", *["--:"] * (len(shown.headings) - 1)])]
    for line in shown.lifelong:
        lines.append(_pipes([_markdown_cell(cell) for cell in line]))
    for line in shown.bounds:
        lines.append(_pipes([f"*{_plain(line[0].text)}*", *map(_markdown_cell, line[1:])]))
    lines += ["", _plain(one_line(table.caption)), ""]
    lines += [f"- {_plain(note)}" for note in notes(table)] + ([""] if table.notes else [])
    if table.holes:
        lines += ["Missing runs:", "", *(f"    {command}" for command in missing_runs(table)), ""]
    return "\n".join(lines)


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_cell(cell: Text) -> str:
    return f"**{_plain(cell.text)}**" if cell.strong else _plain(cell.text)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    for character in "\\`*_[]|<>#":
        text = text.replace(character, f"\\{character}")
    return text


def _html_one(table: Table) -> str:
    shown = layout(table)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in shown.headings)
    parts = ["<figure>", "<table>", f"<caption>{escape(table.title)}</caption>",
             f"<thead><tr>{head}</tr></thead>"]
    for name, block in (("lifelong", shown.lifelong), ("bounds", shown.bounds)):
        if block:
            rows = "\n".join(_html_row(line) for line in block)
            parts.append(f'<tbody class="{name}">\n{rows}\n</tbody>')
    parts += ["</table>", f"<figcaption>{escape(table.caption)}</figcaption>"]
    if table.notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in notes(table))
        parts.append(f'<ul class="notes">{items}</ul>')
    if table.holes:
        commands = escape("\n".join(missing_runs(table)))
        parts.append(f'<p>Missing runs:</p>\n<pre class="missing">{commands}</pre>')
    return "\n".join([*parts, "</figure>", ""])


def _html_row(line: Sequence[Text]) -> str:
    cells = [_html_cell(cell) for cell in line]
    data = "".join(f"<td>{cell}</td>" for cell in cells[1:])
    return f'<tr><th scope="row">{cells[0]}</th>{data}</tr>'


def _html_cell(cell: Text) -> str:
    text = escape(cell.text)
    if cell.strong:
        return f"<strong>{text}</strong>"
    return f"<u>{text}</u>" if cell.underlined else text
