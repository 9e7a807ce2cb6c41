"""Curves over phases: one line per method, named where it ends, bounds dashed in grey.

`forgetting` shows every metric of every task, `delta` the mean gain over the baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from benchmark.report.plots.data import FigureData
from benchmark.report.plots.figure import lay_out, new_figure, text_width
from benchmark.report.plots.style import COLOURS, FAINT, GREY, REFERENCE, TEXT_SIZE, Look
from benchmark.report.runs.frame import tidy_frame
from benchmark.report.runs.scoring import ScoreColumn
from benchmark.report.runs.summary import means_by, metric_heading
from benchmark.scores import delta as delta_of

if TYPE_CHECKING:
    import pandas as pd

MANY, SHOWN = 12, len(COLOURS)
"""Of more than `MANY` methods `SHOWN` are coloured and named; the others stay grey lines."""
COLUMNS = 3
LEADER = 15
"""Points from a panel to the names beside it."""
LABEL_GAP = TEXT_SIZE * 1.15
"""Points between the names of two lines."""


def forgetting(data: FigureData) -> Figure:
    """A panel per metric of every task, in the order of tasks; all methods of one sequence."""
    tasks = data.grid.record.tasks
    panels = [(task, metric) for task in tasks for metric in task.metrics]
    values = tidy_frame([data.grid]).dropna(subset=["value"])
    curves = means_by(values, ["task", "metric", "label", "phase"])
    order = ", ".join(f"{phase} {task.name}" for phase, task in enumerate(tasks, start=1))
    columns, rows = min(COLUMNS, len(panels)), ceil(len(panels) / COLUMNS)
    figure = new_figure(f"{data.title}: every metric after every phase",
                      f"Phases: {order}. {data.runs_text('bands')}{_legend_note(data)}",
                      columns * _width(data, 2.8), rows * _height(data, 2.2))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for index, (place, (task, metric)) in enumerate(zip(axes, panels, strict=False)):
        place.set_title(metric_heading(task, metric))
        _draw_curves(place, data, curves[(curves["task"] == task.name)
                                         & (curves["metric"] == metric.name)])
        if index + columns >= len(panels):
            place.set_xlabel("after phase")
    for place in axes[len(panels):]:
        place.remove()
    return _with_names(figure)


def delta(data: FigureData) -> Figure:
    """Delta^t for t = 1 to T, mean over orders and seeds, in one panel.

    Raises `RequestError` when there is no run of the baseline, and when no gain is defined.
    """
    phases = range(1, len(data.grid.record.tasks) + 1)
    gains = {str(phase): _gain_after(phase, data.baseline) for phase in phases}
    curves = means_by(data.scores([*gains], gains), ["label", "score"])
    if curves.empty:
        raise data.no_gain()
    curves["phase"] = curves["score"].astype(int)
    figure = new_figure(f"{data.title}: gain over {data.baseline}, phase by phase",
                      f"Δ after phase t: of the tasks learnt by then, relative to what "
                      f"{data.baseline} ends with. {data.runs_text('bands')} Dashed: bounds, after "
                      f"all phases.{_legend_note(data)}", _width(data, 4.2), _height(data, 3.0))
    axes = figure.subplots()
    axes.set_ylabel(f"Δ over {data.baseline} (%) ↑")
    axes.set_xlabel("after phase")
    axes.axhline(0, color=GREY, linewidth=0.6)
    _draw_curves(axes, data, curves)
    return _with_names(figure)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions at least `gap` apart, as near to `wanted` as can be, within low and high.

    Neighbours that would touch move apart together (pooling, as in isotonic regression). Where
    low and high leave too little room the gap wins, and positions run over both ends alike.
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    pools: list[tuple[float, int]] = []
    for rank, index in enumerate(order):
        mean, count = wanted[index] - rank * gap, 1
        while pools and pools[-1][0] >= mean:
            before, size = pools.pop()
            mean, count = (before * size + mean * count) / (size + count), size + count
        pools.append((mean, count))
    placed = [mean for mean, count in pools for _ in range(count)]
    room = high - (len(wanted) - 1) * gap
    if room < low:
        low = room = (low + room) / 2
    positions = [0.0] * len(wanted)
    for rank, index in enumerate(order):
        positions[index] = min(max(placed[rank], low), room) + rank * gap
    return positions


def _gain_after(phase: int, baseline: str) -> ScoreColumn:
    return ScoreColumn(f"Δ after phase {phase}", "%", True, lambda own, references, record:
                       delta_of(own, references[baseline], phase), needs=(baseline,))


def _named(data: FigureData) -> set[str]:
    """The lifelong methods to be told apart: all of them, or finetune and the best of many."""
    labels = data.best_first
    return {*labels} if len(labels) <= MANY else {*labels[:SHOWN], *({REFERENCE} & {*labels})}


def _legend_note(data: FigureData) -> str:
    """A sentence on the methods that are not named; nothing when all are."""
    named = _named(data)
    others = [label for label in data.best_first if label not in named]
    return (f" In colour: the first {SHOWN} methods {data.order_text}; grey: {', '.join(others)}."
            if others else "")


def _width(data: FigureData, panel: float) -> float:
    """Inches of a panel and of the longest name beside it."""
    named = _named(data)
    return panel + LEADER / 72 + max(text_width(data.name(method)) for method in data.grid.methods
                                     if method.bound or method.label in named)


def _height(data: FigureData, least: float) -> float:
    """Inches of a panel that is high enough for the names beside it, `least` at least."""
    names = len(_named(data)) + sum(method.bound for method in data.grid.methods)
    return max(least, names * LABEL_GAP / 72 + 0.5)


def _draw_curves(axes: Axes, data: FigureData, curves: pd.DataFrame) -> None:
    """Draw `mean`, `low` and `high` by `label` and `phase`; methods that are not named lie
    behind. A bound is a level, that of its last phase."""
    phases, named = len(data.grid.record.tasks), _named(data)
    axes.set_xlim(0.85, phases + 0.15)
    axes.set_xticks(range(1, phases + 1))
    for method in data.grid.methods:
        points = curves[curves["label"] == method.label].sort_values("phase")
        if points.empty:
            continue
        look, end = data.looks[method.label], points["mean"].iloc[-1]
        if method.bound:
            axes.plot(axes.get_xlim(), [end, end], color=look.colour, linestyle=look.dash,
                      linewidth=0.9)
        elif method.label in named:
            _draw_interval(axes, points, look)
            axes.plot(points["phase"], points["mean"], color=look.colour, linestyle=look.dash,
                      marker=look.marker, clip_on=False, label=method.label)
        else:
            axes.plot(points["phase"], points["mean"], color=FAINT, linewidth=0.8, zorder=1.5,
                      label=method.label, marker="." if len(points) == 1 else None)
            continue
        axes.annotate(data.name(method), (1, end), (LEADER, 0),
                      xycoords=("axes fraction", "data"), textcoords="offset points",
                      color=look.colour, va="center", annotation_clip=False,
                      arrowprops={"arrowstyle": "-", "color": look.colour, "linewidth": 0.5,
                                  "relpos": (0, 0.5), "patchA": None, "shrinkA": 1, "shrinkB": 0,
                                  "alpha": 0.6})
    if not axes.texts and not axes.lines:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=GREY)
    axes.margins(y=0.08)


def _draw_interval(axes: Axes, points: pd.DataFrame, look: Look) -> None:
    if len(points) > 1:
        axes.fill_between(points["phase"], points["low"], points["high"], color=look.colour,
                          alpha=0.15, linewidth=0)
    else:  # a band has no width over one phase
        axes.vlines(points["phase"], points["low"], points["high"], color=look.colour, alpha=0.35,
                    linewidth=2)


def _with_names(figure: Figure) -> Figure:
    """The figure with the names beside each panel moved apart where lines end close together."""
    lay_out(figure)
    for axes in figure.axes:
        notes = [text for text in axes.texts if isinstance(text, Annotation)]
        low, high = axes.get_ylim()
        room = axes.bbox.height / figure.dpi * 72  # points
        wanted = [(note.xy[1] - low) / (high - low) * room for note in notes]
        for note, at, placed in zip(notes, wanted, spread(wanted, LABEL_GAP, 2.0, room - 2),
                                    strict=True):
            note.xyann = (LEADER, placed - at)
        axes.set_ylim(low, high)
    return figure
