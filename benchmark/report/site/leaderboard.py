"""Leaderboards: the methods of one grid against one baseline, under one convention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from benchmark.errors import RequestError
from benchmark.report.runs.costs import COLUMNS, costs
from benchmark.report.runs.grid import BASELINES, Grid, RunKey
from benchmark.report.runs.lines import MethodRuns
from benchmark.report.site.charts import Spark, spark
from benchmark.report.site.numbers import decimals, text
from benchmark.report.tables.table import Column
from benchmark.scores import (
    Matrix,
    Score,
    Value,
    delta,
    delta_curve,
    relative_bwt,
    relative_forgetting,
    worst_task,
)
from benchmark.statistics import Interval, interval, mean_of_means, strata
from benchmark.tasks.metric_values import metric_title

COSTS = {"carried": 1, "exemplars": 0, "parameters_added": 1, "train": 1}
"""The costs of `benchmark.report.runs.costs` that have a column, and their decimals."""
PAIRED = {"delta": delta, "worst": worst_task}
"""Scores of a run beside its baseline's."""
OWN = {"forgetting": relative_forgetting, "bwt": relative_bwt}
"""Scores of a run by itself, beside its final metrics."""


@dataclass(frozen=True)
class Cell:
    """Mean over orders of the mean over seeds; without one, the reason."""

    value: float | None
    interval: Interval | None = None
    reason: str = ""
    digits: int = 0
    best: bool = False
    """Whether no ranked method is better."""

    @property
    def text(self) -> str:
        """The value as it is shown."""
        return text(self.value, self.digits)

    @property
    def bounds(self) -> str:
        """The interval as it is shown; empty where there is none."""
        if self.interval is None:
            return ""
        return (f"[{text(self.interval.low, self.digits)}, "
                f"{text(self.interval.high, self.digits)}]")


@dataclass(frozen=True)
class Row:
    """One method in one configuration."""

    line: MethodRuns[RunKey]
    runs: int
    missing: str
    """Where other methods were run and this one was not; empty when it was run everywhere."""
    exemplars: bool
    cells: dict[str, Cell]
    spark: Spark | None
    rank: int | None = None

    @property
    def gain(self) -> float | None:
        """The mean Delta, by which methods are ranked."""
        return self.cells["delta"].value


@dataclass(frozen=True)
class Board:
    """One leaderboard: rows that are ranked, rows that lack runs, and bounds."""

    grid: Grid
    baseline: str
    reason: str
    """Why there is no gain over the baseline; empty where there is."""
    convention: str
    columns: tuple[Column, ...]
    complete: tuple[Row, ...]
    incomplete: tuple[Row, ...]
    bounds: tuple[Row, ...]
    paired: int
    """Cells of the grid at which the baseline was run."""


class Scored:
    """A grid with the matrices of all its runs under one convention.

    Raises `RequestError` when statistics are missing that the convention needs.
    """

    def __init__(self, grid: Grid, convention: str = "pixel") -> None:
        self.grid, self.convention = grid, convention
        self.matrices: dict[str, dict[RunKey, Matrix]] = {
            line.label: grid.matrices(line, convention) for line in grid.lines}

    @property
    def baselines(self) -> list[str]:
        """The baselines with finished runs."""
        return [name for name in BASELINES
                if any(line.method == name and line.runs for line in self.grid.lines)]

    def reference(self, baseline: str) -> dict[RunKey, Matrix]:
        """The baseline's matrices. Raises `RequestError` when there is no run of it."""
        return self.matrices[self.grid.baseline(baseline).label]

    def curves(self, line: MethodRuns[RunKey], baseline: str) -> dict[RunKey, list[Value]]:
        """Delta^t for t = 1 to T of every run of `line` that the baseline was run beside."""
        reference = self.reference(baseline)
        return {at: [score.value for score in delta_curve(matrix, reference[at])]
                for at, matrix in self.matrices[line.label].items() if at in reference}


def board(scored: Scored, baseline: str) -> Board:
    """The leaderboard of a grid; without runs of the baseline it holds no gains and no ranks."""
    grid, reason = scored.grid, ""
    try:
        reference = scored.reference(baseline)
    except RequestError as error:
        reference, reason = {}, str(error)
    columns = _columns(grid, baseline)
    rows = [_row(scored, line, baseline, reference, columns, reason) for line in grid.lines]
    rows = _written(rows, columns)
    lifelong = [row for row in rows if not row.line.bound]
    complete = _ranked([row for row in lifelong if not row.missing], columns)
    return Board(grid, baseline, reason, scored.convention, columns, tuple(complete),
                 tuple(row for row in lifelong if row.missing),
                 tuple(sorted((row for row in rows if row.line.bound), key=_by_gain)),
                 len(reference))


