"""`predictions`: image, truth and prediction, method by method and phase by phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.report.plots.drawing import write
from benchmark.report.plots.keys import key_of
from benchmark.report.plots.means import title_of
from benchmark.report.plots.panels import Block, sheet
from benchmark.report.plots.previewed import Shown, previewed, who
from benchmark.report.runs.collection import Collection
from benchmark.report.runs.grid import Grid
from benchmark.tasks import Task
from benchmark.tasks.appearance import coloured

ROWS = 2
"""Images of each task."""
LAST = "After the last phase, on the first evaluation images; metrics are of all of them."


def draw(collection: Collection, sequences: Sequence[str] | None, to: Path) -> list[Path]:
    """Per sequence, all methods after the last phase side by side; per method, every phase.

    Writes `predictions_<sequence>` and `predictions_<method>_<sequence>`, as PNG and PDF. Raises
    `RequestError` as `previewed` does.
    """
    files: list[Path] = []
    for grid, runs in previewed(collection, sequences):
        if len(runs) > 1:
            files += write("predictions", [grid], partial(side_by_side, runs=runs), to)
        for run in runs:
            if not run.bound:
                files += write(f"predictions_{run.label}", [grid],
                               partial(over_phases, run=run), to)
    return files


def side_by_side(grid: Grid, runs: Sequence[Shown]) -> Figure:
    """A block per task: image, truth, and what each run predicted at the end."""
    rows = min(ROWS, *(len(run.previews.images) for run in runs))
    phases = len(grid.record.tasks)
    blocks = [_block(task, runs[0], rows, {
        f"{run.label}\n{run.measured(task, phases)}": run.previews.prediction(phases, task)
        for run in runs}) for task in runs[0].previews.tasks]
    return sheet(f"{title_of(grid)}: predictions", f"{LAST} {who(grid, runs)}", blocks)


def over_phases(grid: Grid, run: Shown) -> Figure:
    """A block per task: image, truth, and what the run predicted after each phase since its own."""
    blocks = [_block(task, run, ROWS, _by_phase(run, task)) for task in run.previews.tasks]
    return sheet(f"{run.label} on {title_of(grid)}: predictions after each phase",
                 f"First evaluation images; metrics are of all of them. Seed {run.record.seed}.",
                 blocks)


def _by_phase(run: Shown, task: Task) -> dict[str, NDArray[Any] | None]:
    """Predictions of a task by what stands above them; none before the task was learnt."""
    found: dict[str, NDArray[Any] | None] = {}
    for phase, learnt in enumerate(run.previews.tasks, start=1):
        if (phase, task.name) in run.previews.raw:
            title = f"after {phase} {learnt.name}\n{run.measured(task, phase)}"
            found[title] = run.previews.prediction(phase, task)
        else:
            found[f"after {phase}"] = None
    return found


def _block(task: Task, run: Shown, rows: int,
           predictions: Mapping[str, NDArray[Any] | None]) -> Block:
    previews = run.previews
    truth = previews.truth[task.name][:rows]
    made = {title: each[:rows] for title, each in predictions.items() if each is not None}
    shown = coloured(task, truth, task.valid(truth), *made.values())
    pictures = dict(zip(made, shown[1:], strict=True))
    return Block(task.name, {"image": previews.images[:rows].transpose(0, 2, 3, 1),
                             "truth": shown[0],
                             **{title: pictures.get(title) for title in predictions}},
                 key_of(task, truth, *made.values()))
