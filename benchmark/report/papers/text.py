"""A paper's table as a text table, and as rows and JSON for programs."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark.errors import one_line
from benchmark.report.papers.build import Pair, PaperTable
from benchmark.report.papers.published import Published
from benchmark.report.runs.summary import MISSING, heading, number_text
from benchmark.report.tables.render import render_as
from benchmark.report.tables.text import RowBlock, TextCell, TextTable
from benchmark.tasks.metric_values import metric_title

if TYPE_CHECKING:
    from rich.console import Console

TITLES = {"delta": "Δ", "rank": "mean rank", "parameters_saved": "extra parameters saved",
          "miou_gain": "mIoU gain"}
"""Columns of papers that are not metrics of a task."""
LABELS = 3
"""Columns before the measured ones: method, whose numbers a row holds, and its seeds."""


def render_paper(tables: Sequence[PaperTable], format: str = "rich",
                 console: Console | None = None) -> str | None:
    """Print `tables` on `console` (format `rich`), or return them as text (any other format).

    Raises `RequestError` for a format that is none of rich, md, csv, latex, html and json.
    """
    return render_as(format, [paper_text(table) for table in tables],
                     lambda: [row for table in tables for row in paper_rows(table)],
                     lambda: [paper_content(table) for table in tables], console)


def missing_runs(tables: Sequence[PaperTable]) -> list[str]:
    """The commands of all runs that are missing, each once."""
    holes = [command for table in tables for pairs in table.rows.values() for pair in pairs
             for command in pair.commands]
    return list(dict.fromkeys([*holes, *(each for table in tables for each in table.incomplete)]))


def paper_text(table: PaperTable) -> TextTable:
    """A block of rows per method: published, here, and the difference where there is one.

    Cells without a number refer to the commands that give them one, or to the reason why none can.
    """
    pairs = [pair for row in table.rows.values() for pair in row]
    commands = list(dict.fromkeys(command for pair in pairs for command in pair.commands))
    reasons = list(dict.fromkeys(pair.here.reason for pair in pairs if pair.here.reason))
    marks = dict(zip(reasons, string.ascii_lowercase, strict=False))
    numbers = {command: number for number, command in enumerate(commands, start=1)}
    digits = [_decimals([row[index].paper for row in table.rows.values()], column)
              for index, column in enumerate(table.columns)]
    blocks = []
    for method, row in table.rows.items():
        seeds = max(pair.here.n for pair in row)
        lines = [[method, "published", MISSING, *map(_published, row)],
                 [method, "here", str(seeds), *(_here(pair, count, seeds, numbers, marks)
                                                for pair, count in zip(row, digits, strict=True))]]
        if any(pair.difference is not None for pair in row):
            lines.append([method, "difference", MISSING, *(
                MISSING if pair.difference is None else f"{pair.difference:+.{count}f}"
                for pair, count in zip(row, digits, strict=True))])
        blocks.append(RowBlock([[TextCell(one_line(text)) for text in line] for line in lines],
                            repeats=True))
    notes = [*table.notes, *(f"[{marks[reason]}] {reason}." for reason in reasons)]
    if commands:
        notes.append("Numbers in brackets are runs that are missing; their commands follow.")
    if table.incomplete:
        notes.append("Some rows have fewer seeds than others; the last commands add them.")
    place = table.place or "not measured"
    if table.place and table.embedded:
        place = f"another data set: {place}"
    shown = dict.fromkeys([*commands, *table.incomplete])
    return TextTable(one_line(f"{table.title} ({place})"),
                     ["method", "", "seeds", *map(_heading, table.columns)], blocks, "",
                     [one_line(note) for note in notes],
                     [one_line(f"[{number}] {command}")
                      for number, command in enumerate(shown, start=1)], LABELS, LABELS - 1)


def paper_rows(table: PaperTable) -> list[dict[str, Any]]:
    """One row per cell: what the paper says of it, what is measured, and what is missing."""
    return [{"table": table.title, "place": table.place, "embedded": table.embedded, **cell,
             "missing": "; ".join(cell["missing"])} for cell in _cells(table)]


def paper_content(table: PaperTable) -> dict[str, Any]:
    """Everything a table holds, as JSON values."""
    return {"table": table.title, "place": table.place, "embedded": table.embedded,
            "cells": _cells(table), "notes": table.notes, "incomplete": table.incomplete}


def _cells(table: PaperTable) -> list[dict[str, Any]]:
    return [{"method": method, "task": column.task, "metric": column.metric, "unit": column.unit,
             "higher_is_better": column.higher_is_better, "baseline": column.baseline,
             "published": pair.paper.number if pair.paper else None,
             "status": pair.paper.status if pair.paper else "not in the paper",
             "source": pair.paper.source if pair.paper else "",
             "mean": pair.here.mean, "std": pair.here.std, "n": pair.here.n,
             "difference": pair.difference, "missing": pair.commands,
             "reason": pair.here.reason}
            for method, pairs in table.rows.items()
            for column, pair in zip(table.columns, pairs, strict=True)]


def _heading(column: Published) -> str:
    task = "" if column.task == "all" else f"{column.task} "
    versus = f" vs {column.baseline}" if column.baseline else ""
    name = f"{task}{TITLES.get(column.metric) or metric_title(column.metric)}{versus}"
    return one_line(heading(name, column.unit, column.higher_is_better))


def _published(pair: Pair) -> str:
    if pair.paper is None:
        return "not in the paper"
    return {"unknown": "unknown", "derived": f"{pair.paper.value} (derived)",
            "published": pair.paper.value}[pair.paper.status]


def _here(pair: Pair, digits: int, seeds: int, numbers: dict[str, int],
          marks: dict[str, str]) -> str:
    if pair.commands:
        return f"missing [{_ranges(sorted(numbers[each] for each in pair.commands))}]"
    if pair.here.mean is None:
        return f"none [{marks[pair.here.reason]}]"
    text = number_text(pair.here.mean, digits)
    if pair.here.std is not None:
        text += f" ± {number_text(pair.here.std, digits)}"
    return text if pair.here.n == seeds else f"{text} (n={pair.here.n})"


def _ranges(numbers: Sequence[int]) -> str:
    """1, 2, 3, 5 as `1-3, 5`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _decimals(cells: Sequence[Published | None], column: Published) -> int:
    """As many as the paper prints, but at least what its unit deserves."""
    printed = [len(cell.value.partition(".")[2]) for cell in cells if cell]
    return max(2 if column.unit in ("%", "deg") or column.metric == "rank" else 4, *printed)
