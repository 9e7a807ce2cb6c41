"""`forgetting`: how every metric of every task moves as tasks are added."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import ceil
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.report.plots.curves import (
    Points,
    coloured,
    curves_of,
    height_of,
    panel,
    told,
    widest,
)
from benchmark.report.plots.drawing import Sheet, write
from benchmark.report.plots.means import by_sequence, mean_of, over_runs, title_of
from benchmark.report.runs.collection import Collection
from benchmark.report.runs.grid import Grid, RunKey
from benchmark.report.runs.lines import MethodRuns
from benchmark.report.tables.names import metric_heading

WIDTH, LEAST_HEIGHT = 2.3, 1.75
"""Size of a panel's axes in inches; panels of many methods are higher, to fit their names."""
COLUMNS = 3


def draw(collection: Collection, sequences: Sequence[str] | None, to: Path) -> list[Path]:
    """One figure per sequence, and per data set and recipe where a sequence has several.

    Writes `forgetting_<sequence>.png` and `.pdf` below `to` and returns the files. Raises
    `RequestError` for a pattern in `sequences` that no run matches.
    """
    return write("forgetting", by_sequence(collection, sequences), figure, to)


def figure(grid: Grid) -> Figure:
    """A panel per metric of every task, in the order of tasks; all methods of one sequence."""
    tasks, styles = grid.record.tasks, coloured(grid)
    panels = [(task, metric) for task in tasks for metric in task.metrics]
    height = height_of(grid, LEAST_HEIGHT)
    wide, high = WIDTH + widest(grid) + 0.5, height + 0.65
    order = ", ".join(f"{phase} {task.name}" for phase, task in enumerate(tasks, 1))
    sheet = Sheet(f"{title_of(grid)}: every metric after every phase",
                  f"Phases: {order}. {over_runs(grid, 'bands')}{told(grid)}",
                  0.5 + wide * min(COLUMNS, len(panels)), high * ceil(len(panels) / COLUMNS))
    for index, (task, metric) in enumerate(panels):
        row, column = divmod(index, COLUMNS)
        axes = sheet.axes(0.5 + column * wide, 0.25 + row * high, WIDTH, height)
        axes.set_title(metric_heading(task, metric))
        panel(axes, curves_of(grid, partial(_points, task.name, metric.name)), len(tasks), styles)
        if index + COLUMNS >= len(panels):
            axes.set_xlabel("after phase")
    return sheet.figure


def _points(task: str, metric: str, line: MethodRuns[RunKey]) -> Points:
    """The mean wherever some run has a value."""
    rows = {at: found.record.matrix[task][metric] for at, found in line.runs.items()}
    means = {phase: mean_of({at: value for at, row in rows.items()
                             if (value := row[phase - 1]) is not None})
             for phase in range(1, len(line.record.tasks) + 1)}
    return {phase: mean for phase, mean in means.items() if mean}
