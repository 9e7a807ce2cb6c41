"""`matrix`: tasks x phases per method; what a task lost or gained since it was learnt is colour."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

from benchmark.errors import RequestError
from benchmark.report.plots.data import FigureData
from benchmark.report.plots.figure import new_figure, text_width, wrapped
from benchmark.report.plots.style import DIVERGING, FAINT, PANEL_TITLE_SIZE
from benchmark.report.runs.frame import tidy_frame
from benchmark.report.runs.summary import count_text, means_by, metric_heading
from benchmark.scores import EPS

if TYPE_CHECKING:
    import pandas as pd

CELL_WIDTH, CELL_HEIGHT = 0.5, 0.28
NARROWEST = 1.5
"""Inches of a panel, so that a method's name stands above few tasks."""
PAGE = 9.0
"""Inches that panels may fill side by side."""
MOST = 100.0
"""Change in % from which on colour grows no deeper: one bad cell does not pale all others."""


def matrix(data: FigureData) -> Figure:
    """Primary metrics of one sequence, a panel per lifelong method, best first.

    Raises `RequestError` when no lifelong method was run.
    """
    if not data.best_first:
        raise RequestError(f"{data.title}: no run of a lifelong method")
    tasks, methods = data.grid.record.tasks, data.best_first
    cells = _cells(data)
    span = min(MOST, max(cells["change"].abs().dropna(), default=0.0)) or 1.0
    names = [metric_heading(task, metric) for task in tasks for metric in task.metrics
             if metric.primary]
    wide = max(NARROWEST, len(tasks) * CELL_WIDTH) + 0.1
    columns = max(1, min(len(methods), int(PAGE / wide)))
    rows = ceil(len(methods) / columns)
    seeds = len(data.grid.seeds)
    high = rows * (len(tasks) * CELL_HEIGHT + 0.55) + 0.5
    mean = f", mean over {count_text(seeds, 'seed')}" if seeds > 1 else ""
    figure = new_figure(f"{data.title}: every task after every phase",
                        f"Numbers: the primary metric{mean}. Colour: change since the task was "
                        f"learnt, relative to its value then. Methods {data.order_text}.",
                        columns * wide + max(map(text_width, names)) + 0.2, high)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for index, (axes, label) in enumerate(zip(panels, methods, strict=False)):
        axes.set_title(wrapped(data.name(data.grid.method(label)), wide - 0.2,
                               PANEL_TITLE_SIZE))
        _draw_cells(axes, cells[cells["label"] == label], len(tasks), span)
        axes.set_xticks(np.arange(len(tasks)) + 0.5, range(1, len(tasks) + 1))
        axes.set_yticks(np.arange(len(tasks)) + 0.5, names)
        if index + columns >= len(methods):
            axes.set_xlabel("after phase")
    for axes in panels[len(methods):]:
        axes.remove()
    bar = figure.colorbar(ScalarMappable(_scale(span), DIVERGING), ax=[*panels[:len(methods)]],
                          location="bottom", shrink=min(1.0, 2.5 / (columns * wide)), aspect=28,
                          anchor=(0, 0), pad=0.1 / high)
    bar.set_label("worse  ←  change since learnt (%)  →  better")
    return figure


def _cells(data: FigureData) -> pd.DataFrame:
    """`value` and `change` of the primary metric by label, task (its place) and phase, mean over
    seeds.

    A change is in % of the value just after the task's own phase, positive when better; NaN as
    soon as one run's value then is too near 0 to divide by.
    """
    frame = tidy_frame([data.grid])
    frame = frame[frame["primary"]]
    place = {task.name: index for index, task in enumerate(data.grid.record.tasks)}
    frame = frame.assign(row=frame["task"].map(place))
    learnt = frame[frame["phase"] == frame["row"] + 1][["run_id", "task", "value"]]
    frame = frame.merge(learnt, on=["run_id", "task"], how="left", suffixes=("", "_learnt"))
    sign = np.where(frame["higher_is_better"], 100, -100)
    size = frame["value_learnt"].abs()
    frame["change"] = sign * (frame["value"] - frame["value_learnt"]) / size.where(size >= EPS)
    keys = ["label", "row", "phase"]
    values = means_by(frame.dropna(subset=["value"]), keys)
    changes = means_by(frame.assign(value=frame["change"]), keys)
    return values.merge(changes, on=keys, how="left", suffixes=("", "_change")).rename(
        columns={"mean": "value", "mean_change": "change"})


def _draw_cells(axes: Axes, cells: pd.DataFrame, tasks: int, span: float) -> None:
    changes, values = (
        cells.pivot(index="row", columns="phase", values=score).reindex(
            index=range(tasks), columns=range(1, tasks + 1)).to_numpy(float)
        for score in ("change", "value"))
    for shown, colours in ((np.where(np.isnan(values), np.nan, 0.0), ListedColormap([FAINT])),
                           (changes, colormaps[DIVERGING])):
        axes.pcolormesh(shown, cmap=colours, norm=_scale(span), edgecolors="white", linewidth=1)
    for (row, phase), value in np.ndenumerate(values):
        if not np.isnan(value):
            dark = abs(changes[row, phase]) > 0.6 * span
            axes.text(phase + 0.5, row + 0.5, _short(value), ha="center", va="center",
                      color="white" if dark else "black")
    axes.set_ylim(tasks, 0)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _scale(span: float) -> Normalize:
    """White is no change, and both colours reach as far."""
    return Normalize(-span, span)


def _short(value: float) -> str:
    """Three significant digits, and all digits before the point."""
    return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:.0f}"
