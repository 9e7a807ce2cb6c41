"""The page of one run: its matrix in colours, its scores, and what it takes to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.record import Record, TaskInfo
from benchmark.report.runs.collection import StoredRun
from benchmark.report.runs.grid import BASELINES, Grid, RunKey
from benchmark.report.runs.lines import MethodRuns
from benchmark.report.runs.settings import flatten, setting_text
from benchmark.report.site.charts import Chart, chart
from benchmark.report.site.leaderboard import Scored
from benchmark.report.site.numbers import decimals, text
from benchmark.report.tables.names import METRIC_NAMES, heading
from benchmark.scores import (
    Curve,
    Matrix,
    Score,
    delta,
    relative_bwt,
    relative_forgetting,
    worst_task,
)

STEPS = (1.0, 5.0, 15.0, 30.0)
"""Changes in % from which a cell of the matrix has the first to the fourth shade."""


@dataclass(frozen=True)
class Place:
    """Where a run stands among those it is compared with."""

    scored: Scored
    line: MethodRuns[RunKey]
    at: RunKey

    @property
    def grid(self) -> Grid:
        """The grid of the run."""
        return self.scored.grid


@dataclass(frozen=True)
class MatrixCell:
    """A value after one phase; `shade` is learnt, empty, or runs from worse4 to better4."""

    text: str
    shade: str
    told: str


@dataclass(frozen=True)
class MatrixRow:
    """One metric of one task after every phase."""

    heading: str
    primary: bool
    cells: tuple[MatrixCell, ...]


def matrix_rows(record: Record) -> list[tuple[str, list[MatrixRow]]]:
    """Task -> its metrics, values coloured by their change since the task's own phase."""
    matrix = Matrix.of(record)
    return [(task.name, [_matrix_row(curve) for curve in curves])
            for task, curves in zip(record.tasks, matrix.tasks, strict=True)]


def scores(matrix: Matrix, references: Mapping[str, Matrix]) -> dict[str, Score]:
    """Forgetting and BWT, then the gain over every baseline there is, in %."""
    found = {"forgetting": relative_forgetting(matrix), "BWT": relative_bwt(matrix)}
    for name, reference in references.items():
        found |= {f"Δ vs {name}": delta(matrix, reference),
                  f"worst task Δ vs {name}": worst_task(matrix, reference)}
    return found


def references(place: Place) -> dict[str, Matrix]:
    """The baselines' matrices at the same order and seed, where they were run."""
    found = {}
    for line in place.grid.lines:
        if line.method in BASELINES and line.method != place.line.method:
            reference = place.scored.reference(line.method)
            if place.at in reference:
                found[line.method] = reference[place.at]
    return {name: found[name] for name in BASELINES if name in found}


def charts(record: Record) -> list[Chart]:
    """The primary metric of every task after every phase."""
    labels = phase_labels(record)
    drawn = [chart(heading(f"{task.name} {METRIC_NAMES.get(curve.metric, curve.metric)}",
                           curve.unit, curve.higher_is_better), [], curve.values, curve.unit,
                   labels)
             for task, curve in zip(record.tasks, Matrix.of(record).primary, strict=True)]
    return [each for each in drawn if each is not None]


def phase_labels(record: Record) -> list[str]:
    """What every column of the matrix stands after, short enough for an axis."""
    return [_short(task) for task in record.tasks] if len(record.tasks) <= 4 else \
        [str(number) for number in range(1, len(record.tasks) + 1)]


def commands(found: StoredRun, place: Place | None) -> list[tuple[str, str]]:
    """The command of the run as its record has it, and as this version writes it."""
    recorded = str(found.record.environment.get("command", ""))
    written = place.grid.command(place.line.method, place.at, place.line) if place else ""
    told = [("as it was run", recorded), ("shortest form", written)]
    return [(name, command) for index, (name, command) in enumerate(told)
            if command and command not in [other for _, other in told[:index]]]


def facts(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Nested values as dotted names and one line of text each."""
    return [(name, value if isinstance(value, str) else setting_text(value))
            for name, value in flatten(values).items()
            if value not in ("", None) and name != "command"]


def mib(count: int) -> str:
    """A number of bytes in MiB."""
    return f"{count / 2**20:.1f}"


def _matrix_row(curve: Curve) -> MatrixRow:
    name = heading(METRIC_NAMES.get(curve.metric, curve.metric), curve.unit,
                   curve.higher_is_better)
    digits = decimals(curve.values, curve.unit)
    learnt = curve.after(curve.learnt)
    return MatrixRow(name, curve.primary, tuple(
        _matrix_cell(value, learnt, curve.sign, digits, phase == curve.learnt)
        for phase, value in enumerate(curve.values, start=1)))


def _matrix_cell(value: float | None, learnt: float | None, sign: int, digits: int,
                 own: bool) -> MatrixCell:
    if value is None:
        return MatrixCell(text(None, 0), "empty", "")
    if own:
        return MatrixCell(text(value, digits), "learnt", "")
    if not learnt:
        return MatrixCell(text(value, digits), "level", "")
    change = 100 * sign * (value - learnt) / abs(learnt)
    step = sum(abs(change) >= limit for limit in STEPS)
    if not step:
        return MatrixCell(text(value, digits), "level", "")
    way = "better" if change > 0 else "worse"
    return MatrixCell(text(value, digits), f"{way}{step}",
                      f"{text(abs(change), 1)} % {way} than just learnt")


def _short(task: TaskInfo) -> str:
    return task.name if len(task.name) <= 9 else f"{task.name[:8]}…"