def missing_at(cells: Sequence[RunKey]) -> str:
    """Cells in words: `rooms_s1 seeds 0, 1; rooms_s2 seed 3`."""
    parts = []
    for sequence, group in groupby(cells, key=lambda at: at[0]):
        seeds = [str(seed) for _, seed in group]
        parts.append(f"{sequence} seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}")
    return "; ".join(parts)


def primary_columns(grid: Grid) -> list[Column]:
    """The primary metric of every task, in the order of the grid's first sequence."""
    return [Column(f"{task.name}/{metric.name}",
                   f"{task.name} {metric_title(metric.name)}",
                   metric.unit, metric.higher_is_better)
            for task in grid.record.tasks for metric in task.metrics if metric.primary]


def _columns(grid: Grid, baseline: str) -> tuple[Column, ...]:
    return (Column("delta", f"Δ vs {baseline}", "%", True), *primary_columns(grid),
            Column("forgetting", "forgetting", "%", False), Column("bwt", "BWT", "%", True),
            Column("worst", "worst task Δ", "%", True),
            *(Column(key, *COLUMNS[key], None) for key in COSTS))


def _row(scored: Scored, line: MethodRuns[RunKey], baseline: str,
         reference: Mapping[RunKey, Matrix],
         columns: Sequence[Column], reason: str) -> Row:
    matrices = scored.matrices[line.label]
    spent = costs([line.runs[at] for at in matrices])
    unpaired = reason or f"no {baseline} run at the same order and seed"
    cells = {}
    for column in columns:
        if column.key in spent:
            scores = dict(zip(matrices, spent[column.key], strict=True))
        elif column.key in PAIRED:
            scores = {at: PAIRED[column.key](matrix, reference[at])
                      for at, matrix in matrices.items() if at in reference}
        else:
            scores = {at: _own(column.key, matrix) for at, matrix in matrices.items()}
        cells[column.key] = _cell(scores, unpaired if matrices else "no finished run",
                                  with_interval=column.key == "delta")
    curve = mean_curve(scored.curves(line, baseline)) if reference else []
    return Row(line, len(matrices), missing_at(scored.grid.missing(line)),
               bool(cells["exemplars"].value), cells, spark(curve))


def _own(key: str, matrix: Matrix) -> Score:
    """The score in column `key` that a matrix has by itself."""
    if key in OWN:
        return OWN[key](matrix)
    task, metric = key.split("/")
    value = matrix.final(task, metric)
    return Score(value, "" if value is not None else "not measured")


def _cell(scores: Mapping[RunKey, Score], without: str, with_interval: bool) -> Cell:
    """A mean hides no run: one undefined score leaves it undefined."""
    undefined = [score.reason for score in scores.values() if score.value is None]
    if undefined or not scores:
        return Cell(None, reason=undefined[0] if undefined else without)
    values = strata({at: score.value for at, score in scores.items() if score.value is not None})
    return Cell(mean_of_means(values), interval(values) if with_interval else None)


def mean_curve(curves: Mapping[RunKey, Sequence[Value]]) -> list[Value]:
    """The mean over orders of the mean over seeds after each phase; undefined where one is."""
    means: list[Value] = []
    for values in zip(*curves.values(), strict=True):
        known = {at: value for at, value in zip(curves, values, strict=True) if value is not None}
        means.append(mean_of_means(strata(known)) if len(known) == len(curves) else None)
    return means


def _written(rows: Sequence[Row], columns: Sequence[Column]) -> list[Row]:
    """Rows whose cells know their digits, the same all along a column."""
    digits = {column.key: decimals([row.cells[column.key].value for row in rows], column.unit)
              for column in columns} | COSTS
    return [replace(row, cells={key: replace(cell, digits=digits[key])
                                for key, cell in row.cells.items()}) for row in rows]


def _ranked(rows: Sequence[Row], columns: Sequence[Column]) -> list[Row]:
    """Rows by gain, numbered and with the best cells marked where there are several to compare."""
    gains = [row.gain for row in rows if row.gain is not None]
    if len(gains) < max(2, len(rows)):
        return sorted(rows, key=_by_gain)
    best = {}
    for column in columns:
        values = [value for row in rows if (value := row.cells[column.key].value) is not None]
        if column.higher_is_better is not None and len(values) == len(rows):
            best[column.key] = max(values) if column.higher_is_better else min(values)
    return [replace(row, rank=1 + sum(gain > (row.gain or 0.0) for gain in gains),
                    cells={key: replace(cell, best=key in best and cell.value == best[key])
                           for key, cell in row.cells.items()})
            for row in sorted(rows, key=_by_gain)]


def _by_gain(row: Row) -> tuple[bool, float, str]:
    return row.gain is None, -(row.gain or 0.0), row.line.label
