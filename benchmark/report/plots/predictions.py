"""`predictions`: image, truth and prediction, method by method and phase by phase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.report.plots.data import FigureData
from benchmark.report.plots.pictures import PictureBlock, figure_of_blocks
from benchmark.report.plots.previewed import PreviewedRun, choice_text, previewed_runs
from benchmark.tasks import Task
from benchmark.tasks.appearance import colour_key, coloured

ROWS = 2
"""Images of each task."""
LAST = "After the last phase, on the first evaluation images; metrics are of all of them."


def predictions(data: FigureData) -> dict[str, Figure]:
    """Of one sequence, all methods after the last phase side by side; per lifelong method, every
    phase.

    Raises `RequestError` as `previewed_runs` does.
    """
    runs = previewed_runs(data)
    figures = {}
    if len(runs) > 1:
        figures["predictions"] = _side_by_side(data, runs)
    return figures | {f"predictions_{run.label}": _over_phases(data, run)
                      for run in runs if not run.bound}


def _side_by_side(data: FigureData, runs: list[PreviewedRun]) -> Figure:
    """A block per task: image, truth, and what each run predicted at the end."""
    rows = min(ROWS, *(len(run.previews.images) for run in runs))
    phases = len(data.grid.record.tasks)
    blocks = [_block(task, runs[0], rows, {
        f"{run.label}\n{run.metric_text(task, phases)}": run.previews.prediction(phases, task)
        for run in runs}) for task in runs[0].previews.tasks]
    return figure_of_blocks(f"{data.title}: predictions",
                            f"{LAST} {choice_text(data.grid, runs)}", blocks)


def _over_phases(data: FigureData, run: PreviewedRun) -> Figure:
    """A block per task: image, truth, and what the run predicted after each phase since its own."""
    blocks = [_block(task, run, ROWS, _by_phase(run, task)) for task in run.previews.tasks]
    return figure_of_blocks(f"{run.label} on {data.title}: predictions after each phase",
                            "First evaluation images; metrics are of all of them. "
                            f"Seed {run.record.seed}.", blocks)


def _by_phase(run: PreviewedRun, task: Task) -> dict[str, NDArray[Any] | None]:
    """Predictions of a task by what stands above them; none before the task was learnt."""
    found: dict[str, NDArray[Any] | None] = {}
    for phase, learnt in enumerate(run.previews.tasks, start=1):
        if (phase, task.name) in run.previews.raw:
            title = f"after {phase} {learnt.name}\n{run.metric_text(task, phase)}"
            found[title] = run.previews.prediction(phase, task)
        else:
            found[f"after {phase}"] = None
    return found


def _block(task: Task, run: PreviewedRun, rows: int,
           predicted: Mapping[str, NDArray[Any] | None]) -> PictureBlock:
    previews = run.previews
    truth = previews.truth[task.name][:rows]
    made = {title: each[:rows] for title, each in predicted.items() if each is not None}
    shown = coloured(task, truth, task.valid(truth), *made.values())
    pictures = dict(zip(made, shown[1:], strict=True))
    return PictureBlock(task.name, {"image": previews.images[:rows].transpose(0, 2, 3, 1),
                             "truth": shown[0],
                             **{title: pictures.get(title) for title in predicted}},
                 colour_key(task, truth, *made.values()))
