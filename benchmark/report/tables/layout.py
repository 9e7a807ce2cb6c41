"""Tables as rows of text: headings, numbers with the digits they deserve, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.report.tables.names import heading
from benchmark.report.tables.table import Cell, Column, Row, Table

MISSING = "—"


@dataclass(frozen=True)
class Text:
    """A cell as it is shown, on one line; `strong` marks the best of its column, `underlined` the
    second best."""

    text: str
    strong: bool = False
    underlined: bool = False


@dataclass(frozen=True)
class Layout:
    """Headings and body of a table; the first column names the method, the second counts runs."""

    headings: list[str]
    lifelong: list[list[Text]]
    bounds: list[list[Text]]

    @property
    def blocks(self) -> list[list[list[Text]]]:
        """Body rows in blocks that a rule separates; empty ones left out."""
        return [block for block in (self.lifelong, self.bounds) if block]


def layout(table: Table) -> Layout:
    """The text of `table`, the same for every format that people read."""
    digits = {column.key: _decimals(table.rows, column) for column in table.columns}
    body = [[Text(one_line(f"{row.label} (bound)" if row.bound else row.label)), Text(_runs(row)),
             *(_text(row.cells[column.key], column, digits[column.key])
               for column in table.columns)] for row in table.rows]
    bounds = [row.bound for row in table.rows]
    headings = ["method", table.counted,
                *(one_line(heading(column.title, column.unit, column.higher_is_better))
                  for column in table.columns)]
    return Layout(headings, [line for line, bound in zip(body, bounds, strict=True) if not bound],
                  [line for line, bound in zip(body, bounds, strict=True) if bound])


def missing_runs(table: Table) -> list[str]:
    """The command of every missing run, with the reason where one is known; one line each."""
    return [one_line(f"{hole.command}  # {hole.reason}" if hole.reason else hole.command)
            for hole in table.holes]


def notes(table: Table) -> list[str]:
    """The table's notes, each on one line."""
    return [one_line(note) for note in table.notes]


def one_line(text: str) -> str:
    """Text without line breaks, and with control characters made visible.

    What a record says can then neither end a line of a table or comment nor steer a terminal.
    """
    return "".join(character if character.isprintable() or character == " "
                   else " " if character.isspace() else f"\\x{ord(character):02x}"
                   for character in text)


def _runs(row: Row) -> str:
    total = len(row.runs) + len(row.missing)
    return f"{len(row.runs)} of {total}" if row.missing else str(total)


def _decimals(rows: Sequence[Row], column: Column) -> int:
    """Decimals that show the largest number of a column with four digits."""
    if column.unit in ("%", "points") or column.key in ("rank", "gap"):
        return 2
    if column.higher_is_better is None:
        return 1
    largest = max((abs(mean) for row in rows
                   if (mean := row.cells[column.key].mean) is not None), default=0.0)
    for limit, decimals in ((1000, 0), (100, 1), (10, 2), (1, 3), (0.1, 4), (0.01, 5)):
        if largest >= limit:
            return decimals
    return 6 if largest else 1


def _text(cell: Cell, column: Column, decimals: int) -> Text:
    if cell.mean is None:
        return Text(MISSING)
    text = _number(cell.mean, decimals)
    if cell.std is not None and column.higher_is_better is not None:  # not of costs
        text += f" ± {_number(cell.std, decimals)}"
    if cell.interval is not None:
        low, high = cell.interval.low, cell.interval.high
        text += f" [{_number(low, decimals)}, {_number(high, decimals)}]"
    # A score of fewer runs than it could be of says so.
    return Text(f"{text} (n={cell.n})" if cell.n < cell.of else text, cell.best, cell.second)


def _number(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # + 0.0 turns -0.0 into 0.0
