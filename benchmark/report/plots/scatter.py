"""Scatter plots with a point per method, named beside it, bounds in grey.

`stability` sets keeping old tasks against learning new ones, `tradeoff` a gain against its costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import ceil, floor, log10
from typing import TYPE_CHECKING

import numpy as np
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import NDArray

from benchmark.errors import RequestError
from benchmark.report.plots.data import FigureData
from benchmark.report.plots.figure import lay_out, new_figure
from benchmark.report.plots.style import FAINT, GREY, REFERENCE
from benchmark.report.runs.scoring import ScoreColumn
from benchmark.report.runs.summary import means_by
from benchmark.scores import Matrix, Score, learning_transfer, mean

if TYPE_CHECKING:
    import pandas as pd

HEIGHT = 4.2
"""Inches of a panel; of many points it is higher, to fit their names."""
BESIDE = 6
"""Points from the middle of a mark to its name."""


def stability(data: FigureData) -> Figure:
    """Forgetting, less of it upwards, against learning of new tasks.

    Learning is measured against the baseline asked for: separate models where there are runs of
    them, else finetune. Raises `RequestError` when the baseline has no run, and when no method has
    both scores, as in sequences of one task.
    """
    baseline = data.chosen_baseline or (
        "separate" if data.grid.find_baseline("separate") else REFERENCE)
    learning = ScoreColumn("learning of later tasks", "%", True,
                           lambda own, references, record: _later_tasks(own, references[baseline]),
                           needs=(baseline,))
    scores = data.scores(["learning", "forgetting"], {"learning": learning}, baseline)
    points = _points(data, {"x": scores[scores["score"] == "learning"],
                            "y": scores[scores["score"] == "forgetting"]})
    if points.empty:
        raise RequestError(f"{data.title}: no method has both a forgetting and a learning score; "
                           "they take two tasks and runs of the baseline's seeds")
    figure = new_figure(f"{data.title}: stability against plasticity",
                      "Right: new tasks (from the second on) are learnt better. Up: old tasks are "
                      f"forgotten less. {data.runs_text('lines')} Bounds are grey.",
                      6.0, _height(points))
    axes = figure.subplots()
    axes.axvline(0, color=GREY, linewidth=0.6)
    axes.axhline(0, color=GREY, linewidth=0.6)
    axes.set_xlabel(f"learning of tasks 2 to {len(data.grid.record.tasks)}, gain over {baseline} "
                    "(%) →")
    axes.set_ylabel("← forgetting (%)")
    _scatter(axes, data, points)
    axes.margins(0.12)
    axes.invert_yaxis()
    return _with_names(figure, data, {axes: points})


def tradeoff(data: FigureData) -> Figure:
    """Delta against what it costs: bytes carried between phases, and training time over that of
    finetune of the same order and seed.

    Raises `RequestError` when the baseline or finetune has no run, and when no gain is defined.
    """
    data.grid.baseline(REFERENCE)
    scores = data.scores(["delta", "carried", "train"])
    gain, carried, seconds = (scores[scores["score"] == key]
                              for key in ("delta", "carried", "train"))
    data.means(gain)
    panels = [_points(data, {"x": cost, "y": gain})
              for cost in (carried, _relative_to(REFERENCE, seconds))]
    figure = new_figure(f"{data.title}: what a gain costs",
                      f"{data.runs_text('lines')} Bounds are grey. Times compare only runs that "
                      "had the same machine to themselves.", 10.0, max(map(_height, panels)))
    memory, time = figure.subplots(1, 2, sharey=True)
    memory.set_ylabel(f"Δ over {data.baseline} (%) ↑")
    for axes, points in zip((memory, time), panels, strict=True):
        _scatter(axes, data, points)
        axes.margins(x=0.1, y=0.08)
    _scale_bytes(memory, panels[0])
    _scale_time(time, panels[1])
    return _with_names(figure, data, {memory: panels[0], time: panels[1]})


def _points(data: FigureData, scores: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """`x_mean`, `x_low`... of the methods of which both scores are known, by label."""
    found = [means_by(part, ["label"]).set_index("label").add_prefix(f"{axis}_")
             for axis, part in scores.items()]
    return found[0].join(found[1], how="inner")


def _relative_to(name: str, scores: pd.DataFrame) -> pd.DataFrame:
    """Scores over those of the method called `name` at the same sequence and seed."""
    unit = scores[(scores["label"] == name) & (scores["value"] > 0)]
    pairs = scores.merge(unit[["sequence", "seed", "value"]], on=["sequence", "seed"],
                         suffixes=("", "_unit"))
    return pairs.assign(value=pairs["value"] / pairs["value_unit"])


def _later_tasks(matrix: Matrix, reference: Matrix) -> Score:
    """How much better tasks 2 to T are learnt than in `reference`, just after their own phase."""
    first = matrix.tasks[0][0].task
    return mean(score for task, score in learning_transfer(matrix, _just_learnt(reference)).items()
                if task != first)


def _just_learnt(matrix: Matrix) -> Matrix:
    """R with every value of a task as it was just after its own phase, where that is known."""
    return Matrix(tuple(
        tuple(curve if (value := curve.after(curve.learnt)) is None
              else replace(curve, values=(value,) * len(curve.values)) for curve in curves)
        for curves in matrix.tasks))


def _height(points: pd.DataFrame) -> float:
    return max(HEIGHT, 0.22 * len(points))


def _scatter(axes: Axes, data: FigureData, points: pd.DataFrame) -> None:
    """Draw points with their intervals; `_with_names` names them once the axes are set."""
    axes.grid(axis="both")
    for label, at in points.iterrows():
        look = data.looks[str(label)]
        axes.plot([at["x_low"], at["x_high"]], [at["y_mean"]] * 2, color=look.colour, alpha=0.45,
                  linewidth=1)
        axes.plot([at["x_mean"]] * 2, [at["y_low"], at["y_high"]], color=look.colour, alpha=0.45,
                  linewidth=1)
        axes.plot(at["x_mean"], at["y_mean"], color=look.colour, marker=look.marker, label=label,
                  linestyle="none", markersize=5, clip_on=False,
                  fillstyle="full" if look.filled else "none")


def _with_names(figure: Figure, data: FigureData, panels: Mapping[Axes, pd.DataFrame]) -> Figure:
    """The figure with every name beside its point, off marks, intervals and other names."""
    lay_out(figure)
    for axes, points in panels.items():
        marks = points[["x_mean", "y_mean"]].to_numpy()
        pixels = axes.transData.transform(marks) + np.array([BESIDE * figure.dpi / 72, 0])
        beside = axes.transData.inverted().transform(pixels)
        names = [axes.text(x, y, data.name(data.grid.method(label)), va="center",
                           color=data.looks[label].colour)
                 for label, (x, y) in zip(points.index, beside, strict=True)]
        # A limit of steps, not of time: the same records draw the same figure.
        adjust_text(names, *_occupied(axes, points).T, target_x=marks[:, 0], target_y=marks[:, 1],
                    ax=axes, iter_lim=200, expand=(1.05, 1.15), force_explode=(0.05, 0.2),
                    force_text=(0.2, 0.4),
                    prevent_crossings=False,  # it swaps the places of names of unequal length
                    arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "alpha": 0.6})
    return figure


def _occupied(axes: Axes, points: pd.DataFrame) -> NDArray[np.float64]:
    """Places, as data [N, 2], of marks and along intervals, none closer to each other than the
    cells of a grid are: many methods can share a place."""
    x, x_low, x_high, y, y_low, y_high = points[
        [f"{axis}_{value}" for axis in "xy" for value in ("mean", "low", "high")]].to_numpy(float).T
    steps = 7
    places = [np.column_stack([x, y]),
              np.column_stack([np.linspace(x_low, x_high, steps).ravel(), np.tile(y, steps)]),
              np.column_stack([np.tile(x, steps), np.linspace(y_low, y_high, steps).ravel()])]
    cell = BESIDE / 2 * axes.figure.dpi / 72
    pixels = axes.transData.transform(np.concatenate(places))
    marks = axes.transData.transform(places[0])
    corners = cell * np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
    cells = np.concatenate([pixels, (marks[:, None] + corners).reshape(-1, 2)]) / cell
    occupied: NDArray[np.float64] = axes.transData.inverted().transform(
        np.unique(cells.round(), axis=0) * cell)
    return occupied


def _scale_bytes(axes: Axes, points: pd.DataFrame) -> None:
    """Logarithmic from the smallest decade with a method on; 0 has a place of its own."""
    axes.set_xlabel("carried from phase to phase (MiB)")
    some = points["x_mean"][points["x_mean"] > 0]
    if some.empty:
        return
    least, most = 10.0 ** floor(log10(some.min())), 4 * some.max()
    axes.set_xscale("symlog", linthresh=least, linscale=0.5)
    axes.set_xlim(-0.45 * least, most)
    axes.axvspan(-0.45 * least, 0.45 * least, color=FAINT, alpha=0.25, linewidth=0)
    steps = (1, 2, 5) if most < 1000 * least else (1,)
    axes.set_xticks([0, *(tick for decade in range(floor(log10(least)), ceil(log10(most)))
                          for step in steps if (tick := step * 10.0 ** decade) < most)])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _scale_time(axes: Axes, points: pd.DataFrame) -> None:
    axes.set_xlabel(f"training time, times that of {REFERENCE}")
    axes.axvline(1, color=GREY, linewidth=0.6)
    axes.set_xscale("log", base=2)
    axes.set_xlim(min([0.5, *points["x_low"]]) / 1.3, max([2, *points["x_high"]]) * 1.3)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} x"))
    axes.xaxis.set_minor_locator(NullLocator())
