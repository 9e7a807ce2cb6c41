"""Runs whose predictions can be shown: one per method, with what it kept of them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.engine.previews import PREVIEWS_FILE, Previews, load
from benchmark.errors import RequestError
from benchmark.record import Record
from benchmark.report.plots.drawing import NotDrawn
from benchmark.report.plots.means import REFERENCE, best_first, by_sequence, title_of
from benchmark.report.runs.collection import Collection
from benchmark.report.runs.grid import Grid, RunKey
from benchmark.report.runs.lines import MethodRuns
from benchmark.tasks import Task
from benchmark.tasks.metric_values import metric_title

MOST = 8
"""Lifelong methods in one figure."""


@dataclass(frozen=True)
class Shown:
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

    def measured(self, task: Task, phase: int) -> str:
        """The primary metric on all evaluation images after a phase: `mIoU 34.30 %`."""
        (info,) = (each for each in self.record.tasks if each.name == task.name)
        (metric,) = (each for each in info.metrics if each.primary)
        value = self.record.matrix[task.name][metric.name][phase - 1]
        name = metric_title(metric.name)
        if value is None:
            return f"{name} undefined"
        told = f"{value:.2f}" if metric.unit in ("%", "deg") else f"{value:.4g}"
        return f"{name} {told} {metric.unit}".rstrip()


def previewed(collection: Collection,
              sequences: Sequence[str] | None) -> list[tuple[Grid, list[Shown]]]:
    """Grids of one sequence with the runs to show of each: lifelong methods best first, then
    bounds.

    Of more than `MOST` lifelong methods, the best and the reference. A grid without previews is
    left out with a `NotDrawn` warning. Raises `RequestError` when that leaves nothing, and for a
    file that is damaged or not of its run.
    """
    found = [(grid, _shown(grid)) for grid in by_sequence(collection, sequences)]
    without = [_refusal(grid) for grid, runs in found if not runs]
    if len(without) == len(found):
        raise RequestError(without[0])
    for refusal in without:
        warnings.warn(refusal, NotDrawn, stacklevel=2)
    return [(grid, runs) for grid, runs in found if runs]


def who(grid: Grid, runs: Sequence[Shown]) -> str:
    """Which runs are shown, for the head of a figure."""
    seeds = sorted({run.record.seed for run in runs})
    told = f"Seed {seeds[0]}." if len(seeds) == 1 else "The lowest seed of each method."
    shown = {run.label for run in runs}
    left = sum(line.label not in shown for line in grid.lines if line.runs)
    if left:
        told += (f" {left} more with runs are not shown: of those with previews, the {MOST} best "
                 "lifelong methods are; choose with --methods.")
    return told


def _shown(grid: Grid) -> list[Shown]:
    runs = {line.label: run for line in grid.lines if (run := _of(line))}
    lifelong = [label for label in best_first(grid) if label in runs]
    best = lifelong[:MOST]
    if REFERENCE in lifelong[MOST:]:
        best[-1] = REFERENCE
    return [runs[label] for label in best] + [run for run in runs.values() if run.bound]


def _of(line: MethodRuns[RunKey]) -> Shown | None:
    for _, found in sorted(line.runs.items(), key=lambda item: item[0][1]):
        if (found.folder / PREVIEWS_FILE).exists():
            previews = load(found.folder)
            names = [task.name for task in found.record.tasks]
            if ([task.name for task in previews.tasks] != names
                    or any((len(names), name) not in previews.raw for name in names)):
                raise RequestError(f"{found.folder / PREVIEWS_FILE}: does not hold the outputs of "
                                   f"{', '.join(names)} after phase {len(names)}, as the record "
                                   "beside it has them")
            return Shown(line.label, found.record, found.folder, previews)
    return None


def _refusal(grid: Grid) -> str:
    line = next((line for line in grid.lines if line.runs), grid.lines[0])
    at = next(iter(line.runs), grid.cells[0])
    return (f"{title_of(grid)}: no run left {PREVIEWS_FILE} (published and older runs have none); "
            f"make one with {grid.command(line.method, at, line)} --overwrite")
