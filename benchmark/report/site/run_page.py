"""The pages of runs: the matrix in colours, scores, predictions, and the command to repeat it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.config.overrides import setting_text
from benchmark.record import Record, TaskInfo
from benchmark.report.runs.collection import StoredRun
from benchmark.report.runs.grid import BASELINES, MethodRuns, RunKey
from benchmark.report.runs.settings import flatten, settings_text
from benchmark.report.runs.summary import decimals, heading, number_text
from benchmark.report.site.charts import Chart, chart
from benchmark.report.site.file_names import method_file, run_file, slug
from benchmark.report.site.previews import Picture
from benchmark.report.site.scores import ScoredGrid, primary_metrics, score_key
from benchmark.report.tables.names import METRIC_NAMES
from benchmark.scores import Curve, Matrix, Score

STEPS = (1.0, 5.0, 15.0, 30.0)
"""Changes in % from which a cell of the matrix has the first to the fourth shade."""
LONGEST = 9
"""Letters of a task's name on an axis."""


@dataclass(frozen=True)
class RunInGrid:
    """A run among those it is compared with."""

    scored: ScoredGrid
    method: MethodRuns
    key: RunKey

    @property
    def settings(self) -> str:
        """What sets its method apart from others of the same name."""
        return settings_text(self.method.settings)

    @property
    def command(self) -> str:
        """The shortest command of the run."""
        return self.scored.grid.command(self.method.name, self.key, self.method)

    @property
    def scores(self) -> dict[str, Score]:
        """Forgetting and BWT, then the gain over every other baseline there is, in %; none of a
        failed run."""
        own = self.scored.runs.get(self.method.label, {}).get(self.key)
        if own is None:
            return {}
        found = {"forgetting": own["forgetting"], "BWT": own["bwt"]}
        for name in BASELINES:
            if name != self.method.name and score_key("delta", name) in own:
                found |= {f"Δ vs {name}": own[score_key("delta", name)],
                          f"worst task Δ vs {name}": own[score_key("worst", name)]}
        return found


@dataclass(frozen=True)
class MatrixCell:
    """A value after one phase; `shade` is learnt, empty, level, or from worse4 to better4."""

    value: float | None
    shade: str
    change: str = ""
    """How much better or worse it is than just after the task was learnt."""


@dataclass(frozen=True)
class MatrixRow:
    """One metric of one task after every phase."""

    heading: str
    primary: bool
    decimals: int
    cells: tuple[MatrixCell, ...]


def runs_content(runs: Sequence[StoredRun], grids: Mapping[str, RunInGrid]) -> dict[str, Any]:
    """The values of the page of all runs; `grids` hold, by run id, those that are compared."""
    rows = [{"record": run.record, "file": run_file(run.record.run_id),
             "method_file": method_file(run.record.method.name),
             "settings": own.settings if (own := grids.get(run.record.run_id)) else "",
             "seconds": sum(phase.train_seconds for phase in run.record.phases)} for run in runs]
    return {"page": "runs", "title": "Runs", "runs": rows}


def run_content(record: Record, in_grid: RunInGrid | None,
                pictures: Sequence[Picture]) -> dict[str, Any]:
    """The values of the page of one run; `in_grid` is None where another run stands for it."""
    labels = _phase_labels(record)
    return {"page": "runs", "title": record.run_id, "record": record, "compared": bool(in_grid),
            "settings": in_grid.settings if in_grid else "",
            "method_file": method_file(record.method.name),
            "record_file": f"{slug(record.run_id)}.json",
            "labels": labels, "matrix": _matrix_rows(record),
            "scores": in_grid.scores if in_grid else {},
            "charts": _charts(record, labels), "pictures": pictures,
            "commands": _commands(record, in_grid),
            "method_config": _facts(record.method.config),
            "config": _facts({key: value for key, value in record.config.items()
                              if key != "method_config"}),
            "environment": _facts(record.environment)}


def _matrix_rows(record: Record) -> list[tuple[str, list[MatrixRow]]]:
    """Task -> its metrics, values coloured by their change since the task's own phase."""
    return [(curves[0].task, [_matrix_row(curve) for curve in curves])
            for curves in Matrix.of(record).tasks]


def _matrix_row(curve: Curve) -> MatrixRow:
    largest = max((abs(value) for value in curve.values if value is not None), default=0.0)
    return MatrixRow(
        heading(METRIC_NAMES.get(curve.metric, curve.metric), curve.unit, curve.higher_is_better),
        curve.primary, decimals(largest, curve.unit),
        tuple(_matrix_cell(curve, phase) for phase in range(1, len(curve.values) + 1)))


def _matrix_cell(curve: Curve, phase: int) -> MatrixCell:
    value, learnt = curve.after(phase), curve.after(curve.learnt)
    if value is None:
        return MatrixCell(value, "empty")
    if phase == curve.learnt:
        return MatrixCell(value, "learnt")
    change = 100 * curve.sign * (value - learnt) / abs(learnt) if learnt else 0.0
    step = sum(abs(change) >= limit for limit in STEPS)
    if not step:
        return MatrixCell(value, "level")
    direction = "better" if change > 0 else "worse"
    return MatrixCell(value, f"{direction}{step}",
                      f"{number_text(abs(change), 1)} % {direction} than just learnt")


def _charts(record: Record, labels: Sequence[str]) -> list[Chart]:
    """The primary metric of every task after every phase."""
    drawn = [chart(heading(column.title, column.unit, column.higher_is_better), [], curve.values,
                   column.unit, labels)
             for column, curve in zip(primary_metrics(record), Matrix.of(record).primary,
                                      strict=True)]
    return [each for each in drawn if each]


def _phase_labels(record: Record) -> list[str]:
    """What names a phase on an axis: its task, or its number where there are many."""
    if len(record.tasks) > 4:
        return [str(number) for number in range(1, len(record.tasks) + 1)]
    return [_short(task) for task in record.tasks]


def _short(task: TaskInfo) -> str:
    return task.name if len(task.name) <= LONGEST else f"{task.name[:LONGEST - 1]}…"


def _commands(record: Record, in_grid: RunInGrid | None) -> list[tuple[str, str]]:
    """The command of the run as its record has it, and as this version writes it."""
    recorded = str(record.environment.get("command", ""))
    shortest = in_grid.command if in_grid else ""
    commands = [("as it was run", recorded)] if recorded else []
    if shortest and shortest != recorded:
        commands.append(("shortest form", shortest))
    return commands


def _facts(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Nested values as dotted names and one line of text each."""
    return [(name, value if isinstance(value, str) else setting_text(value))
            for name, value in flatten(values).items()
            if value not in ("", None) and name != "command"]
