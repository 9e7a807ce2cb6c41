"""Tables of results: one per sequence, with every method, score and hole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from benchmark.errors import RequestError, unknown
from benchmark.metrics import Convention
from benchmark.report.captions import caption
from benchmark.report.costs import COLUMNS, costs
from benchmark.report.grid import BASELINES
from benchmark.report.groups import Group, groups_of
from benchmark.report.lines import Line
from benchmark.report.names import METRIC_NAMES
from benchmark.report.records import Collection, Found
from benchmark.report.rescore import matrix_of
from benchmark.scores import (
    Matrix,
    Score,
    delta,
    mean_rank,
    relative_bwt,
    relative_forgetting,
)


@dataclass(frozen=True)
class Column:
    """`key` is `task/metric`, or the name of a score or cost."""

    key: str
    title: str
    unit: str
    higher_is_better: bool | None


@dataclass(frozen=True)
class Cell:
    """Mean and sample standard deviation over `n` seeds; without a mean, the reason."""

    mean: float | None
    std: float | None
    n: int
    reason: str = ""
    best: bool = False
    """Whether no lifelong method of a complete table is better."""


@dataclass(frozen=True)
class Hole:
    """A run the table lacks, and the command that fills it."""

    label: str
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
    seeds: tuple[int, ...]
    missing: tuple[int, ...]
    cells: dict[str, Cell]


@dataclass(frozen=True)
class Table:
    """One comparison: rows of lifelong methods and of bounds, and what must be said about them."""

    title: str
    sequence: str
    baseline: str
    convention: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    """Lifelong methods, then bounds; by Delta when nothing is missing, else by name."""
    caption: str
    notes: tuple[str, ...]
    holes: tuple[Hole, ...]


def build(collection: Collection, sequences: Sequence[str] | None = None,
          baseline: str = "finetune", convention: str = "pixel",
          all_metrics: bool = False, costs_only: bool = False) -> list[Table]:
    """One table per sequence, and per data set and recipe where a sequence has several.

    `sequences` are names or globs; columns are primary metrics unless `all_metrics`, or Delta and
    every cost with `costs_only`. Raises
    `RequestError` for an unknown baseline or convention and for patterns no run matches.
    """
    if baseline not in BASELINES:
        raise unknown("baseline", baseline, BASELINES)
    chosen = str(Convention.parse(convention))
    return [_Builder(group, baseline, chosen, all_metrics, costs_only).table()
            for group in groups_of(collection, sequences)]


class _Builder:
    """One table in the making: the matrices of a group, and what is to be said about them."""

    def __init__(self, group: Group, baseline: str, convention: str, all_metrics: bool,
                 costs_only: bool) -> None:
        self.group, self.baseline, self.convention = group, baseline, convention
        self.notes: list[str] = []
        self.matrices = {line.label: self._matrices(line.runs) for line in group.lines}
        self.seeds = group.seeds
        metrics = [] if costs_only else self._metric_columns(all_metrics)
        self.columns = (*metrics, *_score_columns(baseline, costs_only))
        self.reference = self._reference()
        self.holes = tuple(self._holes())

    def table(self) -> Table:
        rows = [self._row(line) for line in self.group.lines]
        if not self.holes:
            rows = _ranked(rows, self.columns)
        group = self.group
        for line in group.lines:
            self.notes += [f"failed and left out: {found.record.run_id}: {found.record.reason}"
                           for found in line.failed.values()]
        about = caption(group, self.baseline, self.convention, ranked=not self.holes)
        return Table(group.title, group.sequence, self.baseline, self.convention, self.columns,
                     tuple(rows), about, tuple(dict.fromkeys(self.notes)), self.holes)

    def _matrices(self, runs: dict[int, Found]) -> dict[int, Matrix]:
        matrices = {}
        for seed, found in sorted(runs.items()):
            try:
                matrices[seed] = matrix_of(found, self.convention)
            except RequestError as error:
                self.notes.append(f"left out, since it cannot be scored by {self.convention}: "
                                  f"{found.record.run_id}: {error}")
        return matrices

    def _reference(self) -> dict[int, Matrix]:
        lines = [line for line in self.group.lines if line.method == self.baseline]
        if not lines:
            self.notes.append(f"no run of the baseline {self.baseline}")
            return {}
        usual = min(lines, key=lambda line: len(line.settings))
        if len(lines) > 1:
            self.notes.append(f"the baseline is {usual.label}")
        return self.matrices[usual.label]

    def _metric_columns(self, all_metrics: bool) -> list[Column]:
        return [Column(f"{task.name}/{metric.name}",
                       f"{task.name} {METRIC_NAMES.get(metric.name, metric.name)}",
                       metric.unit, metric.higher_is_better)
                for task in self.group.record.tasks for metric in task.metrics
                if all_metrics or metric.primary]

    def _row(self, line: Line[int]) -> Row:
        matrices = self.matrices[line.label]
        scores = {column.key: self._metric(matrices, column.key) for column in self.columns
                  if "/" in column.key}
        scores["delta"] = self._paired(matrices)
        scores["forgetting"] = [relative_forgetting(each) for each in matrices.values()]
        scores["bwt"] = [relative_bwt(each) for each in matrices.values()]
        scores |= costs([line.runs[seed] for seed in matrices])
        shown = {column.key for column in self.columns}
        cells = {key: _cell(values) for key, values in scores.items() if key in shown}
        if "rank" in shown:
            cells["rank"] = self._rank(line)
        if not line.bound:
            titles = {column.key: column.title for column in self.columns}
            self.notes += [f"{line.label}, {titles[key]}: {cell.reason}"
                           for key, cell in cells.items() if cell.reason and key != "rank"
                           and (key != "delta" or self.reference)]
        return Row(line.label, line.method, dict(line.settings), line.bound, tuple(matrices),
                   tuple(seed for seed in self.seeds if seed not in matrices), cells)

    def _metric(self, matrices: dict[int, Matrix], key: str) -> list[Score]:
        task, metric = key.split("/")
        finals = (matrix.final(task, metric) for matrix in matrices.values())
        return [Score(value, "" if value is not None else "not measured") for value in finals]

    def _paired(self, matrices: dict[int, Matrix]) -> list[Score]:
        """Delta of every seed the baseline has too."""
        pairs = [(matrix, self.reference[seed]) for seed, matrix in matrices.items()
                 if seed in self.reference]
        if matrices and not pairs:
            return [Score(None, f"no {self.baseline} run of the same seed")]
        return [delta(matrix, reference) for matrix, reference in pairs]

    def _rank(self, line: Line[int]) -> Cell:
        if line.bound:
            return Cell(None, None, 0, "bounds are not ranked")
        if self.holes:
            return Cell(None, None, 0, "nothing is ranked while runs are missing")
        pool = [each.label for each in self.group.lines if not each.bound]
        runs = [{label: self.matrices[label][seed] for label in pool} for seed in self.seeds]
        score = mean_rank(runs)[line.label]
        return Cell(score.value, None, len(runs), score.reason)

    def _holes(self) -> Iterable[Hole]:
        for line in self.group.lines:
            for seed in self.seeds:
                if seed not in self.matrices[line.label]:
                    failed = line.failed.get(seed)
                    yield Hole(line.label, seed, self.group.command(line.method, seed, line),
                               f"failed: {failed.record.reason}" if failed else "")
        if not any(line.method == self.baseline for line in self.group.lines):
            for seed in self.seeds:
                yield Hole(self.baseline, seed, self.group.command(self.baseline, seed))


def _score_columns(baseline: str, costs_only: bool) -> list[Column]:
    gain = Column("delta", f"Δ vs {baseline}", "%", True)
    if costs_only:
        return [gain, *(Column(key, title, unit, None) for key, (title, unit) in COLUMNS.items())]
    return [gain,
            Column("forgetting", "forgetting", "%", False),
            Column("bwt", "BWT", "%", True),
            Column("rank", "mean rank", "", False),
            *(Column(key, *COLUMNS[key], None) for key in ("carried", "train"))]


def _cell(scores: Sequence[Score]) -> Cell:
    """A mean over seeds hides no seed: one undefined score leaves it undefined."""
    values = [score.value for score in scores if score.value is not None]
    if not values or len(values) < len(scores):
        reasons = [score.reason for score in scores if score.value is None]
        return Cell(None, None, 0, reasons[0] if reasons else "")
    mean = sum(values) / len(values)
    if len(values) == 1:
        return Cell(mean, None, 1)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return Cell(mean, variance ** 0.5, len(values))


def _ranked(rows: list[Row], columns: Iterable[Column]) -> list[Row]:
    """Rows by Delta, with the best lifelong cells marked; only for tables without holes."""
    lifelong = [row for row in rows if not row.bound]
    for column in columns:
        values = [value for row in lifelong if (value := row.cells[column.key].mean) is not None]
        if column.higher_is_better is None or len(values) < max(2, len(lifelong)):
            continue
        best = max(values) if column.higher_is_better else min(values)
        rows = [_marked(row, column.key, best) for row in rows]

    def order(row: Row) -> tuple[bool, float]:
        gain = row.cells["delta"].mean
        return row.bound, -gain if gain is not None else float("inf")
    return sorted(rows, key=order)


def _marked(row: Row, key: str, best: float) -> Row:
    cell = row.cells[key]
    if row.bound or cell.mean != best:
        return row
    return replace(row, cells=row.cells | {key: replace(cell, best=True)})
