"""What every table of results is made of, and how its rows are ranked and marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from benchmark.report.runs.grid import RunKey
from benchmark.report.runs.summary import Estimate


@dataclass(frozen=True)
class Column:
    """`key` is `task/metric`, or the name of a score, a cost or a sequence."""

    key: str
    title: str
    unit: str
    higher_is_better: bool | None


@dataclass(frozen=True)
class Cell(Estimate):
    """An estimate and its place in the column."""

    best: bool = False
    """Whether no lifelong method of a complete table is better."""
    second: bool = False
    """Whether exactly one of at least three is."""

    @classmethod
    def of_estimate(cls, estimate: Estimate) -> Cell:
        return cls(estimate.mean, estimate.std, estimate.interval, estimate.n, estimate.of,
                   estimate.reason)


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


def ranked(rows: Sequence[Row], columns: Sequence[Column], by: str) -> list[Row]:
    """Rows by the score `by`, bounds last, best and second best cells marked.

    Only for tables without holes. Bounds are never marked.
    """
    higher = next((column.higher_is_better for column in columns if column.key == by), None)

    def order(row: Row) -> tuple[bool, float]:
        mean = row.cells[by].mean if by else None
        return row.bound, float("inf") if mean is None else -mean if higher else mean
    return sorted(marked(rows, columns), key=order)


def marked(rows: Sequence[Row], columns: Iterable[Column]) -> list[Row]:
    """Rows with the best and second best lifelong cell of each column that has a direction."""
    leaders = {column.key: _leaders(rows, column) for column in columns}
    return [row if row.bound else replace(row, cells={
        key: _mark(cell, *leaders.get(key, (None, None))) for key, cell in row.cells.items()})
        for row in rows]


def reasons(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """Why lifelong cells are empty; a reason that all rows share stands once."""
    found: list[str] = []
    lifelong = [row for row in rows if not row.bound]
    for column in columns:
        empty = [(row.label, row.cells[column.key].reason) for row in lifelong
                 if row.cells[column.key].reason]
        if len(empty) == len(lifelong) > 1 and len({reason for _, reason in empty}) == 1:
            found.append(f"{column.title}: {empty[0][1]}")
        else:
            found += [f"{label}, {column.title}: {reason}" for label, reason in empty]
    return found


def table_rows(table: Table) -> list[dict[str, object]]:
    """One row per method and column: the same keys whatever the tasks are."""
    return [{"table": table.title, "sequence": table.sequence, "convention": table.convention,
             "baseline": table.baseline, "method": row.label, "bound": row.bound,
             "column": column.key, "unit": column.unit,
             "higher_is_better": column.higher_is_better, "mean": cell.mean, "std": cell.std,
             "low": cell.interval.low if cell.interval else None,
             "high": cell.interval.high if cell.interval else None, "n": cell.n,
             "seeds": " ".join(map(str, sorted({seed for _, seed in row.runs}))),
             "runs": _keys_text(row.runs), "missing_runs": _keys_text(row.missing),
             "reason": cell.reason}
            for row in table.rows for column in table.columns
            for cell in [row.cells[column.key]]]


def table_content(table: Table) -> dict[str, object]:
    """Everything a table holds, as JSON values."""
    return asdict(table)


def _keys_text(keys: Sequence[RunKey]) -> str:
    return " ".join(f"{sequence}:{seed}" for sequence, seed in keys)


def _leaders(rows: Sequence[Row], column: Column) -> tuple[float | None, float | None]:
    """The best value, and the second best where it says something."""
    lifelong = [row.cells[column.key].mean for row in rows if not row.bound]
    values = sorted((value for value in lifelong if value is not None),
                    reverse=column.higher_is_better is True)
    if column.higher_is_better is None or len(values) < max(2, len(lifelong)):
        return None, None
    return values[0], values[1] if len(values) > 2 and values[1] != values[0] else None


def _mark(cell: Cell, best: float | None, second: float | None) -> Cell:
    if cell.mean is None or cell.mean not in (best, second):
        return cell
    return replace(cell, best=cell.mean == best, second=cell.mean == second)
