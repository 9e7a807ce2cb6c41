"""Plots with a row per method or task, named at the left, the first at the top.

`orders` shows how much a gain depends on the order of tasks, `separate` one network that learns
all tasks against one network for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.errors import RequestError
from benchmark.report.plots.data import FigureData
from benchmark.report.plots.figure import new_figure, text_width, wrapped
from benchmark.report.plots.style import (
    COLOURS,
    FAINT,
    GREY,
    PANEL_TITLE_SIZE,
    Look,
    task_looks,
)
from benchmark.report.runs.grid import Grid, order_number
from benchmark.report.runs.scoring import References, ScoreColumn
from benchmark.report.runs.summary import count_text, means_by
from benchmark.scores import Matrix, Score, task_deltas

if TYPE_CHECKING:
    from benchmark.record import Record

ROW = 0.2
"""Inches from one row to the next."""
WIDTH = 5.0
"""Inches of the axes of a figure of one panel."""
FEW = 5
"""Orders of more tasks are called by their number; of more tasks a legend takes two lines."""
COLUMNS, PANEL = 4, 2.6
"""Panels side by side, and inches of each."""
ALL_TASKS = "all tasks"


def orders(data: FigureData) -> Figure:
    """Delta per order, mean over seeds, a row per lifelong method.

    Raises `RequestError` when the baseline has no run, and when the family was run in one order.
    """
    grid, baseline = data.grid, data.baseline
    if len(grid.sequences) < 2:
        raise RequestError(f"{data.title}: orders are compared in runs of two orders or more; "
                           "1 was run")
    gains = means_by(data.scores(["delta"]), ["label", "sequence"])
    shown = [label for label in data.best_first
             if label != grid.baseline(baseline).label and label in set(gains["label"])]
    if not shown:
        raise data.no_gain()
    tasks, seeds = tasks_of(grid), len(grid.seeds)
    short, looks = short_names(tasks), task_looks(task.name for task in grid.record.tasks)
    last = {sequence: order[-1] for sequence, order in tasks.items()}
    first = grid.sequences[0]
    called = (f"{short[first]} = {' '.join(tasks[first])}" if len(tasks[first]) <= FEW
              else "s<number> of the sequence")
    mean = f", mean over {count_text(seeds, 'seed')}" if seeds > 1 else ""
    names = [data.name(grid.method(label)) for label in shown]
    figure = new_figure(f"{data.title}: gains by order of tasks",
                        f"A mark is an order{mean}; the worst and the best are named ({called}). "
                        "Colour and shape: the task learnt last.",
                        WIDTH + max(map(text_width, names)), len(shown) * ROW + 0.75)
    axes = figure.subplots()
    named_rows(axes, names)
    axes.axvline(0, color=GREY, linewidth=0.6)
    for row, label in enumerate(shown):
        own = gains[gains["label"] == label]
        _draw_orders(axes, row, dict(zip(own["sequence"], own["mean"], strict=True)),
                     {sequence: looks[task] for sequence, task in last.items()}, short)
    axes.margins(x=0.12)
    axes.set_xlabel(f"Δ over {baseline} (%) →")
    marks = {task: axes.plot([], [], color=look.colour, marker=look.marker, linestyle="none")[0]
             for task, look in looks.items() if task in last.values()}
    axes.legend(marks.values(), marks, loc="lower left", bbox_to_anchor=(0, 1), frameon=False,
                borderpad=0, ncols=min(FEW, len(marks)), columnspacing=1.2, handletextpad=0.1)
    return figure


def separate(data: FigureData) -> Figure:
    """Gain over separate models by task, a panel per lifelong method (HAD's paper, figure 4).

    Raises `RequestError` when there is no run of them, or none beside one of a lifelong method.
    """
    tasks = [task.name for task in data.grid.record.tasks]
    columns = {task: ScoreColumn(task, "%", True, partial(_gain_of, task), needs=("separate",))
               for task in tasks}
    gains = means_by(data.scores([*columns, "delta"], columns, "separate"), ["label", "score"])
    shown = [label for label in data.best_first if label in set(gains["label"])]
    if not shown:
        raise RequestError(f"{data.title}: no lifelong method has a run beside one of separate, of "
                           "the same order and seed")
    gains = gains[gains["label"].isin(shown)].replace({"score": {"delta": ALL_TASKS}})
    names = [*tasks, ALL_TASKS]
    across, down = min(COLUMNS, len(shown)), ceil(len(shown) / COLUMNS)
    figure = new_figure(f"{data.title}: one network against separate ones",
                        "Gain of the final network over a network that learnt the task alone from "
                        f"the same images. {data.runs_text('bars')}",
                        across * PANEL + max(map(text_width, names)) + 0.2,
                        down * (len(names) * ROW + 0.5) + 0.2)
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    for index, (axes, label) in enumerate(zip(panels, shown, strict=False)):
        axes.set_title(wrapped(data.name(data.grid.method(label)), PANEL - 0.2,
                               PANEL_TITLE_SIZE))
        named_rows(axes, names)
        axes.axvline(0, color=GREY, linestyle=(0, (4, 3)), linewidth=0.9)
        for gain in gains[gains["label"] == label].itertuples():
            draw_mean(axes, names.index(str(gain.score)), gain,
                      *(("black", "D") if gain.score == ALL_TASKS else (COLOURS[0], "o")))
        axes.margins(x=0.08)
        if index + across >= len(shown):
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("gain over separate (%) →")
    for axes in panels[len(shown):]:
        axes.remove()
    return figure


def named_rows(axes: Axes, names: Sequence[str]) -> None:
    """Give axes a row for each of `names`: row i lies at y = i."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="both")


def draw_mean(axes: Axes, row: int, mean: Any, colour: str, marker: str = "o") -> None:
    """A `mean` and its interval, from `low` to `high`, in a row."""
    axes.plot([mean.low, mean.high], [row, row], color=colour, alpha=0.45, linewidth=2.2,
              solid_capstyle="butt")
    axes.plot(mean.mean, row, color=colour, marker=marker, linestyle="none", clip_on=False)


def tasks_of(grid: Grid) -> dict[str, list[str]]:
    """The names of tasks in the order in which each sequence learns them."""
    return {run.record.sequence: [task.name for task in run.record.tasks]
            for method in grid.methods for run in method.all_runs.values()}


def short_names(orders: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """An order's initials (`SDN`), longer where tasks begin alike; s1, s2... of many tasks."""
    return {sequence: f"s{order_number(sequence)}" if len(tasks) > FEW else
            "".join(_initial(task, tasks) for task in tasks)
            for sequence, tasks in orders.items()}


def _initial(task: str, tasks: Sequence[str]) -> str:
    """The fewest letters of `task` with which no other task begins."""
    lengths = range(1, len(task) + 1)
    length = next((length for length in lengths if not any(
        other.startswith(task[:length]) for other in tasks if other != task)), len(task))
    return task[:length].capitalize()


def _draw_orders(axes: Axes, row: int, gains: Mapping[str, float], looks: Mapping[str, Look],
                 short: Mapping[str, str]) -> None:
    """One method: its orders, the worst and the best of them named."""
    worst, best = (choose(gains, key=gains.__getitem__) for choose in (min, max))
    axes.plot([gains[worst], gains[best]], [row, row], color=FAINT, linewidth=1)
    for sequence, gain in gains.items():
        look = looks[sequence]
        axes.plot(gain, row, color=look.colour, marker=look.marker, linestyle="none", alpha=0.85,
                  clip_on=False)
    if len(gains) > 1:
        for order, side, align in ((worst, -6, "right"), (best, 6, "left")):
            axes.annotate(short[order], (gains[order], row), (side, 0),
                          textcoords="offset points", va="center", ha=align, color=GREY)


def _gain_of(task: str, own: Matrix, references: References, record: Record) -> Score:
    return task_deltas(own, references["separate"])[task]
