"""`matrix`: tasks x phases per method; what a task lost or gained since it was learnt is colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from benchmark.errors import RequestError
from benchmark.record import MetricInfo
from benchmark.report.plots.drawing import Sheet, text_inches, write
from benchmark.report.plots.means import (
    best_first,
    by_sequence,
    by_what,
    mean_of,
    name_of,
    title_of,
)
from benchmark.report.plots.style import DIVERGING, FAINT, PANEL_TITLE_SIZE, TEXT_SIZE
from benchmark.report.runs.collection import Collection
from benchmark.report.runs.grid import Grid, RunKey
from benchmark.report.runs.lines import MethodRuns
from benchmark.report.tables.names import metric_heading
from benchmark.scores import EPS

CELL_WIDTH, CELL_HEIGHT = 0.5, 0.27
MOST = 100.0
"""Change in % from which on colour grows no deeper: one bad cell does not pale all others."""
PAGE = 9.0
"""Inches that panels may fill side by side."""


@dataclass(frozen=True)
class Cell:
    """A metric after a phase, and its change since the task was learnt."""

    value: float
    change: float | None
    """In % of the value just after the task's own phase, positive when better; None when that
    is too near 0 to divide by."""


def draw(collection: Collection, sequences: Sequence[str] | None, to: Path) -> list[Path]:
    """One figure per sequence and recipe, one panel per lifelong method: primary metrics.

    Raises `RequestError` for a pattern that no run matches.
    """
    return write("matrix", by_sequence(collection, sequences), figure, to)


def figure(grid: Grid) -> Figure:
    """Panels by mean Delta. Raises `RequestError` when no lifelong method was run."""
    lines = [grid.line(label) for label in best_first(grid)]
    if not lines:
        raise RequestError(f"{title_of(grid)}: no run of a lifelong method")
    tasks = grid.record.tasks
    found = [cells(line) for line in lines]
    span = _span(found)
    scale = Normalize(-span, span)
    names = [metric_heading(task, metric) for task in tasks for metric in task.metrics
             if metric.primary]
    left = max(map(text_inches, names)) + 0.15
    wide = max(len(tasks) * CELL_WIDTH,
               *(text_inches(name_of(grid, line), PANEL_TITLE_SIZE) for line in lines)) + 0.25
    high = len(tasks) * CELL_HEIGHT + 0.62
    columns = max(1, min(len(lines), int(PAGE / wide)))
    rows = ceil(len(lines) / columns)
    seeds = len(grid.seeds)
    sheet = Sheet(f"{title_of(grid)}: every task after every phase",
                  "Numbers: the primary metric" + (f", mean over {seeds} seeds" * (seeds > 1))
                  + ". Colour: change since the task was learnt, relative to its value then. "
                  f"Methods {by_what(grid)}.", left + columns * wide, rows * high + 0.6)
    for index, (line, values) in enumerate(zip(lines, found, strict=True)):
        row, column = divmod(index, columns)
        axes = sheet.axes(left + column * wide, 0.25 + row * high, len(tasks) * CELL_WIDTH,
                          len(tasks) * CELL_HEIGHT)
        axes.set_title(name_of(grid, line))
        _panel(axes, values, scale)
        axes.set_xticks([phase + 0.5 for phase in range(len(tasks))],
                        [str(phase) for phase in range(1, len(tasks) + 1)])
        axes.set_yticks([task + 0.5 for task in range(len(tasks))],
                        names if column == 0 else [""] * len(tasks))
        if index + columns >= len(lines):
            axes.set_xlabel("after phase")
    bar = sheet.axes(left, rows * high + 0.25, 2.2, 0.09)
    sheet.figure.colorbar(ScalarMappable(scale, DIVERGING), cax=bar, orientation="horizontal")
    bar.set_title("worse  ←  change since learnt (%)  →  better", fontsize=TEXT_SIZE, loc="left")
    return sheet.figure


def cells(line: MethodRuns[RunKey]) -> list[list[Cell | None]]:
    """Task, phase -> cell of the primary metric, mean over seeds; None where not measured."""
    tasks = line.record.tasks
    return [[_cell(line, task.name, metric, learnt, phase) for phase in range(len(tasks))]
            for learnt, task in enumerate(tasks) for metric in task.metrics if metric.primary]


def _cell(line: MethodRuns[RunKey], task: str, metric: MetricInfo, learnt: int,
          phase: int) -> Cell | None:
    rows = {at: found.record.matrix[task][metric.name] for at, found in line.runs.items()}
    pairs = {at: (row[learnt], row[phase]) for at, row in rows.items()}
    now = mean_of({at: value for at, (_, value) in pairs.items() if value is not None})
    sign = 100 if metric.higher_is_better else -100
    changes = {at: sign * (value - first) / abs(first) for at, (first, value) in pairs.items()
               if first is not None and value is not None and abs(first) >= EPS}
    change = mean_of(changes) if len(changes) == len(pairs) else None
    return Cell(now.value, change.value if change else None) if now else None


def _span(found: Iterable[list[list[Cell | None]]]) -> float:
    """The largest change up to `MOST`; white is no change and both colours reach as far."""
    changes = [abs(cell.change) for rows in found for row in rows for cell in row
               if cell and cell.change is not None]
    return min(MOST, max(changes, default=0.0)) or 1.0


def _short(value: float) -> str:
    """Three significant digits, and all digits before the point."""
    return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:.0f}"


def _panel(axes: Axes, rows: list[list[Cell | None]], scale: Normalize) -> None:
    colours = colormaps[DIVERGING]
    for task, row in enumerate(rows):
        for phase, cell in enumerate(row):
            if cell is None:
                continue
            colour = FAINT if cell.change is None else colours(scale(cell.change))
            axes.add_patch(Rectangle((phase, task), 1, 1, facecolor=colour, edgecolor="white"))
            axes.text(phase + 0.5, task + 0.5, _short(cell.value), ha="center", va="center",
                      color="white" if _dark(colour) else "black")
    axes.set_xlim(0, len(rows))
    axes.set_ylim(len(rows), 0)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _dark(colour: Any) -> bool:
    red, green, blue = to_rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
