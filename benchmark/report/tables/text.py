"""A table as text: headings, rows of cells and what is said below, for every format people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.errors import one_line
from benchmark.report.runs.summary import MISSING, decimals, heading, number_text
from benchmark.report.tables.table import Cell, Column, Row, Table


@dataclass(frozen=True)
class TextCell:
    """A cell on one line; `strong` marks the best of its column, `underlined` the second best."""

    text: str
    strong: bool = False
    underlined: bool = False


@dataclass(frozen=True)
class RowBlock:
    """Rows that a rule separates from others."""

    rows: list[list[TextCell]]
    group: str = ""
    """What the rows have in common, `lifelong` or `bounds`; empty where that is nothing."""
    italic: bool = False
    """Whether the first cell of each row is set apart, as bounds are."""
    repeats: bool = False
    """Whether all rows have the same first cell, which then needs to be shown once only."""


@dataclass(frozen=True)
class TextTable:
    """A table as every format for people shows it."""

    title: str
    headings: list[str]
    blocks: list[RowBlock]
    caption: str
    notes: list[str]
    """Warnings where there is a caption, else all that is said of the table."""
    commands: list[str]
    """Missing runs, one command each."""
    labels: int = 1
    """Columns, from the left, that name a row; they are repeated where a table is cut."""
    left: int = 1
    """Columns, from the left, that are not numbers."""


def text_table(table: Table) -> TextTable:
    """The text of a table of results."""
    digits = {column.key: column_decimals(table.rows, column) for column in table.columns}

    def line(row: Row) -> list[TextCell]:
        return [TextCell(one_line(f"{row.label} (bound)" if row.bound else row.label)),
                TextCell(_runs_text(row)),
                *(_text_cell(row.cells[column.key], column, digits[column.key])
                  for column in table.columns)]

    blocks = [RowBlock([line(row) for row in table.rows if row.bound == bound], name, italic=bound)
              for name, bound in (("lifelong", False), ("bounds", True))]
    headings = ["method", table.counted,
                *(one_line(heading(column.title, column.unit, column.higher_is_better))
                  for column in table.columns)]
    commands = [one_line(f"{hole.command}  # {hole.reason}" if hole.reason else hole.command)
                for hole in table.holes]
    return TextTable(one_line(table.title), headings, [block for block in blocks if block.rows],
                     one_line(table.caption), [one_line(note) for note in table.notes], commands)


def column_decimals(rows: Sequence[Row], column: Column) -> int:
    """Decimals of all numbers of a column."""
    if column.key in ("rank", "gap"):
        return 2
    if column.higher_is_better is None and column.unit != "%":
        return 1
    means = [abs(mean) for row in rows if (mean := row.cells[column.key].mean) is not None]
    return decimals(max(means, default=0.0), column.unit)


def _runs_text(row: Row) -> str:
    total = len(row.runs) + len(row.missing)
    return f"{len(row.runs)} of {total}" if row.missing else str(total)


def _text_cell(cell: Cell, column: Column, digits: int) -> TextCell:
    if cell.mean is None:
        return TextCell(MISSING)
    text = number_text(cell.mean, digits)
    if cell.std is not None and column.higher_is_better is not None:  # not of costs
        text += f" ± {number_text(cell.std, digits)}"
    if cell.interval is not None:
        text += (f" [{number_text(cell.interval.low, digits)}, "
                 f"{number_text(cell.interval.high, digits)}]")
    # A score of fewer runs than it could be of says so.
    return TextCell(f"{text} (n={cell.n})" if cell.n < cell.of else text, cell.best, cell.second)
