"""A paper's tables in the formats people and programs read."""

from __future__ import annotations

import csv
import io
import json
import string
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from benchmark.errors import unknown
from benchmark.report.latex import escaped
from benchmark.report.names import METRIC_NAMES, heading
from benchmark.report.paper import Pair, PaperTable
from benchmark.report.paper_data import Published

if TYPE_CHECKING:
    from rich.console import Console

NAMES = {"delta": "Δ", "rank": "mean rank", "parameters_saved": "extra parameters saved",
         "miou_gain": "mIoU gain", **METRIC_NAMES}
NOTHING = "—"


@dataclass(frozen=True)
class Sheet:
    """A table as text: a block of lines per method, and what its cells point to."""

    title: str
    headings: list[str]
    blocks: list[list[list[str]]]
    notes: list[str]
    commands: list[str]
    """Missing runs, numbered from 1 in the cells."""


def render(tables: Sequence[PaperTable], format: str = "rich",
           console: Console | None = None) -> str | None:
    """Print `tables` on `console` (format `rich`), or return them as text (any other format).

    Raises `RequestError` for a format that is none of rich, md, csv, latex, html and json.
    """
    if format == "rich":
        _show([sheet(table) for table in tables], console)
        return None
    if format in PROGRAMS:
        return PROGRAMS[format](tables)
    if format not in PEOPLE:
        raise unknown("format", format, ["rich", *PEOPLE, *PROGRAMS])
    return "\n".join(PEOPLE[format](sheet(table)) for table in tables)


def sheet(table: PaperTable) -> Sheet:
    """The text of `table`, the same for every format that people read."""
    cells = [pair.here for pairs in table.rows.values() for pair in pairs]
    commands = list(dict.fromkeys(each for cell in cells for each in cell.commands))
    reasons = list(dict.fromkeys(cell.reason for cell in cells if cell.reason))
    marks = dict(zip(reasons, string.ascii_lowercase, strict=False))
    numbers = {command: number for number, command in enumerate(commands, start=1)}
    decimals = [_decimals([pairs[index].paper for pairs in table.rows.values()], column)
                for index, column in enumerate(table.columns)]

    def here(pair: Pair, digits: int, seeds: int) -> str:
        if pair.here.commands:
            return f"missing [{_ranges(sorted(numbers[each] for each in pair.here.commands))}]"
        if pair.here.mean is None:
            return f"none [{marks[pair.here.reason]}]"
        text = _number(pair.here.mean, digits)
        if pair.here.std is not None:
            text += f" ± {_number(pair.here.std, digits)}"
        return text if pair.here.n == seeds else f"{text} (n={pair.here.n})"

    blocks = []
    for method, pairs in table.rows.items():
        seeds = max(pair.here.n for pair in pairs)
        block = [[method, "published", NOTHING, *map(_published, pairs)],
                 [method, "here", str(seeds), *(here(pair, digits, seeds) for pair, digits
                                                in zip(pairs, decimals, strict=True))]]
        if any(pair.difference is not None for pair in pairs):
            block.append([method, "difference", NOTHING,
                          *(_difference(pair, digits)
                            for pair, digits in zip(pairs, decimals, strict=True))])
        blocks.append(block)
    notes = [*table.notes, *(f"[{marks[reason]}] {reason}." for reason in reasons)]
    if commands:
        notes.append("Numbers in brackets are runs that are missing; their commands follow.")
    source = (f"another data set: {table.place}" if table.embedded else table.place)
    return Sheet(f"{table.title} ({source or 'not measured'})",
                 ["method", "", "seeds", *map(_heading, table.columns)], blocks, notes, commands)


def markdown(shown: Sheet) -> str:
    """A heading, a table, notes, and the missing runs as a block of commands."""
    rule = [":--", ":--", *["--:"] * (len(shown.headings) - 2)]
    lines = [f"## {_plain(shown.title)}", "", _pipes(map(_plain, shown.headings)), _pipes(rule),
             *(_pipes(map(_plain, line)) for block in shown.blocks for line in block), "",
             *(f"- {_plain(note)}" for note in shown.notes), ""]
    if shown.commands:
        lines += ["Missing runs:", "", *(f"    {text}" for text in _numbered(shown)), ""]
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
    return "\n".join([*lines, *(f"% missing {text}" for text in _numbered(shown)), ""])


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
        commands = escape("\n".join(_numbered(shown)))
        parts.append(f'<p>Missing runs:</p>\n<pre class="missing">{commands}</pre>')
    return "\n".join([*parts, "</figure>", ""])


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
                "cells": _cells(table), "notes": table.notes} for table in tables]
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


PEOPLE: dict[str, Callable[[Sheet], str]] = {"md": markdown, "latex": latex, "html": html}
PROGRAMS: dict[str, Callable[[Sequence[PaperTable]], str]] = {"csv": tidy_csv, "json": as_json}


def _show(sheets: Sequence[Sheet], console: Console | None) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out = console or Console()
    for shown in sheets:
        grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, title_justify="left")
        for index, name in enumerate(shown.headings):
            grid.add_column(Text(name), justify="right" if index > 1 else "left",
                            vertical="bottom", overflow="fold")
        for block in shown.blocks:
            for index, (method, *line) in enumerate(block):
                grid.add_row(Text("" if index else method), *map(Text, line),
                             end_section=index == len(block) - 1)
        out.print(Text(shown.title, style="bold"))
        out.print(grid)
        for note in shown.notes:
            out.print(Text(note, style="dim"))
        for text in _numbered(shown):  # never wrapped: they are there to be copied
            out.print(Text(f"  {text}"), soft_wrap=True)
        out.print()


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


def _numbered(shown: Sheet) -> list[str]:
    return [f"[{number}] {command}" for number, command in enumerate(shown.commands, start=1)]


def _ranges(numbers: Sequence[int]) -> str:
    """1, 2, 3, 5 as `1-3, 5`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _heading(column: Published) -> str:
    task = "" if column.task == "all" else f"{column.task} "
    versus = f" vs {column.baseline}" if column.baseline else ""
    name = f"{task}{NAMES.get(column.metric, column.metric)}{versus}"
    return heading(name, column.unit, column.higher_is_better)


def _published(pair: Pair) -> str:
    if pair.paper is None:
        return "not in the paper"
    return {"unknown": "unknown", "derived": f"{pair.paper.value} (derived)",
            "published": pair.paper.value}[pair.paper.status]


def _difference(pair: Pair, decimals: int) -> str:
    return NOTHING if pair.difference is None else f"{pair.difference:+.{decimals}f}"


def _decimals(cells: Sequence[Published | None], column: Published) -> int:
    """As many as the paper prints, but at least what its unit deserves."""
    printed = [len(cell.value.partition(".")[2]) for cell in cells if cell]
    return max(2 if column.unit in ("%", "deg") or column.metric == "rank" else 4, *printed)


def _number(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # + 0.0 turns -0.0 into 0.0


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
