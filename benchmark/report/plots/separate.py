"""`separate`: one network that learns all tasks against one network for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.errors import RequestError
from benchmark.report.plots.drawing import Sheet, text_inches, write
from benchmark.report.plots.means import (
    Mean,
    best_first,
    mean_score,
    name_of,
    over_runs,
    title_of,
)
from benchmark.report.plots.rows import ROW, dot, names_width, rows
from benchmark.report.plots.style import COLOURS, GREY, PANEL_TITLE_SIZE
from benchmark.report.runs.collection import Collection
from benchmark.report.runs.grid import Grid, RunKey, grids_of
from benchmark.report.runs.lines import MethodRuns
from benchmark.scores import Score, mean, task_deltas

WIDTH, COLUMNS = 2.4, 4
ALL_TASKS = "all tasks"


def draw(collection: Collection, sequences: Sequence[str] | None, to: Path) -> list[Path]:
    """One figure per family and recipe, a panel per lifelong method (HAD's paper, figure 4).

    Raises `RequestError` for a pattern that no run matches and when there is no run of separate.
    """
    return write("separate", grids_of(collection, sequences), figure, to)


def figure(grid: Grid) -> Figure:
    """Gain over separate models by task. Raises `RequestError` when there is no run of them."""
    found = {label: gains for label in best_first(grid)
             if (gains := gains_by_task(grid, grid.line(label)))}
    if not found:
        raise RequestError(f"{title_of(grid)}: no lifelong method has a run beside one of "
                           "separate, of the same order and seed")
    tasks = [*(task.name for task in grid.record.tasks), ALL_TASKS]
    names = {label: name_of(grid, grid.line(label)) for label in found}
    columns = min(COLUMNS, len(found))
    left, wide = names_width(tasks), 0.3 + max(WIDTH, *(
        text_inches(name, PANEL_TITLE_SIZE) for name in names.values()))
    high = len(tasks) * ROW + 0.6
    sheet = Sheet(f"{title_of(grid)}: one network against separate ones",
                  "Gain of the final network over a network that learnt the task alone from the "
                  f"same images. {over_runs(grid, 'bars')}", left + columns * wide,
                  ceil(len(found) / columns) * high + 0.2)
    low = min(mean.low for gains in found.values() for mean in gains.values())
    top = max(mean.high for gains in found.values() for mean in gains.values())
    room = 0.06 * (max(top, 0) - min(low, 0)) or 1.0
    for index, (label, gains) in enumerate(found.items()):
        row, column = divmod(index, columns)
        axes = rows(sheet, left + column * wide, 0.25 + row * high, WIDTH,
                    tasks if column == 0 else [""] * len(tasks))
        axes.set_title(names[label])
        axes.axvline(0, color=GREY, linestyle=(0, (4, 3)), linewidth=0.9)
        axes.set_xlim(min(low, 0) - room, max(top, 0) + room)
        for place, task in enumerate(tasks):
            if task in gains:
                whole = task == ALL_TASKS
                dot(axes, place, gains[task], "black" if whole else COLOURS[0],
                    "D" if whole else "o")
        if index + columns >= len(found):
            axes.set_xlabel("gain over separate (%) →")
    return sheet.figure


def gains_by_task(grid: Grid, line: MethodRuns[RunKey]) -> dict[str, Mean]:
    """Final gain over separate models by task, then over all tasks; undefined ones left out.

    Raises `RequestError` when there is no run of separate.
    """
    reference = grid.matrices(grid.baseline("separate"))
    scores: dict[str, dict[RunKey, Score]] = {}
    for at, matrix in grid.matrices(line).items():
        if at in reference:
            gains = task_deltas(matrix, reference[at])
            for task, score in {**gains, ALL_TASKS: mean(gains.values())}.items():
                scores.setdefault(task, {})[at] = score
    means = {task: mean_score(each) for task, each in scores.items()}
    return {task: mean for task, mean in means.items() if mean}
