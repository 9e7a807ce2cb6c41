"""`stability`: how well methods keep old tasks against how well they learn new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.errors import RequestError
from benchmark.report.plots.drawing import Sheet, write
from benchmark.report.plots.means import REFERENCE, Mean, mean_score, over_runs, title_of
from benchmark.report.plots.points import height_of, name, points_of, scatter
from benchmark.report.plots.style import GREY
from benchmark.report.runs.collection import Collection
from benchmark.report.runs.grid import Grid, grids_of
from benchmark.scores import Matrix, Score, learning_transfer, mean, relative_forgetting

WIDTH, HEIGHT = 5.2, 3.9


def draw(collection: Collection, sequences: Sequence[str] | None, to: Path,
         baseline: str | None = None) -> list[Path]:
    """One figure per family and recipe, one point per method.

    Learning is measured against `baseline`: separate models where there are runs of them, else
    finetune. Raises `RequestError` for a pattern that no run matches, when the baseline has no
    run, and when no method has both scores, as in sequences of one task.
    """
    return write("stability", grids_of(collection, sequences),
                 lambda grid: figure(grid, baseline), to)


def figure(grid: Grid, baseline: str | None = None) -> Figure:
    """Forgetting, less of it upwards, against learning. Raises `RequestError` as `draw` does."""
    against = baseline or _usual(grid)
    points = points_of(grid, learning(grid, against), _forgetting(grid))
    if not points:
        raise RequestError(f"{title_of(grid)}: no method has both a forgetting and a learning "
                           "score; they take two tasks and runs of the baseline's seeds")
    height = height_of(points, HEIGHT)
    sheet = Sheet(f"{title_of(grid)}: stability against plasticity",
                  "Right: new tasks (from the second on) are learnt better. Up: old tasks are "
                  f"forgotten less. {over_runs(grid, 'lines')} Bounds are grey.",
                  WIDTH + 0.9, height + 0.6)
    axes = sheet.axes(0.65, 0.1, WIDTH, height)
    axes.grid(axis="both")
    axes.axvline(0, color=GREY, linewidth=0.6)
    axes.axhline(0, color=GREY, linewidth=0.6)
    axes.set_xlabel(f"learning of tasks 2 to {len(grid.record.tasks)}, gain over {against} (%) →")
    axes.set_ylabel("← forgetting (%)")
    scatter(axes, points)
    axes.margins(0.12)
    axes.invert_yaxis()
    name(axes, points)
    return sheet.figure


def learning(grid: Grid, baseline: str) -> dict[str, Mean]:
    """Learning transfer of tasks 2 to T by label, in %: just learnt values over the baseline's."""
    reference = {at: _just_learnt(matrix)
                 for at, matrix in grid.matrices(grid.baseline(baseline)).items()}
    means = {line.label: mean_score({at: _of_later_tasks(matrix, reference[at])
                                     for at, matrix in grid.matrices(line).items()
                                     if at in reference}) for line in grid.lines}
    return {label: mean for label, mean in means.items() if mean}


def _forgetting(grid: Grid) -> dict[str, Mean]:
    means = {line.label: mean_score({at: relative_forgetting(matrix)
                                     for at, matrix in grid.matrices(line).items()})
             for line in grid.lines}
    return {label: mean for label, mean in means.items() if mean}


def _of_later_tasks(matrix: Matrix, reference: Matrix) -> Score:
    first = matrix.tasks[0][0].task
    return mean(score for task, score in learning_transfer(matrix, reference).items()
                if task != first)


def _just_learnt(matrix: Matrix) -> Matrix:
    """R with every value of a task as it was just after its own phase, where that is known."""
    return Matrix(tuple(
        tuple(curve if (value := curve.after(curve.learnt)) is None
              else replace(curve, values=(value,) * len(curve.values)) for curve in curves)
        for curves in matrix.tasks))


def _usual(grid: Grid) -> str:
    return "separate" if any(line.method == "separate" for line in grid.lines) else REFERENCE
