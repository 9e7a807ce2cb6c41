"""Runs whose predictions can be shown: one per method, with what it kept of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.engine.previews import PREVIEWS_FILE, Previews, load_previews
from benchmark.errors import RequestError
from benchmark.record import Record
from benchmark.report.plots.data import FigureData
from benchmark.report.plots.style import REFERENCE
from benchmark.report.runs.grid import Grid, MethodRuns
from benchmark.tasks import Task
from benchmark.tasks.metric_values import metric_title

MOST = 8
"""Lifelong methods in one figure."""


@dataclass(frozen=True)
class PreviewedRun:
    """The run of a method that stands for it: of those that kept previews, that of the lowest
    seed."""

    label: str
    record: Record
    folder: Path
    previews: Previews

    @property
    def bound(self) -> bool:
        """Whether it breaks the rules of lifelong learning on purpose."""
        return self.record.method.kind == "bound"

    def metric_text(self, task: Task, phase: int) -> str:
        """The primary metric on all evaluation images after a phase: `mIoU 34.30 %`."""
        (info,) = (each for each in self.record.tasks if each.name == task.name)
        (metric,) = (each for each in info.metrics if each.primary)
        value = self.record.matrix[task.name][metric.name][phase - 1]
        name = metric_title(metric.name)
        if value is None:
            return f"{name} undefined"
        number = f"{value:.2f}" if metric.unit in ("%", "deg") else f"{value:.4g}"
        return f"{name} {number} {metric.unit}".rstrip()


def previewed_runs(data: FigureData) -> list[PreviewedRun]:
    """The runs of one sequence to show: lifelong methods best first, then bounds.

    Of more than `MOST` lifelong methods, the best and the reference. Raises `RequestError` when
    no run has previews, and for a file that is damaged or not of its run.
    """
    grid = data.grid
    runs = {method.label: run for method in grid.methods if (run := _previewed_run(method))}
    if not runs:
        raise RequestError(_how_to_make_previews(data.title, grid))
    lifelong = [label for label in data.best_first if label in runs]
    best = lifelong[:MOST]
    if REFERENCE in lifelong[MOST:]:
        best[-1] = REFERENCE
    return [runs[label] for label in best] + [run for run in runs.values() if run.bound]


def choice_text(grid: Grid, runs: Sequence[PreviewedRun]) -> str:
    """Which runs are shown, for the head of a figure."""
    seeds = sorted({run.record.seed for run in runs})
    chosen = f"Seed {seeds[0]}." if len(seeds) == 1 else "The lowest seed of each method."
    shown = {run.label for run in runs}
    left = sum(method.label not in shown for method in grid.methods if method.runs)
    if left:
        chosen += (f" {left} more with runs are not shown: of those with previews, the {MOST} best "
                   "lifelong methods are; choose with --methods.")
    return chosen


def _previewed_run(method: MethodRuns) -> PreviewedRun | None:
    for _, run in sorted(method.runs.items(), key=lambda item: item[0][1]):
        if (run.folder / PREVIEWS_FILE).exists():
            previews = load_previews(run.folder)
            names = [task.name for task in run.record.tasks]
            if ([task.name for task in previews.tasks] != names
                    or any((len(names), name) not in previews.raw for name in names)):
                raise RequestError(f"{run.folder / PREVIEWS_FILE}: does not hold the outputs of "
                                   f"{', '.join(names)} after phase {len(names)}, as the record "
                                   "beside it has them")
            return PreviewedRun(method.label, run.record, run.folder, previews)
    return None


def _how_to_make_previews(title: str, grid: Grid) -> str:
    method = next((method for method in grid.methods if method.runs), grid.methods[0])
    key = next(iter(method.runs), grid.keys[0])
    return (f"{title}: no run left {PREVIEWS_FILE} (published and older runs have none); make one "
            f"with {grid.command(method.name, key, method)} --overwrite")
