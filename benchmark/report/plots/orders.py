"""`orders`: how much the gain of a method depends on the order of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.errors import RequestError
from benchmark.report.plots.drawing import Sheet, write
from benchmark.report.plots.means import REFERENCE, best_first, name_of, title_of, undefined
from benchmark.report.plots.rows import ROW, names_width, rows
from benchmark.report.plots.style import FAINT, GREY, Look, looks
from benchmark.report.runs.collection import Collection
from benchmark.report.runs.grid import Grid, grids_of, order_number
from benchmark.statistics import mean_of_means, strata

WIDTH = 5.0
FEW = 5
"""Orders of more tasks are called by their number; of more tasks a legend takes two lines."""


def draw(collection: Collection, sequences: Sequence[str] | None, to: Path,
         baseline: str = REFERENCE) -> list[Path]:
    """One figure per family and recipe with two orders or more; a row per lifelong method.

    Raises `RequestError` for a pattern that no run matches, when the baseline has no run, and
    when no family was run in two orders.
    """
    return write("orders", grids_of(collection, sequences),
                 lambda grid: figure(grid, baseline), to)


def figure(grid: Grid, baseline: str = REFERENCE) -> Figure:
    """Delta per order, mean over seeds. Raises `RequestError` as `draw` does."""
    if len(grid.sequences) < 2:
        raise RequestError(f"{title_of(grid)}: orders are compared in runs of two orders or more; "
                           "1 was run")
    usual = grid.baseline(baseline).label
    gains = {label: by_order for label in best_first(grid)
             if label != usual and (by_order := gains_by_order(grid, label, baseline))}
    if not gains:
        raise undefined(grid, baseline)
    names = [name_of(grid, grid.line(label)) for label in gains]
    tasks, seeds = tasks_of(grid), len(grid.seeds)
    short, last = short_names(tasks), {sequence: order[-1] for sequence, order in tasks.items()}
    styles = {task: look for task, look in looks([task.name for task in grid.record.tasks]).items()
              if task in last.values()}
    first = grid.sequences[0]
    called = (f"{short[first]} = {' '.join(tasks[first])}" if len(tasks[first]) <= FEW
              else "s<number> of the sequence")
    left, above = names_width(names) + 0.1, 0.1 + 0.2 * ceil(len(styles) / FEW)
    sheet = Sheet(f"{title_of(grid)}: gains by order of tasks",
                  f"A mark is an order{f', mean over {seeds} seeds' * (seeds > 1)}; the worst and "
                  f"the best are named ({called}). Colour and shape: the task learnt last.",
                  left + WIDTH + 0.45, above + len(names) * ROW + 0.65)
    axes = rows(sheet, left, above, WIDTH, names)
    axes.axvline(0, color=GREY, linewidth=0.6)
    for row, by_order in enumerate(gains.values()):
        _row(axes, row, by_order, {sequence: styles[last[sequence]] for sequence in by_order},
             short)
    axes.margins(x=0.12)
    axes.set_xlabel(f"Δ over {baseline} (%) →")
    marks = [axes.plot([], [], color=look.colour, marker=look.marker, linestyle="none")[0]
             for look in styles.values()]
    axes.legend(marks, list(styles), loc="lower left", ncols=min(FEW, len(styles)),
                bbox_to_anchor=(0, 1), frameon=False, borderpad=0, borderaxespad=0.4,
                columnspacing=1.2, handletextpad=0.1)
    return sheet.figure


def _row(axes: Axes, row: int, by_order: Mapping[str, float], styles: Mapping[str, Look],
         short: Mapping[str, str]) -> None:
    """One method: its orders, the worst and the best of them named."""
    worst, best = (choose(by_order, key=by_order.__getitem__) for choose in (min, max))
    axes.plot([by_order[worst], by_order[best]], [row, row], color=FAINT, linewidth=1)
    for sequence, gain in by_order.items():
        axes.plot(gain, row, color=styles[sequence].colour, marker=styles[sequence].marker,
                  linestyle="none", alpha=0.85, clip_on=False)
    if len(by_order) > 1:
        for sequence, side, align in ((worst, -6, "right"), (best, 6, "left")):
            axes.annotate(short[sequence], (by_order[sequence], row), (side, 0),
                          textcoords="offset points", va="center", ha=align, color=GREY)


def gains_by_order(grid: Grid, label: str, baseline: str) -> dict[str, float]:
    """Mean Delta over seeds, by sequence; orders with an undefined Delta are left out."""
    scores = grid.deltas(grid.line(label), baseline)
    undefined = {sequence for (sequence, _), score in scores.items() if score.value is None}
    known = {at: score.value for at, score in scores.items()
             if at[0] not in undefined and score.value is not None}
    return {sequence: mean_of_means({sequence: values})
            for sequence, values in strata(known).items()}


def tasks_of(grid: Grid) -> dict[str, list[str]]:
    """The names of tasks in the order in which each sequence learns them."""
    return {found.record.sequence: [task.name for task in found.record.tasks]
            for line in grid.lines for found in (line.runs | line.failed).values()}


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
