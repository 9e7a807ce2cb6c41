"""`orders`: how much the gain of a method depends on the order of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.errors import RequestError
from benchmark.report.grid import Grid, grids_of, order_number
from benchmark.report.plots.drawing import Sheet, write
from benchmark.report.plots.means import REFERENCE, best_first, name_of, title_of
from benchmark.report.plots.rows import ROW, names_width, rows
from benchmark.report.records import Collection
from benchmark.report.style import FAINT, GREY, looks
from benchmark.statistics import mean_of_means, strata

WIDTH = 5.0
FEW = 5
"""Orders of more tasks are called by their number."""


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
    gains = {label: by_order for label in best_first(grid)
             if label != grid.baseline(baseline).label
             and (by_order := gains_by_order(grid, label, baseline))}
    if len(grid.sequences) < 2 or not gains:
        raise RequestError(f"{title_of(grid)}: orders are compared in runs of two orders or more; "
                           f"{len(grid.sequences)} was run")
    names = [name_of(grid, grid.line(label)) for label in gains]
    last = {sequence: tasks[-1] for sequence, tasks in tasks_of(grid).items()}
    styles = looks(list(dict.fromkeys(task.name for task in grid.record.tasks)))
    seeds, short = len(grid.seeds), short_names(tasks_of(grid))
    called = (", ".join(f"{short[each]} = {' '.join(tasks)}"
                        for each, tasks in list(tasks_of(grid).items())[:1])
              if len(grid.record.tasks) <= FEW else "s<number> of the sequence")
    left = names_width(names) + 0.1
    sheet = Sheet(f"{title_of(grid)}: gains by order of tasks",
                  f"A mark is an order{f', mean over {seeds} seeds' * (seeds > 1)}; the worst and "
                  f"the best are named ({called}). Colour and shape: the task learnt last.",
                  left + WIDTH + 0.45, len(names) * ROW + 0.95)
    axes = rows(sheet, left, 0.3, WIDTH, names)
    axes.axvline(0, color=GREY, linewidth=0.6)
    for row, by_order in enumerate(gains.values()):
        worst, best = (choose(by_order, key=by_order.__getitem__) for choose in (min, max))
        axes.plot([by_order[worst], by_order[best]], [row, row], color=FAINT, linewidth=1)
        for sequence, gain in by_order.items():
            look = styles[last[sequence]]
            axes.plot(gain, row, color=look.colour, marker=look.marker, linestyle="none",
                      alpha=0.85, clip_on=False)
        if len(by_order) > 1:
            for sequence, side, align in ((worst, -6, "right"), (best, 6, "left")):
                axes.annotate(short[sequence], (by_order[sequence], row), (side, 0),
                              textcoords="offset points", va="center", ha=align, color=GREY)
    axes.margins(x=0.12)
    axes.set_xlabel(f"Δ over {baseline} (%) →")
    marks = {task: axes.plot([], [], color=styles[task].colour, marker=styles[task].marker,
                             linestyle="none")[0] for task in styles if task in last.values()}
    axes.legend(list(marks.values()), list(marks), loc="lower left", ncols=len(marks),
                bbox_to_anchor=(0, 1), frameon=False, borderpad=0, borderaxespad=0.4,
                columnspacing=1.2, handletextpad=0.1)
    return sheet.figure


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
