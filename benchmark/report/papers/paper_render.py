"""A paper's tables in the formats people and programs read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from benchmark.errors import unknown
from benchmark.report.papers.paper import PaperTable
from benchmark.report.papers.paper_sheet import Sheet, sheet
from benchmark.report.tables.latex import escaped

if TYPE_CHECKING:
    from rich.console import Console


def render(tables: Sequence[PaperTable], format: str = "rich",
           console: Console | None = None) -> str | None:
    """Print `tables` on `console` (format `rich`), or return them as text (any other format).

    Raises `RequestError` for a format that is none of rich, md, csv, latex, html and json.
    """
    if format == "rich":
        from benchmark.report.papers.paper_terminal import show
        show([sheet(table) for table in tables], console)
        return None
    if format in PROGRAMS:
        return PROGRAMS[format](tables)
    if format not in PEOPLE:
        raise unknown("format", format, ["rich", *PEOPLE, *PROGRAMS])
    return "\n".join(PEOPLE[format](sheet(table)) for table in tables)


def markdown(shown: Sheet) -> str:
    """A heading, a table, notes, and the missing runs as a block of commands."""
    rule = [":--", ":--", *["--:"] * (len(shown.headings) - 2)]
    lines = [f"## {_plain(shown.title)}", "", _pipes(map(_plain, shown.headings)), _pipes(rule),
             *(_pipes(map(_plain, line)) for block in shown.blocks for line in block), "",
             *(f"- {_plain(note)}" for note in shown.notes), ""]
    if shown.commands:
        lines += ["Missing runs:", "", *(f"    {text}" for text in shown.numbered), ""]
    return "\n".join(lines)


def latex(shown: Sheet) -> str:
    """A table environment; needs `\\usepackage{booktabs}`. Missing runs follow as comments."""
    about = " ".join([f"{shown.title}.", *shown.notes])
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{escaped(about)}}}",
             rf"\begin{{tabular}}{{ll{'r' * (len(shown.headings) - 2)}}}", r"\toprule",
             _ampersands(shown.headings)]
    for block in shown.blocks:
        lines += [r"\midrule", *map(_ampersands, block)]
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join([*lines, *(f"% missing {text}" for text in shown.numbered), ""])


def html(shown: Sheet) -> str:
    """A fragment: a <figure> with one <tbody> per method."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in shown.headings)
    bodies = ["<tbody>\n" + "\n".join(map(_html_row, block)) + "\n</tbody>"
              for block in shown.blocks]
    notes = "".join(f"<li>{escape(note)}</li>" for note in shown.notes)
    parts = ["<figure>", "<table>", f"<caption>{escape(shown.title)}</caption>",
             f"<thead><tr>{head}</tr></thead>", *bodies, "</table>",
             f'<ul class="notes">{notes}</ul>']
    if shown.commands:
        commands = escape("\n".join(shown.numbered))
        parts.append(f'<p>Missing runs:</p>\n<pre class="missing">{commands}</pre>')
    return "\n".join([*parts, "</figure>", ""])


def missing(tables: Sequence[PaperTable]) -> list[str]:
    """The commands of all runs that are missing, each once."""
    holes = [command for table in tables for pairs in table.rows.values() for pair in pairs
             for command in pair.here.commands]
    return list(dict.fromkeys([*holes, *(each for table in tables for each in table.incomplete)]))


def tidy_csv(tables: Sequence[PaperTable]) -> str:
    """One line per cell: what the paper says of it, what is measured, and what is missing."""
    lines = [{"table": table.title, "place": table.place, "embedded": table.embedded,
              **cell, "missing": "; ".join(cell["missing"])}
             for table in tables for cell in _cells(table)]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return buffer.getvalue()


def as_json(tables: Sequence[PaperTable]) -> str:
    """Everything the tables hold, as strict JSON."""
    content = [{"table": table.title, "place": table.place, "embedded": table.embedded,
                "cells": _cells(table), "notes": table.notes, "incomplete": table.incomplete}
               for table in tables]
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


PEOPLE: dict[str, Callable[[Sheet], str]] = {"md": markdown, "latex": latex, "html": html}
PROGRAMS: dict[str, Callable[[Sequence[PaperTable]], str]] = {"csv": tidy_csv, "json": as_json}


def _cells(table: PaperTable) -> list[dict[str, Any]]:
    return [{"method": method, "task": column.task, "metric": column.metric, "unit": column.unit,
             "higher_is_better": column.higher_is_better, "baseline": column.baseline,
             "published": pair.paper.number if pair.paper else None,
             "status": pair.paper.status if pair.paper else "not in the paper",
             "source": pair.paper.source if pair.paper else "",
             "mean": pair.here.mean, "std": pair.here.std, "n": pair.here.n,
             "difference": pair.difference, "missing": pair.here.commands,
             "reason": pair.here.reason}
            for method, pairs in table.rows.items()
            for column, pair in zip(table.columns, pairs, strict=True)]


def _pipes(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    for character in "\\`*_[]|<>#":
        text = text.replace(character, f"\\{character}")
    return text


def _ampersands(cells: Sequence[str]) -> str:
    return f"{' & '.join(map(escaped, cells))} \\\\"


def _html_row(line: Sequence[str]) -> str:
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in line[1:])
    return f'<tr><th scope="row">{escape(line[0])}</th>{cells}</tr>'
