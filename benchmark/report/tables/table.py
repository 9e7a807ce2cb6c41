"""What every table of results is made of, and how its rows are ranked and marked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmark.report.runs.grid import RunKey
from benchmark.scores import Score
from benchmark.statistics import Interval, interval, mean_of_means, strata


@dataclass(frozen=True)
class Column:
    """`key` is `task/metric`, or the name of a score, a cost or a sequence."""

    key: str
    title: str
    unit: str
    higher_is_better: bool | None


@dataclass(frozen=True)
class Cell:
    """A mean over `n` of `of` runs and how they vary; without a mean, the reason."""

    mean: float | None
    std: float | None = None
    """Sample standard deviation, where the runs differ by seed only."""
    interval: Interval | None = None
    """95 % bootstrap interval, where they differ by order too."""
    n: int = 0
    of: int = 0
    reason: str = ""
    best: bool = False
    """Whether no lifelong method of a complete table is better."""
    second: bool = False
    """Whether exactly one of at least three is."""


@dataclass(frozen=True)
class Hole:
    """A run the table lacks, and the command that fills it."""

    label: str
    sequence: str
    seed: int
    command: str
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """One method in one configuration: a cell per column key."""

    label: str
    method: str
    settings: dict[str, object]
    bound: bool
    runs: tuple[RunKey, ...]
    missing: tuple[RunKey, ...]
    """Where other methods of the table were run."""
    cells: dict[str, Cell]


@dataclass(frozen=True)
class Table:
    """One comparison: rows of lifelong methods and of bounds, and what must be said about them."""

    title: str
    sequence: str
    """The sequence, or the family of a table over orders."""
    baseline: str
    convention: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    """Lifelong methods, then bounds; by score when nothing is missing, else by name."""
    caption: str
    notes: tuple[str, ...]
    holes: tuple[Hole, ...]
    counted: str = "seeds"
    """What the runs of a row differ by: `seeds`, or `runs` where it is order and seed."""


def over_seeds(scores: Mapping[RunKey, Score], of: int) -> Cell:
    """Mean and sample standard deviation; one undefined score leaves the cell undefined."""
    if undefined := _undefined(scores):
        return undefined
    values = [score.value for score in scores.values() if score.value is not None]
    mean = math.fsum(values) / len(values)
    squares = math.fsum((value - mean) ** 2 for value in values)
    std = math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else None
    return Cell(mean, std, n=len(values), of=of)


def over_orders(scores: Mapping[RunKey, Score], of: int) -> Cell:
    """Mean over orders of the mean over seeds, with its bootstrap interval."""
    if undefined := _undefined(scores):
        return undefined
    values = strata({at: score.value for at, score in scores.items() if score.value is not None})
    return Cell(mean_of_means(values), interval=interval(values),
                n=sum(map(len, values.values())), of=of)


def ranked(rows: Sequence[Row], columns: Sequence[Column], by: str) -> list[Row]:
    """Rows by the score `by`, bounds last, best and second best cells marked.

    Only for tables without holes. Bounds are never marked.
    """
    marked = marks(rows, columns)
    higher = next((column.higher_is_better for column in columns if column.key == by), None)

    def order(row: Row) -> tuple[bool, float]:
        mean = row.cells[by].mean if by else None
        return row.bound, float("inf") if mean is None else -mean if higher else mean
    return sorted(marked, key=order)


def marks(rows: Sequence[Row], columns: Iterable[Column]) -> list[Row]:
    """Rows with the best and second best lifelong cell of each column that has a direction."""
    places = {column.key: _places(rows, column) for column in columns}
    return [row if row.bound else replace(row, cells={
        key: _marked(cell, *places.get(key, (None, None))) for key, cell in row.cells.items()})
        for row in rows]


def reasons(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """Why lifelong cells are empty; a reason that all rows share is told once."""
    told: list[str] = []
    lifelong = [row for row in rows if not row.bound]
    for column in columns:
        empty = [(row.label, row.cells[column.key].reason) for row in lifelong
                 if row.cells[column.key].reason]
        if len(empty) == len(lifelong) > 1 and len({reason for _, reason in empty}) == 1:
            told.append(f"{column.title}: {empty[0][1]}")
        else:
            told += [f"{label}, {column.title}: {reason}" for label, reason in empty]
    return told


def _undefined(scores: Mapping[RunKey, Score]) -> Cell | None:
    reason = next((score.reason for score in scores.values() if score.value is None), "")
    return Cell(None, reason=reason) if reason or not scores else None


def _places(rows: Sequence[Row], column: Column) -> tuple[float | None, float | None]:
    """The best value, and the second best where it says something."""
    lifelong = [row.cells[column.key].mean for row in rows if not row.bound]
    values = sorted((value for value in lifelong if value is not None),
                    reverse=column.higher_is_better is True)
    if column.higher_is_better is None or len(values) < max(2, len(lifelong)):
        return None, None
    return values[0], values[1] if len(values) > 2 and values[1] != values[0] else None


def _marked(cell: Cell, best: float | None, second: float | None) -> Cell:
    if cell.mean is None or cell.mean not in (best, second):
        return cell
    return replace(cell, best=cell.mean == best, second=cell.mean == second)
